"""What the results before a halt say of a population."""

from __future__ import annotations

import pytest

from apps.errors import HeterosisError
from apps.messages.results import (
    Failure,
    MatingPlan,
    TrainResult,
    population,
)
from tests.support.examples import example


def test_a_population_is_its_members_and_the_mating_before() -> None:
    member, failure, plan = example(TrainResult), Failure("lost"), example(MatingPlan)
    assert population([member, failure], 2) == ([member, failure], None)
    assert population([member, failure, plan], 2) == ([member, failure], plan)
    for odd in ([member], [member, plan], []):
        with pytest.raises(HeterosisError, match="a population of 2 was to come"):
            population(odd, 2)
