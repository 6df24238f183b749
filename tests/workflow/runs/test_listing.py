"""`heterosis list`, and the labels by which runs are found."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from apps.records.run_dir import RunDir
from heterosis import Run
from tests.support.experiments import TINY, broken_off, copied, events, read_tables, write
from tests.workflow.conftest import Heterosis
from workflow.runs.listing import list_runs
from workflow.runs.lock import only_driver

NOTE = "what if [bold] mothers"


def test_runs_of_a_folder_are_listed_with_their_state(finished: Path, tmp_path: Path) -> None:
    for name in ("whole", "broken", "stopped", "running", "lost"):
        root = broken_off(finished, tmp_path / "made", "trial-001/twice/harvest")
        root.rename(tmp_path / name)
    shutil.rmtree(tmp_path / "whole")
    copied(finished, tmp_path).rename(tmp_path / "whole")
    with RunDir(tmp_path / "stopped").events_jsonl.open("a") as file:
        file.write(json.dumps(events(finished)[-1] | {"how": "stopped"}) + "\n")
    RunDir(tmp_path / "lost").events_jsonl.unlink()
    write(tmp_path / "begun", TINY, "experiment.toml")
    (tmp_path / "else").mkdir()
    (tmp_path / "a file").touch()
    with only_driver(RunDir(tmp_path / "running").lock):
        found = {each.name: each for each in list_runs(tmp_path)}
    assert {name: each.state for name, each in found.items()} == {
        "whole": "finished",
        "broken": "failed",
        "stopped": "stopped",
        "running": "running",
        "lost": "failed",
        "begun": "not begun",
    }
    whole, broken = found["whole"], found["broken"]
    assert (whole.trials_done, whole.trials) == (2, 2)
    assert (broken.trials_done, broken.trials) == (1, 2)
    assert whole.fitness == "val_loss"
    assert whole.best == read_tables(finished)["members"]["val_loss"].min()
    files = [path for path in finished.rglob("*") if path.is_file()]
    assert whole.size_bytes == sum(path.stat().st_size for path in files)
    assert math.isnan(found["begun"].best)
    assert (found["begun"].trials, found["lost"].trials) == (2, 2)


def test_the_newest_comes_first_and_json_is_strict(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    copied(finished, tmp_path).rename(tmp_path / "older")
    write(tmp_path / "newer", TINY, "experiment.toml")
    ended = heterosis("list", tmp_path, "--json")
    assert (ended.code, ended.err) == (0, "")
    newer, older = json.loads(ended.out, parse_constant=pytest.fail)
    assert (newer["name"], newer["best"], older["name"]) == ("newer", None, "older")
    lines = heterosis("list", tmp_path).out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "newer", "older"]
    assert lines[2].split()[1:5] == ["finished", "2/2", "val_loss", f"{older['best']:.4f}"]


@pytest.mark.slow
def test_labels_are_kept_shown_and_changed(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    again = ("run", tiny_file, "--runs", tmp_path, "--quiet")
    assert heterosis(*again, "--note", NOTE, "--tag", "a", "--tag", "b").code == 0
    assert heterosis(*again).code == 0
    assert Run.open(root).labels.tags == ("a", "b")
    assert f"tiny: {NOTE} [a, b]" in heterosis("status", root).out
    assert f"{NOTE} [a, b]" in RunDir(root).report_html.read_text()
    assert heterosis("list", tmp_path, "--tag", "b").out.rstrip().endswith(f"a, b  {NOTE}")
    assert heterosis(*again, "--tag", "c", "--note", "").code == 0
    assert Run.open(root).labels.said == "[c]"
    assert heterosis("list", tmp_path, "--tag", "b").out == (
        f"no runs with the tag b in {tmp_path}\n"
    )
    fresh = heterosis(*again, "--fresh")
    assert (fresh.code, Run.open(root).labels.said) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "nowhere"), "nowhere: no such folder"),
        (("run", "smoke", "--tag", "two words"), "--tag 'two words': a tag is one word"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...],
    said: str,
    heterosis: Heterosis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = heterosis(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert said in ended.err
    assert [*tmp_path.iterdir()] == []


def test_a_folder_without_runs_has_none(tmp_path: Path, heterosis: Heterosis) -> None:
    ended = heterosis("list", tmp_path)
    assert (ended.code, ended.out) == (0, f"no runs in {tmp_path}\n")
    assert heterosis("list", tmp_path, "--json").out == "[]\n"
