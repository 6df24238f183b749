"""Arms with teachers, budgets and settings of their own: shared, resumed and replayed exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from apps.messages.results import HarvestResult, TeachResult, TrainResult
from apps.messages.tasks import TeachTask, Workplace
from apps.records.checkpoints import load_checkpoint
from apps.records.lessons import load_predictions
from apps.records.run_dir import RunDir
from tests.support.experiments import FOLDER, Ran, assert_same, changed, copied, drive, write
from workflow.driver.trial import build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.file import load_experiment
from workflow.runs.cleaning import find_waste
from workflow.runs.replay import replay

TEACH: Final[dict[str, Any]] = {"crossover": "select", "mutation": "none", "measure": False}
TAUGHT: Final = {
    **{"name": "taught", "epochs": "budget", "halts": [{"at": 0.5, "population": 1}]},
    **{"parents": 3, "teach": {"weight": 0.5}},
    **TEACH,
}
TABLE: Final = changed(
    trials=1,
    arms=[
        {"name": "control"},
        {"name": "outer", "outer": {"momentum": 0.7}},
        TAUGHT,
        {
            **{
                "name": "pairs",
                "halts": [1, {"at": 2, "population": 2}],
                "parents": 3,
                "mating": "pairs",
            },
            **{"teach": {"weight": 0.5}, "outer": {"momentum": 0.5}, "optimizer": "own"},
            **{"crossover": "fresh", "mutation": "none", "measure": False},
        },
        {
            **{"name": "same-halt", "parents": 3, "halts": [{"at": 2, "population": 1}]},
            **TEACH,
        },
    ],
)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return load_experiment(write(tmp_path_factory.mktemp("file"), TABLE))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("taught") / "run"


@pytest.fixture(scope="module")
def ran(experiment: Experiment, root: Path) -> Ran:
    return drive(experiment, root, keep_all=True)


def arm(ran: Ran, table: str, name: str) -> Any:
    return ran.tables[table].query("arm == @name")


def lessons_of(ran: Ran, name: str) -> list[TeachResult]:
    (graph,) = ran.outcomes.graphs
    return [ran.outcomes.result(node, TeachResult) for node in graph.teaching(name)]


def test_every_arm_has_a_champion(ran: Ran) -> None:
    assert ran.outcomes.failed_arms == []


def test_a_budget_is_spent_and_told(ran: Ran) -> None:
    trial = arm(ran, "trials", "taught").iloc[0]
    # 3 networks for 2 epochs, 3 forward passes, and 5 epochs of one child: 12 of 3 x 4.
    assert trial["network_epochs"] == 3 * 2 + 5
    assert trial["teaching_epochs"] == pytest.approx(1.0)
    assert trial["serial_epochs"] == 7
    assert sorted(arm(ran, "epochs", "taught")["epoch"].unique()) == [*range(1, 8)]


def test_teachers_are_parents_once_each(ran: Ran) -> None:
    (taught,) = lessons_of(ran, "taught")
    assert [lesson.teachers for lesson in taught.lessons] == [(0, 1, 2)]
    assert (taught.of_child, taught.passes) == ((0,), 3)
    first, second = lessons_of(ran, "pairs")
    assert sorted(lesson.teachers for lesson in first.lessons) == [(0, 1), (0, 2), (1, 2)]
    assert first.passes == second.passes == 3


def test_the_lesson_is_the_mean_of_what_the_parents_predict(ran: Ran, root: Path) -> None:
    (taught,) = lessons_of(ran, "taught")
    found = load_predictions(taught.lessons[0].predictions, Workplace(str(root)))
    assert isinstance(found, np.ndarray)
    assert found.shape == (200, 10)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)


def test_only_the_arm_with_teachers_learns_from_them(ran: Ran) -> None:
    """Both have one mating and one child of equal weights; what it learns differs."""
    (graph,) = ran.outcomes.graphs
    taught, plain = (graph.segments[name][-1] for name in ("taught", "same-halt"))
    assert taught.mating == plain.mating
    one, other = (ran.outcomes.result(each.members[0], TrainResult) for each in (taught, plain))
    assert one.start == other.start
    assert one.epochs[0].metrics["loss"] != other.epochs[0].metrics["loss"]


def test_the_outer_momentum_is_in_the_checkpoint(ran: Ran, root: Path) -> None:
    (graph,) = ran.outcomes.graphs
    folder = graph.segments["outer"][-1].members[0].task.folder
    state = load_checkpoint(root / folder / "checkpoint.safetensors")
    assert state.outer.keys() == state.weights.keys()
    assert all(np.abs(array).max() > 0 for array in state.outer.values())


def test_what_teachers_said_goes_when_it_is_learnt(
    experiment: Experiment, ran: Ran, tmp_path: Path
) -> None:
    less = drive(experiment, tmp_path / "less")
    assert_same(less.tables, ran.tables)
    assert not list((tmp_path / "less").rglob("lesson-*"))
    again = drive(experiment, tmp_path / "less")
    assert again.computed == []
    assert find_waste(RunDir(tmp_path / "less"), experiment) == []


def test_a_lesson_that_is_needed_again_is_given_again(
    experiment: Experiment, ran: Ran, root: Path, tmp_path: Path
) -> None:
    run = copied(root, tmp_path)
    (graph,) = (build_trial(experiment, 0),)
    child = graph.segments["taught"][-1].members[0].task.folder
    teachers = graph.teaching("taught")[0].task.folder
    (run / child / "result.json").unlink()
    for lesson in (run / teachers).glob("lesson-*"):
        lesson.write_bytes(b"damaged")
    again = drive(experiment, run)
    assert {child, teachers} <= set(again.computed)
    assert_same(again.tables, ran.tables)


@pytest.mark.parametrize("name", ["taught", "pairs", "outer"])
def test_a_line_with_teachers_is_replayed_to_the_byte(
    experiment: Experiment, ran: Ran, root: Path, name: str
) -> None:
    place = Workplace(root=str(root), search_path=str(FOLDER))
    found = replay(RunDir(root), experiment, 0, name, place, lambda line: None)
    assert found.identical
    assert found.metrics == {}


def test_the_seven_epochs_are_the_same_when_halted_in_between(ran: Ran, tmp_path: Path) -> None:
    """Another arm departs from the child's epochs: its segment is cut there, and taught on."""
    later = {**TAUGHT, "name": "later", "halts": [*TAUGHT["halts"], {"at": 4, "mating": "self"}]}
    later["epochs"] = 7
    del later["teach"]
    later["halts"] = [
        {**TAUGHT["halts"][0], "at": 2, "teach": TAUGHT["teach"]},
        {"at": 4, "mating": "self"},
    ]
    table = changed(trials=1, arms=[{"name": "control"}, TAUGHT, later])
    cut = drive(load_experiment(write(tmp_path, table)), tmp_path / "run")
    (graph,) = cut.outcomes.graphs
    assert [(each.first, each.last) for each in graph.segments["taught"]] == [
        (0, 2),
        (2, 4),
        (4, 7),
    ]
    results = [
        each.outcomes.result(each.outcomes.graphs[0].harvests["taught"], HarvestResult)
        for each in (cut, ran)
    ]
    assert results[0].final == results[1].final
    assert results[0].checkpoint.sha256 == results[1].checkpoint.sha256


def test_the_graph_knows_its_teachers(experiment: Experiment) -> None:
    graph = build_trial(experiment, 0)
    teachers = [node for node in graph.nodes.values() if isinstance(node.task, TeachTask)]
    assert len(teachers) == 3
    assert all(node.reads == node.population for node in teachers)
