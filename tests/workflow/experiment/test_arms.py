"""What an arm does in every epoch: halts, averages and learning rates, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from workflow.experiment.arms import Arm, Schedule

EPOCHS, POPULATION = 10, 4


def completed(searches: bool = False, **table: Any) -> Arm:
    return Arm.model_validate({"name": "a", **table}).completed(EPOCHS, POPULATION, searches)


@pytest.mark.parametrize("halts", [[0.2, 0.5], [2, 5], [{"at": 2}, {"at": 0.5}]])
def test_halts_are_completed_to_epochs(halts: Any) -> None:
    arm = completed(halts=halts)
    assert [halt.at for halt in arm.halts] == [2, 5]
    assert [arm.halt_after(epoch) for epoch in (1, 2, 5)] == [None, *arm.halts]


def test_a_halt_has_the_arms_keys_but_for_its_own() -> None:
    arm = completed(halts=[2, {"at": 5, "parents": 3}], parents=2, mating="pairs", align="weights")
    assert [(halt.parents, halt.align) for halt in arm.halts] == [(2, "weights"), (3, "weights")]


def test_the_population_is_that_of_the_last_halt() -> None:
    arm = completed(halts=[{"at": 2, "population": 6}, 5, {"at": 7, "population": 1}], parents=1)
    assert [arm.size(epoch) for epoch in (0, 1, 2, 5, 6, 7, 9)] == [4, 4, 6, 6, 6, 1, 1]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"halts": [5, 2]}, r"arms\.a\.halts: halts are in order"),
        ({"halts": [5, 0.5]}, r"after different epochs, these are after epochs \[5, 5\] of 10"),
        ({"halts": [10]}, "with 10 epochs a halt lies after epoch 1 to 9"),
        ({"halts": [1.5]}, "neither a fraction between 0 and 1"),
        ({"halts": [5], "parents": 5}, r"arms\.a\.parents: 5 parents cannot be chosen"),
        ({"halts": [5], "mating": "pairs", "parents": 1}, "from a population of 4 in pairs"),
        ({"halts": [5], "species": {}}, "species is set, but mating is 'all'"),
        ({"halts": [{"at": 5, "mating": "self", "population": 3}]}, "goes on by itself"),
        ({"halts": [{"at": 5, "mating": "survivors", "population": 5}]}, "5 cannot survive"),
        ({"halts": [5], "search": {}}, r"the experiment has no \[space\]"),
        ({"average": {"kind": "swa", "window": 11}}, "11 of 10 epochs cannot be averaged"),
        ({"average": {"kind": "swa", "window": 1.5}}, "neither a fraction up to 1"),
    ],
)
def test_what_breaks_a_rule_is_named(table: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        completed(**table)


def test_a_key_of_halts_needs_a_halt() -> None:
    with pytest.raises(ValidationError, match="'parents' is set, but the arm has no halts"):
        completed(parents=2)


def test_a_mutation_decays_from_halt_to_halt() -> None:
    decaying = {"mutation": {"name": "gaussian", "scale": 0.8}, "mutation_decay": 0.5}
    (halt,) = completed(halts=[2], **decaying).halts
    assert [halt.mutation_spec(number).params["scale"] for number in range(3)] == [0.8, 0.4, 0.2]


def test_rates_of_a_schedule() -> None:
    step = Schedule(kind="step", start=0.0, factor=0.1, every=2)
    assert step.rates(5, []) == pytest.approx((1, 1, 0.1, 0.1, 0.01))
    assert step.model_copy(update={"over": "leg"}).rates(5, [3]) == pytest.approx((1, 1, 0.1, 1, 1))
    cosine = Schedule(kind="cosine", start=0.5, final=0.2)
    assert cosine.rates(4, []) == pytest.approx((1, 1, 1, 0.6))
    assert Schedule().rates(3, [1]) == (1, 1, 1)


def test_a_halt_changes_the_rate_until_the_next() -> None:
    arm = completed(halts=[{"at": 2, "learning_rate_factor": 0.5}, 5])
    assert arm.rates(EPOCHS) == (1, 1, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1)


def test_an_average_begins_its_window_before_the_end_and_not_before_a_halt() -> None:
    arm = completed(halts=[8], average={"kind": "swa", "window": 4})
    assert arm.average_spec(0, 6, EPOCHS) is None
    found = arm.average_spec(8, EPOCHS, EPOCHS)
    assert found is not None
    assert (found.kind, found.decay) == ("swa", 0.0)
    at_halts = completed(halts=[8], average={"kind": "ema", "window": 4, "at": "halts"})
    before, after = at_halts.average_spec(0, 8, EPOCHS), at_halts.average_spec(8, 10, EPOCHS)
    assert before is not None
    assert after is not None
    assert (before.after_epoch, after.after_epoch) == (4, 8)
    assert completed().average_spec(0, 10, EPOCHS) is None


def test_arms_share_their_beginning() -> None:
    control, halted = completed().timeline(EPOCHS), completed(halts=[5]).timeline(EPOCHS)
    assert control[:5] == halted[:5]
    assert control[5] != halted[5]
