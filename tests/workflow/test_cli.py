"""The command: one line for bad input, continuing, starting afresh, and what it prints."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apps.datasets import fashion_mnist
from apps.errors import NotWritten, ReportError, UserError
from apps.files import sha256_file
from apps.messages.results import Failure
from apps.messages.tasks import ExportTask, TrainTask
from apps.records.run_dir import RunDir
from tests.support.experiments import (
    TINY,
    answering,
    assert_same,
    changed,
    contents,
    copied,
    events,
    last_start,
    press,
    read_tables,
    write,
)
from tests.support.processes import HETEROSIS, unactivated_path
from tests.workflow.conftest import Heterosis
from workflow.experiment.file import load_experiment, read_experiment
from workflow.runs.lock import only_driver

ROOT = Path(__file__).parents[2]
SAMPLE = Path(fashion_mnist.__file__).parent / "data" / "fashion-mnist-sample"


# --------------------------------------------------------------------------------- taking over
@pytest.mark.slow
def test_a_run_in_which_nothing_was_finished_is_taken_over(
    tmp_path: Path, tiny_file: Path, heterosis: Heterosis
) -> None:
    run_dir = RunDir(tmp_path / "tiny")
    wrong = changed(training={"epochs": 8, "loss": "no_such_loss"})
    write(run_dir.root, wrong, run_dir.experiment_toml.name)
    (run_dir.root / "trial-000/segment-0/member-00").mkdir(parents=True)
    (run_dir.root / "trial-000/segment-0/member-00/error.txt").write_text("no such loss")
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"nothing was finished yet in {run_dir.root}: ")
    stored = read_experiment(run_dir.experiment_toml)
    assert stored.completed() == load_experiment(tiny_file).completed()


def test_what_a_killed_start_left_is_no_obstacle(
    tmp_path: Path, tiny_file: Path, heterosis: Heterosis
) -> None:
    """A driver may be killed before it has stored the experiment, or while it does so."""
    run_dir = RunDir(tmp_path / "tiny")
    run_dir.root.mkdir()
    run_dir.lock.touch()
    (run_dir.root / ".experiment.toml.0123").touch()
    pressed = answering(TrainTask, press)
    for options in ([], ["--fresh"]):
        ended = heterosis("run", tiny_file, "--runs", tmp_path, *options, engine=pressed)
        assert (ended.code, ended.err) == (130, "")
        assert "nothing was finished" not in ended.out
        assert run_dir.experiment_toml.is_file()


@pytest.mark.parametrize("begins", [True, False])
def test_a_run_that_goes_on_is_not_rehearsed(
    begins: bool, finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    def refuse(*_: Any) -> None:
        raise UserError("something is wrong", code="data-form")

    root = copied(finished, tmp_path)
    before = contents(root)
    options = ["--fresh"] if begins else []
    ended = heterosis("run", tiny_file, "--runs", tmp_path, *options, rehearse=refuse)
    assert ended.code == (2 if begins else 0)
    if begins:
        assert ended.err == "error: something is wrong [data-form]\n"
        assert contents(tmp_path) == {root.name: b""} | {
            f"{root.name}/{name}": content for name, content in before.items()
        }


def test_what_a_rehearsal_remarks_on_is_said_and_stands_in_the_report(
    tmp_path: Path, tiny_file: Path, heterosis: Heterosis
) -> None:
    def remark(*_: Any) -> tuple[str, ...]:
        return ("all begin as one",)

    one = ["--set", "trials=1"]
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--quiet", *one, rehearse=remark)
    assert ended.code == 0
    assert "note: all begin as one\n" in ended.out
    page = RunDir(tmp_path / "tiny").report_html
    assert '<p class="note">all begin as one</p>' in page.read_text()


def test_a_damaged_experiment_file_in_the_run_is_told(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    stored = RunDir(root).experiment_toml
    stored.write_bytes(stored.read_bytes()[:100] + b"[")
    ended = heterosis("run", tiny_file, "--runs", tmp_path)
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert str(stored) in line


def test_a_second_driver_is_refused_and_told_of_the_first(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    with only_driver(RunDir(root).lock):
        before = contents(root)
        for options in ([], ["--fresh"]):
            ended = heterosis("run", tiny_file, "--runs", tmp_path, *options)
            assert ended.code == 2
            (line,) = ended.err.splitlines()
            assert re.search(rf"host {re.escape(socket.gethostname())}, process \d+, since", line)
        assert contents(root) == before
        for log in (b"", RunDir(root).events_jsonl.read_bytes().splitlines(keepends=True)[0]):
            RunDir(root).events_jsonl.write_bytes(log)
            assert f"running (host {socket.gethostname()}" in heterosis("status", root).out


def test_the_command_in_a_process_of_its_own_shows_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [HETEROSIS, "run", "quick", "--set", "trails=3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env={"PATH": unactivated_path()},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_an_interpreter_without_the_packages_is_told_so() -> None:
    """Without site-packages Python finds the checkout and nothing that it needs."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "heterosis", "run", "quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        env={},
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {sys.executable} lacks ")
    assert "make install" in line


def test_debug_shows_the_traceback(
    heterosis: Heterosis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="quik"):
        heterosis("--debug", "run", "quik")


# ---------------------------------------------------------------------------------- continuing
def test_the_same_command_again_reuses_everything(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    for path in (RunDir(root).tables, RunDir(root).report):
        shutil.rmtree(path)
    ended = heterosis("run", tiny_file, "--runs", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert all(event["reused"] for event in last_start(events(root)))
    assert_same(read_tables(root), read_tables(finished))
    lines = ended.out.splitlines()
    assert f"champion: {root}/champion/champion.keras" in lines
    assert f"report: {root}/report/index.html" in lines
    assert RunDir(root).report_html.is_file()
    for arm in TINY["arms"]:
        assert any(line.startswith(f"{arm['name']} ") for line in lines), arm


def test_quiet_is_one_line_of_progress(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    copied(finished, tmp_path)
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--quiet")
    assert ended.code == 0
    assert len([line for line in ended.out.splitlines() if line.startswith("trials ")]) == 1


def test_a_lost_champion_file_is_written_again(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    file = RunDir(root).champion / "champion.keras"
    file.write_bytes(file.read_bytes()[:100])
    assert heterosis("run", tiny_file, "--runs", tmp_path).code == 0
    card = json.loads((RunDir(root).champion / "card.json").read_text())
    assert card["sha256"] == sha256_file(file)
    assert all(event["reused"] for event in last_start(events(root)))


@pytest.mark.slow
def test_fresh_moves_the_older_run_aside(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    (tmp_path / "tiny.1").mkdir()
    file = write(tmp_path, changed(trials=1, arms=[{"name": "control"}]))
    ended = heterosis("run", file, "--runs", tmp_path, "--fresh")
    assert ended.code == 0
    assert f"the older run is now {tmp_path}/tiny.2" in ended.out
    assert_same(read_tables(tmp_path / "tiny.2"), read_tables(finished))
    assert not any(event["reused"] for event in last_start(events(root)))


def test_fresh_with_bad_input_moves_nothing(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    copied(finished, tmp_path)
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--fresh", "--site", "nowhere.py")
    assert ended.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_run_may_have_a_name_of_its_own(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    shutil.copytree(finished, tmp_path / "other")
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--name", "other")
    assert ended.code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_the_environment_of_a_run_is_recorded(finished: Path) -> None:
    recorded = json.loads(RunDir(finished).environment_json.read_text())
    assert recorded["command"][:2] == ["heterosis", "run"]
    assert recorded["site"] == "local_threads"
    assert recorded["packages"]["parsl"] != "not installed"
    assert recorded["cores"] >= 1


# --------------------------------------------------------------------------------- other endings
def test_a_champion_that_cannot_be_exported_ends_with_code_1(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    full = answering(ExportTask, lambda: Failure("no space left"))
    ended = heterosis("run", tiny_file, "--runs", tmp_path, engine=full)
    assert ended.code == 1
    assert "no champion: it could not be exported: no space left" in ended.err
    assert f"report: {root}/report/index.html" in ended.out


@pytest.mark.parametrize(
    "error",
    [
        ReportError("too little to compare"),
        NotWritten("report", "too little to compare", OSError(28, "No space left"), "make room"),
    ],
)
def test_without_a_report_all_is_computed_and_the_code_is_1(
    error: Exception,
    finished: Path,
    tiny_file: Path,
    tmp_path: Path,
    heterosis: Heterosis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = copied(finished, tmp_path)

    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr("analysis.report.write.write_report", refuse)
    ended = heterosis("run", tiny_file, "--runs", tmp_path)
    assert ended.code == 1
    (line,) = ended.err.splitlines()
    assert line.startswith("error: ")
    assert "too little to compare" in line
    assert f"`heterosis report {root}`" in line
    assert f"champion: {root}/champion/champion.keras" in ended.out


# ------------------------------------------------------------------------------- other commands
def test_report_is_written_again(finished: Path, tmp_path: Path, heterosis: Heterosis) -> None:
    root = copied(finished, tmp_path)
    shutil.rmtree(RunDir(root).report)
    ended = heterosis("report", root)
    assert ended.code == 0
    assert Path(ended.out.strip()) == RunDir(root).report_html
    assert RunDir(root).report_html.is_file()


def test_sites_lists_the_sites(heterosis: Heterosis) -> None:
    ended = heterosis("sites")
    assert ended.code == 0
    assert "local_threads" in ended.out
    assert "local_processes" in ended.out
    assert "make_config(options)" in ended.out


def test_a_plugin_for_data_may_lie_in_the_current_folder(
    heterosis: Heterosis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lying_here.py").write_text(
        "import numpy as np\n\ndef load():\n    x, y = np.zeros((5, 3)), np.arange(5)\n"
        "    return (x, y), (x, y)\n"
    )
    ended = heterosis("data", "lying_here:load")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("lying_here:load: 5 training and 5 test samples")


def test_data_says_where_the_sample_is(heterosis: Heterosis) -> None:
    ended = heterosis("data", "fashion_mnist_sample")
    assert (ended.code, ended.err) == (0, "")
    assert str(SAMPLE) in ended.out


COMMANDS = (
    *("new", "run", "plan", "list", "status", "watch", "report", "compare", "versus", "merging"),
    *("export", "store", "predict", "replay", "clean", "data", "sites", "doctor"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str, heterosis: Heterosis) -> None:
    assert command in heterosis("--help").out
    ended = heterosis(command, "--help")
    assert ended.code == 0
    assert "Usage" in ended.out
