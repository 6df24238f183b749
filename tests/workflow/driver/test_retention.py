"""What can still be needed stays; the rest goes as soon as it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.messages.results import Failure, HarvestResult
from apps.messages.tasks import TrainTask, Workplace
from tests.support.experiments import (
    Ran,
    ShuffledEngine,
    assert_same,
    checkpoints,
    copied,
    drive,
    load,
)
from workflow.driver.retention import Retention
from workflow.experiment.config import Experiment


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """A trial whose tasks were performed in their order; not to be touched."""
    folder = tmp_path_factory.mktemp("in-order")
    return drive(load(folder, trials=1), folder / "run"), folder / "run"


def test_only_champions_are_left(in_order: tuple[Ran, Path]) -> None:
    ran, root = in_order
    champions = {
        ran.outcomes.result(harvest, HarvestResult).checkpoint.path
        for graph in ran.outcomes.graphs
        for harvest in graph.harvests.values()
    }
    assert len(champions) == 5
    assert set(checkpoints(root)) == champions


def test_all_stay_when_all_are_to_be_kept(tmp_path: Path) -> None:
    ran = drive(load(tmp_path, trials=1), tmp_path / "run", keep_all=True)
    trained = {
        f"{node.task.folder}/checkpoint.safetensors"
        for graph in ran.outcomes.graphs
        for node in graph.nodes.values()
        if isinstance(node.task, TrainTask)
    }
    assert set(checkpoints(tmp_path / "run")) == trained


def test_a_run_that_kept_all_can_be_continued_with_less(tmp_path: Path, finished: Path) -> None:
    experiment = load(tmp_path, trials=1)
    drive(experiment, tmp_path / "run", keep_all=True)
    ran = drive(experiment, tmp_path / "run")
    assert ran.computed == []
    ours = set(checkpoints(tmp_path / "run"))
    assert ours == {path for path in checkpoints(finished) if path.startswith("trial-000/")}


@pytest.mark.parametrize("seed", range(2))
def test_no_order_of_tasks_misses_a_checkpoint_or_changes_a_number(
    seed: int, tmp_path: Path, in_order: tuple[Ran, Path]
) -> None:
    """Checkpoints go while other tasks still run: a task that missed one would fail."""
    experiment = load(tmp_path, trials=1)
    place = Workplace(root=str(tmp_path / "shuffled"))
    engine = ShuffledEngine(place, seed)
    ran = drive(experiment, tmp_path / "shuffled", engine, watchers=[engine])
    failures = [r for r in ran.outcomes.by_key.values() if isinstance(r, Failure)]
    assert failures == []
    ordered, root = in_order
    assert engine.computed != ordered.computed
    assert_same(ran.tables, ordered.tables)
    assert set(checkpoints(tmp_path / "shuffled")) == set(checkpoints(root))


def test_checkpoints_go_while_the_run_goes_on(tmp_path: Path) -> None:
    """At no time is a checkpoint there whose readers are all done."""
    experiment = load(tmp_path, trials=1)
    root = tmp_path / "run"
    engine = ShuffledEngine(Workplace(root=str(root)), seed=0)
    most = 0

    class Counter:
        def begin(self, graphs: object) -> None:
            pass

        def tick(self) -> None:
            pass

        def finished(self, node: object, outcome: object, reused: bool) -> None:
            nonlocal most
            most = max(most, len(list(checkpoints(root))))

    ran = drive(experiment, root, engine, watchers=[engine, Counter()])
    trained = sum("segment" in folder for folder in ran.computed)
    assert 5 <= most < trained


def test_what_a_failed_task_needs_stays(tmp_path: Path, finished: Path) -> None:
    """A mating that cannot be stored fails; its population waits for the next start."""
    root = copied(finished, tmp_path)
    experiment = load(tmp_path / "file")
    victim = root / "trial-000/mean"
    for path in sorted(victim.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    victim.rmdir()
    victim.write_text("a file where a folder should be")
    ran = drive(experiment, root)
    failed = [r for r in ran.outcomes.by_key.values() if isinstance(r, Failure)]
    assert len(failed) == 1 + 3 + 1
    population = {
        f"trial-000/segment-1/member-{member:02d}/checkpoint.safetensors" for member in range(3)
    }
    assert population <= set(checkpoints(root))
    victim.unlink()
    ran = drive(experiment, root)
    assert all(folder.startswith("trial-000/mean/") for folder in ran.computed)
    assert set(checkpoints(root)) == set(checkpoints(finished))


# -------------------------------------------------------------------- what can never be built
def fussy(input_shape: tuple[int, ...], classes: int, units: int = 2, depth: int = 1) -> Any:
    """A network that refuses to be too large, as one whose layers do not fit together."""
    import keras

    if units * depth > 9:
        raise (MemoryError if units == 7 else ValueError)(f"{units} x {depth} is too large")
    layers = [keras.layers.Dense(units) for _ in range(depth)]
    last = keras.layers.Dense(classes, activation="softmax")
    return keras.Sequential(
        [keras.layers.Input(input_shape), keras.layers.Flatten(), *layers, last]
    )


def fussy_search(folder: Path, units: list[int]) -> Experiment:
    arm = {
        "name": "search",
        "mating": "species",
        "species": {"method": "none"},
        "measure": False,
        "halts": [1, 2, 3],
        "search": {"mutation_rate": 0.6},
    }
    return load(
        folder,
        trials=1,
        population=6,
        network={"builder": "tests.workflow.driver.test_retention:fussy"},
        space={"units": units, "depth": [1, 2]},
        arms=[{"name": "control"}, arm],
    )


def test_children_that_can_never_be_built_keep_nothing_and_are_not_tried_again(
    tmp_path: Path,
) -> None:
    root = tmp_path / "run"
    experiment = fussy_search(tmp_path, [2, 3, 5, 6])
    ran = drive(experiment, root)
    children = [
        node
        for graph in ran.outcomes.graphs
        for node in graph.nodes.values()
        if node.mating is not None and isinstance(node.task, TrainTask)
    ]
    outcomes = ran.outcomes.by_key
    failed = [node for node in children if isinstance(outcomes[node.key], Failure)]
    assert 0 < len(failed) < len(children)
    champions = {
        ran.outcomes.result(harvest, HarvestResult).checkpoint.path
        for graph in ran.outcomes.graphs
        for harvest in graph.harvests.values()
    }
    assert set(checkpoints(root)) == champions
    again = drive(experiment, root)
    assert again.computed == []
    assert_same(again.tables, ran.tables)
    # Of what is kept nothing could go: cleaning and a new start agree.
    assert Retention(ran.outcomes.graphs, Workplace(str(root)), False).unneeded() == []


def test_a_failure_for_want_of_memory_is_tried_again(tmp_path: Path) -> None:
    root = tmp_path / "run"
    experiment = fussy_search(tmp_path, [2, 7])
    drive(experiment, root)
    failed = {str(path.parent.relative_to(root)) for path in root.rglob("error.txt")}
    assert failed
    assert not list(root.rglob("failure.json"))
    assert failed <= set(drive(experiment, root).computed)
