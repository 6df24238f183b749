"""Optimisers, and those wrapped in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apps.errors import UserError
from apps.messages.specs import OperatorSpec
from apps.networks import optimizers
from apps.runtime import load_keras
from apps.training.callbacks import check_monitors
from apps.training.learning_rate import LearningRate


def adam(*rate: Any, **settings: Any) -> Any:
    return load_keras().optimizers.Adam(*rate, **settings)


def scaled(inner: Any) -> Any:
    return load_keras().optimizers.LossScaleOptimizer(inner)


def lookahead(inner: Any) -> Any:
    from tests.support.against_keras import Lookahead  # it loads Keras

    return Lookahead(inner)


def several(*rate: float) -> Any:
    from tests.support.against_keras import several as make

    return make(*rate)


def decaying() -> Any:
    return load_keras().optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)


def built(optimizer: Any) -> Any:
    keras = load_keras()
    rng = np.random.default_rng(0)
    kernel = keras.Variable(rng.normal(size=(3, 2)).astype(np.float32), name="kernel")
    optimizer.build([kernel, keras.Variable(np.zeros(2, np.float32), name="bias")])
    return optimizer


def by_name(others: Any, biases: Any) -> Any:
    return lambda variable: biases if "bias" in variable.path else others


KINDS = {
    "plain": (lambda: adam(0.5), [0.5]),
    "scaled": (lambda: scaled(adam(0.5)), [0.5]),
    "scaled twice": (lambda: scaled(lookahead(adam(0.5))), [0.5]),
    "one's own": (lambda: lookahead(adam(0.5)), [0.5]),
    "several": (lambda: several(0.05), [0.5, 0.05]),
    "several, by a function": (
        lambda: load_keras().optimizers.MultiOptimizer(by_name(adam(0.5), adam(0.25))),
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
    rate = LearningRate(optimizer := built(scaled(adam(0.5))))
    rate.set_base(0.25)
    rate.multiply(2.0)
    assert float(optimizer.learning_rate) == 0.5
    schedule = decaying()
    for other, words in ((several(), "several optimisers"), (scaled(adam(schedule)), "a schedule")):
        with pytest.raises(UserError, match=f"was compiled with {words}: leave it out"):
            LearningRate(built(other)).set_base(0.1)


def test_a_plateau_lowers_one_rate_and_no_schedule() -> None:
    callbacks = [OperatorSpec("early_stopping"), OperatorSpec("reduce_lr_on_plateau")]
    schedule = decaying()
    for optimizer, one in ((scaled(adam(0.5)), True), (several(), False), (adam(schedule), False)):
        assert LearningRate(built(optimizer)).is_one is one
    check_monitors(callbacks, ["loss"])
    check_monitors(callbacks[:1], ["loss"], one_rate=False)
    with pytest.raises(UserError, match="lowers the learning rate, and the optimiser has several"):
        check_monitors(callbacks, ["loss"], one_rate=False)


def test_a_schedule_within_a_wrapper_takes_no_other() -> None:
    schedule = decaying()
    rate = LearningRate(built(scaled(adam(schedule))))
    rate.multiply(1.0)
    with pytest.raises(UserError, match="a schedule of its own"):
        rate.multiply(0.5)


@pytest.mark.parametrize(
    ("make", "copies", "finalizes"),
    [
        (lambda: adam(0.1), 0, False),
        (lambda: scaled(adam(0.1)), 0, False),
        (lambda: adam(0.1, use_ema=True), 2, True),
        (lambda: scaled(adam(0.1, use_ema=True)), 2, True),
        (several, 1, True),
        (lambda: load_keras().optimizers.ScheduleFreeAdamW(), 2, False),
        (lambda: lookahead(adam(0.1)), 2, False),
    ],
)
def test_states_that_stand_for_weights_are_found(make: Any, copies: int, finalizes: bool) -> None:
    optimizer = built(make())
    pairs = optimizers.copies_of_weights(optimizer)
    assert len(pairs) == copies
    assert all(state.shape == weight.shape for state, weight in pairs)
    assert optimizers.finalizes(optimizer) is finalizes


def test_what_ends_a_fit_can_be_left_out_of_it() -> None:
    optimizer = adam(0.1, use_ema=True)
    weight = load_keras().Variable(np.ones(2, np.float32))
    optimizer.build([weight])
    with optimizers.unfinished(optimizer):
        optimizer.finalize_variable_values([weight])
    assert weight.numpy().tolist() == [1, 1]
    optimizer.finalize_variable_values([weight])
    assert weight.numpy().tolist() == [0, 0]
