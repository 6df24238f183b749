"""A record of a run that is damaged ends every command in order: one line, no traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from apps.records.run_dir import FAILURE, PARTIAL_RECORD, RunDir
from tests.support.experiments import copied
from tests.workflow.conftest import Heterosis

DAMAGE: Final = {
    "cut": lambda whole: whole[: len(whole) // 2],
    "another table": lambda _: b'{"a": 1}',
    "null": lambda _: b"null",
    "not UTF-8": lambda _: b'{"\xff\xfe": 1}',
}

COMMANDS: Final = {
    "list": ("list", "{runs}"),
    "status": ("status", "{run}"),
    "watch": ("watch", "{run}", "--once"),
    "report": ("report", "{run}"),
    "versus": ("versus", "{run}", "mean"),
    "merging": ("merging", "{run}"),
    "store": ("store", "{run}", "{out}/kept"),
    "predict": ("predict", "{run}", "test", "--out", "{out}/p.csv"),
    "predict alone": ("predict", "{run}/champion", "test", "--out", "{out}/p.csv"),
    "replay": ("replay", "{run}"),
    "clean": ("clean", "--dry-run", "{run}"),
    "run": ("run", "{file}", "--runs", "{runs}"),
}

RESULT: Final = "trial-000/random/harvest/result.json"

READ: Final = {
    "experiment.toml": ("list", "versus", "merging", "store", "predict", "replay"),
    "environment.json": ("list", "store", "run"),
    "data.json": ("report",),
    "events.jsonl": ("list", "status", "clean"),
    "driver.lock": ("status", "clean"),
    "champion/card.json": ("predict alone", "replay"),
    RESULT: ("status", "run"),
}
"""The records of a finished run, and commands that read them."""

READ_UNFINISHED: Final = {
    "experiment.toml": ("watch", "report"),
    "environment.json": ("status",),
    "events.jsonl": ("watch",),
    "workers/a.json": ("status",),
    RESULT: ("clean",),
    f"trial-000/random/harvest/{FAILURE}": ("status",),
    f"trial-001/mean/segment-2/member-02/{PARTIAL_RECORD}": ("status", "report"),
}
"""The same of a run that is not finished."""


CASES: Final = [
    (finishes, command, record)
    for finishes, read in ((True, READ), (False, READ_UNFINISHED))
    for record, commands in read.items()
    for command in commands
]


def check(
    root: Path, file: Path, out: Path, command: str, record: str, heterosis: Heterosis
) -> None:
    path = root / record
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.read_bytes() if path.exists() else b""
    if path.name in (FAILURE, PARTIAL_RECORD):  # read where there is no result
        (path.parent / "result.json").unlink()
    words = {"run": root, "runs": root.parent, "file": file, "out": out}
    for name, damaged in DAMAGE.items():
        path.write_bytes(damaged(whole))
        ended = heterosis(*(word.format_map(words) for word in COMMANDS[command]))
        told = f"{name}: {ended}"
        assert ended.code in (0, 1, 2), told
        assert "Traceback" not in ended.out + ended.err, told
        if ended.code == 2:
            assert ended.err.startswith("error: "), told
            assert ended.err.count("\n") == 1, told
            assert "[experiment-file]" not in ended.err, told


@pytest.mark.slow
@pytest.mark.parametrize(("finishes", "command", "record"), CASES)
def test_a_damaged_record_ends_a_command_in_order(
    finishes: bool, command: str, record: str, finished: Path, tiny_file: Path, tmp_path: Path,
    heterosis: Heterosis,
) -> None:  # fmt: skip
    root = copied(finished, tmp_path / "runs")
    if not finishes:
        RunDir(root).table("trials").unlink()
    check(root, tiny_file, tmp_path, command, record, heterosis)


def test_what_is_not_stored_leaves_nothing(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    for damaged, said in (("{", "not JSON"), ("{}", "it has no command"), ("[]", "a table")):
        RunDir(root).environment_json.write_text(damaged)
        ended = heterosis("store", root, tmp_path / "kept")
        assert (ended.code, ended.out) == (2, "")
        assert "environment.json: " in ended.err
        assert said in ended.err
        assert "[run-damaged]" in ended.err
        assert not (tmp_path / "kept").exists()


def test_a_card_without_a_trial_is_not_replayed(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    RunDir(root).card_json.write_text('{"a": 1}')
    ended = heterosis("replay", root)
    assert ended.code == 2
    assert "card.json: is not what a run writes: it names no trial and arm; start the" in ended.err
    assert "[run-damaged]" in ended.err


@pytest.mark.parametrize("cut", [0, 200])
def test_a_cut_experiment_of_a_run_has_a_way_out(
    cut: int, finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    stored = RunDir(root).experiment_toml
    stored.write_bytes(stored.read_bytes()[:cut])
    for words in (("clean", root), ("status", root), ("run", tiny_file, "--runs", tmp_path)):
        ended = heterosis(*words)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert f"error: {stored}: " in ended.err
        assert "it is the run's own record, and damaged: put it back from a copy" in ended.err
        assert "--fresh move the run aside [run-damaged]" in ended.err
    ended = heterosis("run", tiny_file, "--runs", tmp_path, "--fresh")
    assert (ended.code, ended.err) == (0, "")
