"""A run that is continued ends with the same tables and computes what is missing, no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.experiments import (
    TINY,
    assert_same,
    checkpoints,
    copied,
    drive,
    load,
    read_tables,
)
from workflow.experiment.config import Experiment

Damage = Callable[[Path], None]


def delete(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def members(folder: str) -> set[str]:
    return {f"{folder}/member-{member:02d}" for member in range(TINY["population"])}


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return load(tmp_path)


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """A run directory that may be damaged."""
    return copied(finished, tmp_path / "runs")


def champion(finished: Path, arm: str) -> str:
    """Return the folder of the best member of an arm in trial 0."""
    tables = read_tables(finished)
    trials, of = tables["trials"], tables["members"]
    (member,) = trials[(trials["trial"] == 0) & (trials["arm"] == arm)]["members"]
    last = of[(of["trial"] == 0) & (of["arm"] == arm) & (of["member"] == int(member))]
    return str(last.sort_values("segment")["folder"].iloc[-1])


def test_a_finished_run_computes_nothing(
    experiment: Experiment, root: Path, finished: Path
) -> None:
    ran = drive(experiment, root)
    assert ran.computed == []
    assert len(ran.reused) == sum(len(graph.nodes) for graph in ran.outcomes.graphs)
    assert_same(ran.tables, read_tables(finished))
    assert set(checkpoints(root)) == set(checkpoints(finished))


@pytest.mark.parametrize("damage", [delete, truncate, empty, flip_a_bit])
def test_a_damaged_champion_is_made_again_from_its_start(
    damage: Damage, experiment: Experiment, root: Path, finished: Path
) -> None:
    best = champion(finished, "control")
    damage(root / best / "checkpoint.safetensors")
    ran = drive(experiment, root)
    name = Path(best).name
    assert ran.computed == [f"trial-000/segment-{segment}/{name}" for segment in range(3)]
    assert_same(ran.tables, read_tables(finished))
    assert set(checkpoints(root)) == set(checkpoints(finished))


@pytest.mark.parametrize("damage", [delete, flip_a_bit])
def test_a_damaged_child_is_made_again_from_what_its_parents_may_be(
    damage: Damage, experiment: Experiment, root: Path, finished: Path
) -> None:
    best = champion(finished, "mean")
    damage(root / best / "checkpoint.safetensors")
    ran = drive(experiment, root)
    halted = members("trial-000/segment-0") | members("trial-000/segment-1")
    assert set(ran.computed) == {best} | halted
    assert len(ran.computed) == len(set(ran.computed))
    assert_same(ran.tables, read_tables(finished))


@pytest.mark.parametrize("damage", [delete, truncate, empty])
@pytest.mark.parametrize(
    "folder",
    [
        "trial-000/segment-0/member-01",
        "trial-000/segment-2/member-02",
        "trial-000/mean/halt-0",
        "trial-000/twice/segment-2/member-00",
        "trial-000/random/harvest",
    ],
)
def test_a_damaged_record_is_made_again(
    damage: Damage, folder: str, experiment: Experiment, root: Path, finished: Path
) -> None:
    damage(root / folder / "result.json")
    ran = drive(experiment, root)
    assert folder in ran.computed
    assert all(each.startswith("trial-000/") for each in ran.computed)
    assert len(ran.computed) == len(set(ran.computed))
    # At most the way to it is gone over again, never a whole trial.
    assert len(ran.computed) <= 1 + 3 * TINY["population"]
    assert_same(ran.tables, read_tables(finished))
    assert set(checkpoints(root)) == set(checkpoints(finished))


def test_a_record_of_another_task_does_not_count(
    experiment: Experiment, root: Path, finished: Path
) -> None:
    ours, other = (f"trial-00{trial}/control/harvest/result.json" for trial in (0, 1))
    shutil.copy(root / other, root / ours)
    ran = drive(experiment, root)
    assert ran.computed[-1] == "trial-000/control/harvest"
    assert_same(ran.tables, read_tables(finished))


def test_released_checkpoints_are_not_missed(experiment: Experiment, root: Path) -> None:
    """Nothing is computed though the checkpoints of the first half went long ago."""
    assert not (root / "trial-000/segment-0/member-00/checkpoint.safetensors").exists()
    assert drive(experiment, root).computed == []


def test_two_losses_at_once_are_made_good(
    experiment: Experiment, root: Path, finished: Path
) -> None:
    delete(root / "trial-000/segment-0/member-01/result.json")
    flip_a_bit(root / champion(finished, "random") / "checkpoint.safetensors")
    shutil.rmtree(root / "trial-001/twice")
    ran = drive(experiment, root)
    assert_same(ran.tables, read_tables(finished))
    assert set(checkpoints(root)) == set(checkpoints(finished))
