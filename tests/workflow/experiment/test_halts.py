"""Arms with epochs, settings and recipes of their own: completed, or refused with the sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.messages.tasks import Workplace
from tests.support.experiments import FOLDER, load
from workflow.driver.trial import build_trial
from workflow.experiment.arms import Arm
from workflow.experiment.config import Experiment
from workflow.preflight.plan import describe_plan
from workflow.preflight.rehearse import rehearse_experiment

CHILD = {"at": 2, "population": 1}


def with_arm(folder: Path, **arm: Any) -> Experiment:
    """Return an experiment of 3 networks and 4 epochs with an arm beside the control."""
    return load(folder, arms=[{"name": "control"}, {"name": "own", **arm}])


def own(experiment: Experiment) -> Arm:
    return experiment.arms[1]


@pytest.mark.parametrize(
    ("arm", "epochs", "spent"),
    [
        ({"population": 1, "epochs": 3.0}, 12, 12),
        ({"population": 1, "epochs": 5}, 5, 5),
        ({"population": 1, "epochs": "budget"}, 12, 12),
        ({"population": 2, "epochs": "budget"}, 6, 12),
        ({"epochs": "budget", "halts": [CHILD]}, 8, 12),
        ({"epochs": "budget", "halts": [0.5], "population": 2}, 6, 12),
        ({"epochs": "budget", "halts": [CHILD], "parents": 3, "teach": {}}, 7, 11),
        ({"population": 1, "epochs": "budget", "halts": [2.0], "parents": 1, "teach": {}}, 11, 11),
        (
            {
                "epochs": "budget",
                "mating": "survivors",
                "halts": [CHILD],
                "teach": {"teachers": "survivors"},
            },
            7,
            11,
        ),
        # One forward pass, and three networks at most: 6 + 1/3 + 5, and 6 + 1 + 5.
        ({"epochs": "budget", "halts": [CHILD], "parents": 3, "teach": {"teachers": 1}}, 7, 11),
        ({"epochs": "budget", "halts": [CHILD], "parents": 1, "teach": {"teachers": 9}}, 7, 11),
    ],
)
def test_an_arm_spends_as_it_likes(
    arm: dict[str, Any], epochs: int, spent: int, tmp_path: Path
) -> None:
    experiment = with_arm(tmp_path, **arm)
    assert own(experiment).length(4) == epochs
    assert own(experiment).spent(4) == spent
    first, *_, last = [0, *(end for _, end in experiment.segments(own(experiment)))]
    assert (first, last) == (0, epochs)
    assert Experiment.model_validate(experiment.completed()) == experiment


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ({"epochs": 5}, r"15 network-epochs \(3 x 5 = 15\), more than .* = 3 x 4 = 12"),
        ({"population": 6}, r"24 network-epochs \(6 x 4 = 24\), more than .* = 3 x 4 = 12"),
        ({"halts": [{"at": 2, "population": 5}]}, r"16 network-epochs \(3 x 2 \+ 5 x 2 = 16\)"),
        ({"population": 4, "halts": [{"at": 2, "population": 2}]}, None),
        (
            {
                "epochs": 7,
                "halts": [CHILD],
                "parents": 3,
                "teach": {"teachers": "all"},
                "population": 3,
            },
            None,
        ),
        (
            {"epochs": 8, "halts": [CHILD], "parents": 3, "teach": {}},
            r"13 network-epochs \(3 x 2 \+ 1 x 6 = 12, 3 forward passes of teachers count 1\)",
        ),
        ({"epochs": "budget", "population": 6, "halts": [CHILD]}, "less than one epoch is left"),
        ({"epochs": 0}, "neither a multiple"),
        ({"epochs": 0.1}, "neither a multiple"),
        ({"halts": [2], "mating": "self", "teach": {}}, "every member goes on by itself"),
        ({"halts": [2], "mating": "survivors", "teach": {}}, "would teach itself"),
        ({"halts": [2], "teach": {"teachers": 0}}, "a number of the best from 1"),
        ({"halts": [2], "teach": {"teachers": True}}, "a number of the best from 1"),
        ({"halts": [2], "teach": {"teachers": "best"}}, "a number of the best from 1"),
        ({"outer": {"momentum": 1.0}}, "less than 1"),
        ({"learning_rate": 0.0}, "greater than 0"),
    ],
)
def test_what_an_arm_cannot_have_is_refused(
    arm: dict[str, Any], said: str | None, tmp_path: Path
) -> None:
    if said is None:
        assert with_arm(tmp_path, **arm)
        return
    with pytest.raises(UserError, match=said):
        with_arm(tmp_path, **arm)


def test_settings_hold_until_a_halt_has_its_own(tmp_path: Path) -> None:
    halts = [{"at": 1, "weight_decay": 0.2}, {"at": 2, "outer": {"momentum": 0.0}}, 3]
    arm = {"weight_decay": 0.1, "learning_rate": 0.02, "outer": {"momentum": 0.7}, "halts": halts}
    experiment = with_arm(tmp_path, **arm, mating="self")
    graph = build_trial(experiment, 0)
    tasks = [segment.members[0].task for segment in graph.segments["own"]]
    assert [task.training.optimizer_params["weight_decay"] for task in tasks] == [0.1] + 3 * [0.2]
    assert {task.training.optimizer_params["learning_rate"] for task in tasks} == {0.02}
    assert [task.outer is not None for task in tasks] == [True, True, False, False]
    assert "own" in tasks[0].folder
    control = graph.segments["control"][0].members[0].task
    assert control.training == experiment.training.spec


def test_equal_settings_are_computed_once(tmp_path: Path) -> None:
    arms = [{"name": name, "weight_decay": 0.1} for name in ("one", "other")]
    experiment = load(tmp_path, arms=[{"name": "control"}, *arms])
    graph = build_trial(experiment, 0)
    assert graph.segments["one"][0].members == graph.segments["other"][0].members
    assert len(graph.training) == 6


def test_a_gene_is_no_setting(tmp_path: Path) -> None:
    space = {"weight_decay": {"of": "optimizer", "low": 0.01, "high": 0.1}}
    with pytest.raises(UserError, match="sets it too"):
        load(tmp_path, space=space, arms=[{"name": "control"}, {"name": "a", "weight_decay": 0.1}])


# -------------------------------------------------------------------------------------- rehearsal
def rehearsed(experiment: Experiment, tmp_path: Path) -> None:
    place = Workplace(root=str(tmp_path), search_path=str(FOLDER))
    rehearse_experiment("file", experiment, place)


def test_a_network_that_cannot_be_taught_is_refused_before_the_run(tmp_path: Path) -> None:
    arms = [{"name": "control"}, {"name": "own", "halts": [CHILD], "teach": {}}]
    network = {"builder": "tests.support.nets:python_in_training"}
    experiment = load(tmp_path, network=network, arms=arms)
    with pytest.raises(UserError, match=r"arms.own, halt after epoch 2: teach: .*losses that can"):
        rehearsed(experiment, tmp_path)


def test_a_network_that_compiles_itself_takes_no_weight_decay(tmp_path: Path) -> None:
    arms = [{"name": "control"}, {"name": "own", "weight_decay": 0.1}]
    network = {"builder": "tests.support.nets:compiled"}
    training = {"epochs": 4, "batch_size": 50}
    with pytest.raises(UserError, match="compiles itself"):
        rehearsed(load(tmp_path, network=network, training=training, arms=arms), tmp_path)


def test_the_plan_says_who_is_taught_where_there_are_no_children(tmp_path: Path) -> None:
    experiment = with_arm(
        tmp_path,
        mating="survivors",
        halts=[{"at": 2, "population": 1, "teach": {"teachers": "all"}}],
    )
    text = describe_plan(experiment, Workplace(root=str(tmp_path)), 1, measure=False)
    assert "each that goes on learns the mean prediction of all networks" in text
    assert "each child" not in text


def test_the_plan_says_what_is_spent_and_taught(tmp_path: Path) -> None:
    arm = {"epochs": "budget", "halts": [CHILD], "parents": 3, "teach": {}, "weight_decay": 0.1}
    experiment = with_arm(tmp_path, **arm, outer={"momentum": 0.7})
    text = describe_plan(experiment, Workplace(root=str(tmp_path)), 1, measure=False)
    for words in (
        "optimiser with weight_decay = 0.1",
        "Nesterov momentum 0.7 over each epoch's step",
        "learns the mean prediction of its parents with weight 0.5",
        "12 network-epochs in all, 100 % of population x epochs; 7 epochs one after the other",
    ):
        assert words in text
