"""Cleaning takes what nothing needs, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from apps.records.run_dir import RunDir
from tests.support.experiments import (
    TINY,
    assert_same,
    checkpoints,
    copied,
    drive,
    events,
    last_start,
    load,
    read_tables,
    write,
)
from tests.workflow.conftest import Heterosis, call
from workflow.runs.cleaning import find_waste, remove
from workflow.runs.lock import only_driver

HEX = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, tiny_file: Path) -> Path:
    """A finished run that kept all of its checkpoints; not to be touched."""
    runs = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        assert call(patch, ("run", tiny_file, "--runs", runs, "--keep", "all")) == 0
    return runs / "tiny"


@pytest.fixture
def littered(kept: Path, tmp_path: Path) -> Path:
    """A copy of it with everything that can go."""
    root = copied(kept, tmp_path)
    member = root / "trial-000/segment-0/member-00"
    (member / "partial.json").write_text("{}")
    (member / "partial.safetensors").write_bytes(b"0")
    (member / f".result.json.{HEX}").write_text("{")
    (root / f".environment.json.{HEX}").write_text("{")
    shutil.copytree(member, root / "trial-000/gone/segment-1/member-00")
    shutil.copytree(root / "trial-000", root / "trial-007")
    for folder in ("parsl/000", "replay/trial-000", "workers", "report-so-far"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "file").write_text("x")
    return root


def left(root: Path) -> set[str]:
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {name for name in files if not name.startswith(("report/", "driver.lock"))}


def test_it_leaves_what_a_run_that_keeps_what_is_needed_leaves(
    littered: Path, finished: Path, heterosis: Heterosis
) -> None:
    ended = heterosis("clean", littered)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1].endswith(" freed")
    assert left(littered) == left(finished)
    assert set(checkpoints(littered)) == set(checkpoints(finished))
    assert heterosis("clean", littered).out == "nothing to remove\n"


def test_a_dry_run_lists_and_removes_nothing(littered: Path, heterosis: Heterosis) -> None:
    before = left(littered)
    ended = heterosis("clean", littered, "--dry-run")
    assert ended.code == 0
    for place in (
        "parsl: ",
        "replay: ",
        f".environment.json.{HEX}: ",
        "trial-000/gone: ",
        "trial-007: ",
        "trial-000/segment-0/member-00/partial.json: ",
        "workers: ",
        "report-so-far: ",
    ):
        assert any(line.startswith(place) for line in ended.out.splitlines()), place
    assert "would be freed" in ended.out.splitlines()[-1]
    assert left(littered) == before


def test_afterwards_everything_still_works(
    littered: Path, tiny_file: Path, finished: Path, heterosis: Heterosis
) -> None:
    assert heterosis("clean", littered).code == 0
    for command in (["report"], ["status"], ["replay"], ["export"]):
        assert heterosis(*command, littered).code == 0, command
    table = littered.parent / "predictions.csv"
    assert heterosis("predict", littered, "test", "--out", table).code == 0
    assert heterosis("run", tiny_file, "--runs", littered.parent).code == 0
    assert all(event["reused"] for event in last_start(events(littered)))
    assert_same(read_tables(littered), read_tables(finished))


def test_a_driver_at_work_is_not_disturbed(littered: Path, heterosis: Heterosis) -> None:
    before = left(littered)
    with only_driver(RunDir(littered).lock):
        ended = heterosis("clean", littered)
    assert ended.code == 2
    assert "another driver works on this run" in ended.err
    assert left(littered) == before


def test_somebodys_own_files_stay(littered: Path, heterosis: Heterosis) -> None:
    notes = [littered / "notes.txt", littered / "trial-000/gone/notes.txt", littered / ".hidden"]
    for path in notes:
        path.write_text("mine")
    assert heterosis("clean", littered).code == 0
    assert all(path.read_text() == "mine" for path in notes)


def test_an_unfinished_run_keeps_what_its_tasks_wait_for(tmp_path: Path, kept: Path) -> None:
    """The children of `mean` are still to be made: their parents stay, and so do the logs."""
    root = copied(kept, tmp_path)
    for folder in [*root.glob("trial-000/mean/segment-*"), root / "trial-000/mean/harvest"]:
        shutil.rmtree(folder)
    (root / "events.jsonl").write_text("")
    (root / "parsl").mkdir(exist_ok=True)
    experiment = load(tmp_path / "file")
    remove(find_waste(RunDir(root), experiment))
    assert (root / "parsl").is_dir()
    parents = {path for path in checkpoints(root) if path.startswith("trial-000/segment-1/")}
    assert len(parents) == TINY["population"]
    ran = drive(experiment, root)
    assert {folder.split("/")[1] for folder in ran.computed} == {"mean"}
    assert_same(ran.tables, read_tables(kept))


def test_a_checkpoint_without_a_record_goes(tmp_path: Path, kept: Path) -> None:
    root = copied(kept, tmp_path)
    folder = root / "trial-001/twice/segment-2/member-01"
    (folder / "result.json").unlink()
    waste = find_waste(RunDir(root), load(tmp_path / "file"))
    assert folder / "checkpoint.safetensors" in [each.path for each in waste]


def test_logs_that_a_failure_names_stay(littered: Path, heterosis: Heterosis) -> None:
    log = RunDir(littered).events_jsonl
    lines = log.read_text().replace('"status": "done"', '"status": "failed"', 1)
    log.write_text(lines.replace('"log": ""', '"log": "parsl"', 1))
    assert heterosis("clean", littered).code == 0
    assert RunDir(littered).parsl.is_dir()


def test_something_else_than_a_run_is_refused(tmp_path: Path, heterosis: Heterosis) -> None:
    write(tmp_path, TINY, "other.toml")
    ended = heterosis("clean", tmp_path)
    assert ended.code == 2
    assert "not a run directory" in ended.err


def test_a_dry_run_of_stored_results_leaves_no_lock(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    RunDir(root).lock.unlink()
    assert heterosis("clean", root, "--dry-run").code == 0
    assert not RunDir(root).lock.exists()
