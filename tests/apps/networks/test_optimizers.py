"""Optimisers, and those wrapped in them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from apps.errors import UserError
from apps.messages.specs import OperatorSpec
from apps.networks import optimizers
from apps.training.callbacks import check_monitors
from apps.training.learning_rate import LearningRate
from tests.support.against_keras import Lookahead, several

ADAM = keras.optimizers.Adam


def scaled(inner: Any) -> Any:
    return keras.optimizers.LossScaleOptimizer(inner)


def built(optimizer: Any) -> Any:
    rng = np.random.default_rng(0)
    kernel = keras.Variable(rng.normal(size=(3, 2)).astype(np.float32), name="kernel")
    optimizer.build([kernel, keras.Variable(np.zeros(2, np.float32), name="bias")])
    return optimizer


def by_name(others: Any, biases: Any) -> Any:
    return lambda variable: biases if "bias" in variable.path else others


KINDS = {
    "plain": (lambda: ADAM(0.5), [0.5]),
    "scaled": (lambda: scaled(ADAM(0.5)), [0.5]),
    "scaled twice": (lambda: scaled(Lookahead(ADAM(0.5))), [0.5]),
    "one's own": (lambda: Lookahead(ADAM(0.5)), [0.5]),
    "several": (lambda: several(0.05), [0.5, 0.05]),
    "several, by a function": (
        lambda: keras.optimizers.MultiOptimizer(by_name(ADAM(0.5), ADAM(0.25))),
        [0.5, 0.25],
    ),
}


@pytest.mark.parametrize(("make", "rates"), KINDS.values(), ids=KINDS)
def test_what_updates_is_found_and_its_rate_is_multiplied(make: Any, rates: list[float]) -> None:
    optimizer = built(make())
    inner = optimizers.innermost(optimizer)
    assert sorted(float(each.learning_rate) for each in inner) == pytest.approx(sorted(rates))
    rate = LearningRate(optimizer)
    for factor in (0.5, 1.0, 0.1):
        rate.multiply(factor)
        found = sorted(float(each.learning_rate) for each in inner)
        assert found == pytest.approx(sorted(factor * each for each in rates))


@pytest.mark.parametrize(("make", "rates"), KINDS.values(), ids=KINDS)
def test_every_variable_is_there_once(make: Any, rates: list[float]) -> None:
    optimizer = built(make())
    found = [id(variable) for variable in optimizers.variables(optimizer)]
    assert len(found) == len(set(found))
    wanted = {id(v) for each in optimizers.parts(optimizer) for v in each.variables}
    assert set(found) == wanted
    assert len(optimizers.parts(optimizer)) >= len(rates)


def test_a_base_is_set_where_there_is_one_rate() -> None:
    rate = LearningRate(optimizer := built(scaled(ADAM(0.5))))
    rate.set_base(0.25)
    rate.multiply(2.0)
    assert float(optimizer.learning_rate) == 0.5
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    for other, words in ((several(), "several optimizers"), (scaled(ADAM(schedule)), "a schedule")):
        with pytest.raises(UserError, match=f"was compiled with {words}: leave it out"):
            LearningRate(built(other)).set_base(0.1)


def test_a_plateau_lowers_one_rate_and_no_schedule() -> None:
    callbacks = [OperatorSpec("early_stopping"), OperatorSpec("reduce_lr_on_plateau")]
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    for optimizer, one in ((scaled(ADAM(0.5)), True), (several(), False), (ADAM(schedule), False)):
        assert LearningRate(built(optimizer)).is_one is one
    check_monitors(callbacks, ["loss"])
    check_monitors(callbacks[:1], ["loss"], one_rate=False)
    with pytest.raises(UserError, match="lowers the learning rate, and the optimizer has several"):
        check_monitors(callbacks, ["loss"], one_rate=False)


def test_a_schedule_within_a_wrapper_takes_no_other() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    rate = LearningRate(built(scaled(ADAM(schedule))))
    rate.multiply(1.0)
    with pytest.raises(UserError, match="a schedule of its own"):
        rate.multiply(0.5)


@pytest.mark.parametrize(
    ("make", "copies", "finalizes"),
    [
        (lambda: ADAM(0.1), 0, False),
        (lambda: scaled(ADAM(0.1)), 0, False),
        (lambda: ADAM(0.1, use_ema=True), 2, True),
        (lambda: scaled(ADAM(0.1, use_ema=True)), 2, True),
        (several, 1, True),
        (lambda: keras.optimizers.ScheduleFreeAdamW(), 2, False),
        (lambda: Lookahead(ADAM(0.1)), 2, False),
    ],
)
def test_states_that_stand_for_weights_are_found(make: Any, copies: int, finalizes: bool) -> None:
    optimizer = built(make())
    pairs = optimizers.copies_of_weights(optimizer)
    assert len(pairs) == copies
    assert all(state.shape == weight.shape for state, weight in pairs)
    assert optimizers.finalizes(optimizer) is finalizes


def test_what_ends_a_fit_can_be_left_out_of_it() -> None:
    optimizer = ADAM(0.1, use_ema=True)
    weight = keras.Variable(np.ones(2, np.float32))
    optimizer.build([weight])
    with optimizers.unfinished(optimizer):
        optimizer.finalize_variable_values([weight])
    assert weight.numpy().tolist() == [1, 1]
    optimizer.finalize_variable_values([weight])
    assert weight.numpy().tolist() == [0, 0]
