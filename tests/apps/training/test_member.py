"""A member's state, put into a model of one's own and taken out again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apps.records.checkpoints import Checkpoint
from apps.runtime import load_keras
from apps.training.member import Member


def compiled(**optimizer: Any) -> Any:
    """A model with statistics and a random layer, and its optimiser built."""
    keras = load_keras()
    layers = [
        keras.layers.Input((3,)),
        keras.layers.Dense(2),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(momentum=0.9, **optimizer), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def step(model: Any) -> None:
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    model.train_on_batch(x, x[:, :2])


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return all(
        getattr(one, of).keys() == getattr(other, of).keys()
        and all(np.array_equal(array, getattr(other, of)[name]) for name, array in arrays.items())
        for of, arrays in vars(one).items()
        if of in ("weights", "optimizer", "random")
    )


def test_arrays_are_learnt_or_statistics() -> None:
    member = Member(compiled())
    assert {name.rpartition("/")[2] for name in member.learnt} == {
        "kernel",
        "bias",
        "gamma",
        "beta",
    }
    assert member.statistics == member.weights().keys() - member.learnt.keys()
    assert {name.rpartition("/")[2] for name in member.running} == {
        "moving_mean",
        "moving_variance",
    }
    assert member.parameters == 3 * 2 + 2 + 2 + 2


def test_a_snapshot_brings_the_whole_state_back() -> None:
    model = compiled()
    member = Member(model)
    step(model)
    before = member.state()
    restore = member.snapshot()
    step(model)
    assert not same(member.state(), before)
    restore()
    assert same(member.state(), before)


def test_an_empty_state_of_the_optimiser_stands_for_a_fresh_one() -> None:
    model = compiled()
    member = Member(model)
    begun = member.state()
    step(model)
    member.load(Checkpoint(begun.weights), np.random.default_rng(0))
    assert same(Checkpoint({}, member.state().optimizer), Checkpoint({}, begun.optimizer))
    drawn = member.state().random
    member.load(Checkpoint(begun.weights), np.random.default_rng(1))
    assert any(
        not np.array_equal(drawn[name], array) for name, array in member.state().random.items()
    )


def test_only_what_stands_for_weights_is_adapted() -> None:
    model = compiled(use_ema=True)
    member = Member(model)
    weights = {name: array + 1 for name, array in member.weights().items()}
    made = member.adapted(member.state().optimizer, weights)
    adapted = [
        name for name, array in member.state().optimizer.items() if (made[name] != array).any()
    ]
    assert len(adapted) == len(member.learnt)
    assert sum(array.size for array in map(made.__getitem__, adapted)) == member.parameters


def test_moving_leaves_what_stays_and_takes_what_diverges() -> None:
    member = Member(compiled(use_ema=True))
    (copy,) = [s for s, a in member.adapted({}, member.weights()).items() if a.shape == (3, 2)]
    (kernel,) = [name for name in member.learnt if name.endswith("kernel")]
    before = {name: np.ones_like(array) for name, array in member.weights().items()}
    after = {name: array.copy() for name, array in before.items()}
    before[kernel][0], after[kernel][0] = np.inf, np.inf
    before[kernel][1], after[kernel][1] = 1.0, -2.5
    state = member.state().optimizer
    zeros = {name: np.negative(np.zeros_like(array)) for name, array in state.items()}
    moved = member.moved(zeros, before, after)[copy]
    assert np.isnan(moved[0]).all()
    assert moved[1].tolist() == [-3.5, -3.5]
    assert np.signbit(moved[2]).all(), "not even the sign of a zero"
    assert moved.dtype == state[copy].dtype


@pytest.mark.parametrize("use_ema", [True, False])
def test_training_ends_with_the_average_and_keeps_the_latest_weights(use_ema: bool) -> None:
    model = compiled(use_ema=use_ema, ema_momentum=0.5)
    member = Member(model)
    for _ in range(2):
        step(model)
    latest = member.weights()
    told = []
    ended = member.end_training(lambda: told.append(member.weights()))
    assert len(told) == 1
    assert same(Checkpoint(member.weights()), Checkpoint(latest))
    assert bool(ended) == use_ema
    if use_ema:
        assert same(Checkpoint(ended), Checkpoint(told[0]))
        assert not same(Checkpoint(ended), Checkpoint(latest))


def test_what_a_callback_puts_in_place_at_the_end_stays() -> None:
    model = compiled(use_ema=True, ema_momentum=0.5)
    member = Member(model)
    begun = member.weights()
    step(model)
    assert member.end_training(lambda: member.put(begun)) == {}
    assert same(Checkpoint(member.weights()), Checkpoint(begun))
