"""What a run may be given after it has begun, and what it would not keep."""

from __future__ import annotations

from typing import Any

import pytest

from heterosis import Experiment
from tests.support.experiments import arms, changed
from workflow.runs.growth import added_arms, part_begun, replaced_tasks

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


def test_tasks_that_arms_share_stay_with_the_first_of_them() -> None:
    twins = [MEAN | {"name": name, "learning_rate": 0.02} for name in ("one", "other")]
    assert replaced_tasks(_of(CONTROL, *twins), _of(CONTROL, twins[0])) == ()
    replaced = replaced_tasks(_of(CONTROL, *twins), _of(CONTROL, twins[1]))
    assert replaced
    assert all("/other/" in folder for folder in replaced)
    assert replaced_tasks(_of(CONTROL, *twins[::-1]), _of(CONTROL, *twins))
