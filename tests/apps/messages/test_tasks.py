"""A start is filled in from what its task waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.errors import HeterosisError
from apps.messages import tasks
from apps.messages.results import (
    ChildPlan,
    MatingPlan,
    TrainResult,
)
from apps.messages.tasks import (
    Continue,
    Fresh,
    Offspring,
    Restart,
    TrainTask,
    resolve,
)
from tests.support.examples import example


def test_a_start_is_filled_in_from_what_it_waited_for() -> None:
    task, member, plan = example(TrainTask), example(TrainResult), example(MatingPlan)
    children = tuple(replace(example(ChildPlan), child=child) for child in range(5))
    plan = replace(plan, children=children)
    for kind in (Continue, Restart):
        resolved = resolve(replace(task, start=kind()), member)
        assert resolved == replace(task, start=kind(member.checkpoint))
    start = replace(example(Offspring), plan=None)
    resolved = resolve(replace(task, start=start, member=3), plan)
    assert isinstance(resolved.start, Offspring)
    assert resolved.start == replace(start, plan=children[3])


@pytest.mark.parametrize(
    ("start", "upstream"),
    [
        (Fresh(), example(TrainResult)),
        (Continue(), example(MatingPlan)),
        (example(Offspring), example(TrainResult)),
    ],
)
def test_a_start_that_does_not_fit_is_refused(start: tasks.Start, upstream: tasks.Result) -> None:
    with pytest.raises(HeterosisError, match="cannot follow"):
        resolve(replace(example(TrainTask), start=start), upstream)
