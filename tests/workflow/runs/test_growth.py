"""What a run may be given after it has begun, and what it would not keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apps.records.additions import Additions
from apps.records.run_dir import RunDir
from heterosis import Experiment
from tests.support.experiments import arms, changed
from workflow.runs.growth import (
    added_arms,
    begun_experiment,
    part_begun,
    parting_arms,
    replaced_tasks,
)

MEAN, RANDOM, TWICE = arms("mean", "random", "twice")
CONTROL, RESTART = arms("control", "restart")


def _of(*these: dict[str, Any], **tables: Any) -> Experiment:
    return Experiment(**changed(arms=[*these], **tables))


BEGUN = _of(CONTROL, MEAN, trials=3)


def test_the_part_that_was_begun_has_the_arms_and_trials_that_were_there() -> None:
    more = _of(RESTART, CONTROL, RANDOM, MEAN, trials=5)
    part = part_begun(more, BEGUN)
    assert part.completed() == BEGUN.completed()
    assert added_arms(more, BEGUN) == ("restart", "random")
    assert part_begun(_of(CONTROL, MEAN, trials=2), BEGUN).trials == 2


def test_an_arm_that_is_gone_or_changed_is_no_part() -> None:
    assert [arm.name for arm in part_begun(_of(CONTROL, RANDOM), BEGUN).arms] == ["control"]
    assert added_arms(_of(CONTROL), BEGUN) == ()
    other = _of(CONTROL, MEAN | {"crossover": "random"}, trials=3)
    assert part_begun(other, BEGUN).completed() != BEGUN.completed()


@pytest.mark.parametrize("added", [RESTART, RANDOM, {"name": "again", "learning_rate": 0.02}])
def test_an_arm_that_halts_where_others_do_leaves_all_tasks_as_they_are(
    added: dict[str, Any],
) -> None:
    for order in ((CONTROL, MEAN, added), (CONTROL, added, MEAN), (added, CONTROL, MEAN)):
        assert replaced_tasks(_of(*order), BEGUN) == ()


def test_an_arm_that_parts_what_others_train_in_one_task_replaces_their_tasks() -> None:
    assert "trial-000/segment-0/member-00" in replaced_tasks(_of(CONTROL, MEAN, TWICE), BEGUN)


def test_the_arms_that_part_are_named() -> None:
    averaged = {"name": "averaged", "average": "swa"}
    more = _of(CONTROL, MEAN, averaged, RANDOM, TWICE)
    assert parting_arms(more, BEGUN) == ("averaged", "twice")
    assert parting_arms(_of(CONTROL, RANDOM, MEAN), BEGUN) == ()


@pytest.mark.parametrize(
    "params", [{"learning_rate": 0.01, "clipnorm": None}, {"learning_rate": 1}]
)
def test_values_that_a_file_gives_back_otherwise_replace_nothing(
    params: dict[str, Any], tmp_path: Path
) -> None:
    training = changed()["training"] | {"optimizer_params": params}
    run_dir = RunDir(tmp_path)
    experiment = _of(CONTROL, MEAN, training=training)
    run_dir.experiment_toml.write_text(experiment.to_toml())
    begun = begun_experiment(run_dir)
    as_float = {name: None if value is None else float(value) for name, value in params.items()}
    for given in (params, as_float):
        of_now = training | {"optimizer_params": given}
        for these in ((CONTROL, MEAN), (CONTROL, MEAN, RANDOM)):
            assert replaced_tasks(_of(*these, training=of_now), begun) == ()


def test_an_added_arm_holds_the_run_once_a_task_of_it_is_finished(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    run_dir.experiment_toml.write_text(_of(CONTROL, MEAN, RANDOM).to_toml())
    run_dir.environment_json.write_text(json.dumps(Additions(arms=("random",)).written()))
    for folder, names in (
        ("segment-0/member-00", ["control", "mean"]),
        ("mean/halt-0", ["control", "mean"]),
        ("random/halt-0", ["control", "mean", "random"]),
    ):
        path = tmp_path / "trial-000" / folder / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        assert [arm.name for arm in begun_experiment(run_dir).arms] == names


def test_tasks_that_arms_share_stay_with_the_first_of_them() -> None:
    twins = [MEAN | {"name": name, "learning_rate": 0.02} for name in ("one", "other")]
    assert replaced_tasks(_of(CONTROL, *twins), _of(CONTROL, twins[0])) == ()
    replaced = replaced_tasks(_of(CONTROL, *twins), _of(CONTROL, twins[1]))
    assert replaced
    assert all("/other/" in folder for folder in replaced)
    assert replaced_tasks(_of(CONTROL, *twins[::-1]), _of(CONTROL, *twins))
