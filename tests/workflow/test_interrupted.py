"""Ctrl-C, once or twice, at any moment: the command says how to go on."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from apps.messages.tasks import ExportTask, TrainTask, Workplace
from apps.records.run_dir import RunDir
from apps.worker.stopping import stopping
from heterosis.__main__ import main
from tests.support.experiments import (
    AnsweringEngine,
    ImmediateEngine,
    answering,
    copied,
    press,
)
from tests.workflow.conftest import Heterosis
from workflow.runs.status import standing


class PressedAtTheEnd(ImmediateEngine):
    """Is stopped while its workers are being released."""

    def __init__(self, config: object, place: Workplace) -> None:
        super().__init__(place)

    def __exit__(self, *_: object) -> None:
        press()


@pytest.mark.parametrize(
    "part",
    [
        {"rehearse": press},
        {"engine": press},
        {"engine": answering(TrainTask, press)},
        {"engine": answering(ExportTask, press)},
        {"engine": PressedAtTheEnd},
    ],
    ids=["rehearsal", "loading", "driving", "exporting", "releasing"],
)
def test_ctrl_c_at_any_moment_says_how_to_continue(
    part: dict[str, Any], finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    if "engine" in part:
        copied(finished, tmp_path)
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--quiet", **part)
    assert ended.code == 130
    assert ended.err == ""
    again = f"heterosis run {tiny_file} --runs {tmp_path} --quiet"
    assert ended.out.splitlines()[-1].endswith(f"Continue with: {again}")


def test_continuing_after_a_fresh_start_does_not_start_over(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    pressed = answering(TrainTask, press)
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--fresh", engine=pressed)
    assert ended.code == 130
    assert "--fresh" not in ended.out


def test_stopped_before_a_fresh_start_it_still_starts_over(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    copied(finished, tmp_path)
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--fresh", rehearse=press)
    assert ended.code == 130
    assert ended.out.splitlines()[-1].endswith("--fresh")
    assert [path.name for path in tmp_path.glob("tiny*")] == ["tiny"]


class PressedTwice(AnsweringEngine):
    """Is stopped, and stopped again while its tasks end; Parsl reports what comes of it."""

    def __init__(self, config: object, place: Workplace) -> None:
        super().__init__(place, TrainTask, press)

    def stop(self) -> NoReturn:
        stopping.set()
        for name in ("parsl.dataflow.dflow", "concurrent.futures"):
            logging.getLogger(name).error("cannot schedule new futures after shutdown")
        press()


def test_stopped_twice_a_run_is_stopped_and_nothing_failed(
    tiny_file: Path, tmp_path: Path, heterosis: Heterosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "_exit", sys.exit)  # it leaves at once, and would take pytest along
    try:
        ended = heterosis("run", tiny_file, "--runs", tmp_path, engine=PressedTwice)
    finally:
        stopping.clear()
    assert ended.code == 130
    assert "stopping: tasks end their epoch; once more to leave at once" in ended.out
    assert "Continue with: heterosis run" in ended.out.splitlines()[-1]
    run = RunDir(tmp_path / "tiny")
    assert standing(run).state == "stopped"
    assert " ERROR " not in run.log.read_text()


def test_a_signal_outside_of_a_run_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workflow.cli.main", press)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
