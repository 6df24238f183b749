"""The optimiser over epochs is Nesterov's; the one within goes on from where its step leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.arrays import Array
from apps.errors import UserError
from apps.messages.specs import DataSpec, NetworkSpec, OuterSpec, TrainingSpec
from apps.messages.tasks import Continue, TrainTask, Workplace
from apps.networks.optimizers import finalizes
from apps.records.checkpoints import Checkpoint, open_checkpoint
from apps.runtime import load_keras
from apps.seeds import Address, Purpose
from apps.tasks.train import train_member
from apps.training.data_order import epoch_order
from apps.training.member import Member
from apps.training.outer_momentum import outer_step
from apps.training.trainer import trainer_for
from apps.worker.stopping import Stopped
from tests.support.small import training


@pytest.mark.parametrize("mu", [0.0, 0.7])
def test_it_is_nesterov_momentum_on_the_steps_of_epochs(mu: float) -> None:
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(2, 3))}
    momentum: dict[str, np.ndarray] = {}
    theta, m = weights["w"].copy(), np.zeros((2, 3))
    for _ in range(4):
        step = rng.normal(size=(2, 3))
        weights, momentum = outer_step(weights, {"w": weights["w"] + step}, momentum, mu)
        m = mu * m - step
        theta = theta - (mu * m - step)
        np.testing.assert_allclose(weights["w"], theta, rtol=1e-12)
        np.testing.assert_allclose(momentum["w"], m, rtol=1e-12, atol=1e-12)


def test_steps_in_one_direction_grow_to_a_limit() -> None:
    weights, momentum = {"w": np.zeros(1)}, {}
    for _ in range(60):
        before = weights["w"]
        weights, momentum = outer_step(weights, {"w": before + 1}, momentum, 0.7)
    np.testing.assert_allclose(weights["w"] - before, 1 / (1 - 0.7))


def test_dtypes_stay() -> None:
    slow = {"w": np.ones(2, np.float32)}
    weights, momentum = outer_step(slow, {"w": np.zeros(2, np.float32)}, {}, 0.7)
    assert weights["w"].dtype == momentum["w"].dtype == np.float32


# ---------------------------------------------------------------- optimisers with copies of weights
HERE, SELF = "tests.support.against_keras", "tests.apps.training.test_outer_momentum"
MU = 0.7
EMA = {"use_ema": True, "ema_momentum": 0.9}
COPYING: Mapping[str, tuple[str, dict[str, Any]]] = {
    "average of sgd": ("sgd", {"learning_rate": 0.1, "momentum": 0.9, **EMA}),
    "average of adam": ("adam", {"learning_rate": 0.05, **EMA}),
    "average put in place": ("adam", {"learning_rate": 0.05, **EMA, "ema_overwrite_frequency": 3}),
    "lookahead": (f"{HERE}:lookahead", {}),
    "several": (f"{HERE}:several", {}),
}
ALL = {**COPYING, "without copies": ("adamw", {"weight_decay": 0.1})}


def task_of(optimizer: str, settings: dict[str, Any], **changes: Any) -> TrainTask:
    fields: dict[str, Any] = {
        "data": DataSpec(f"{HERE}:arrays"),
        "network": NetworkSpec(f"{HERE}:dense"),
        "training": TrainingSpec(16, optimizer, settings, engine="graph"),
        "outer": OuterSpec(MU),
        "last_epoch": 3,
    }
    return training(**fields | changes)


def trained(task: TrainTask, place: Workplace) -> tuple[Checkpoint, list[dict[str, float]]]:
    result = train_member(task, place)
    return open_checkpoint(result.checkpoint, place), [each.metrics for each in result.epochs]


@pytest.mark.parametrize("kind", ALL)
def test_what_stands_for_weights_goes_as_far_as_they_do(kind: str, tmp_path: Path) -> None:
    task = task_of(*ALL[kind])
    found, _ = trained(task, Workplace(str(tmp_path)))
    trainer = trainer_for(task.data, task.network, task.training, task.seed, Workplace(""))
    first = Address(task.seed, task.trial, task.member)
    begun = trainer.blueprint.initial_weights(first.seed_integer(Purpose.INITIAL_WEIGHTS))
    trainer.member.load(Checkpoint(begun), np.random.default_rng(0))
    learnt, momentum = trainer.member.learnt, {}
    copies = copied(trainer.member, begun)
    assert bool(copies) is (kind in COPYING)
    for epoch in range(task.last_epoch):
        slow = trainer.member.weights()
        trainer.run_epoch(epoch_order(task, epoch, trainer))
        fast, optimizer = trainer.member.weights(), dict(trainer.member.state().optimizer)
        stepped, momentum = outer_step({name: slow[name] for name in learnt}, fast, momentum, MU)
        for state, name in copies.items():
            way = stepped[name].astype(np.float64) - fast[name]
            assert np.abs(way).max() > 1e-4
            optimizer[state] = (optimizer[state] + way).astype(np.float32)
        trainer.member.load(Checkpoint({**fast, **stepped}, optimizer), np.random.default_rng(0))
    assert_equal(found.weights, trainer.member.weights())
    assert_equal(found.optimizer, trainer.member.state().optimizer)
    assert_equal(found.outer, momentum)
    if finalizes(trainer.model.optimizer):
        assert_equal(found.network, trainer.member.end_training(lambda: None))


@pytest.mark.parametrize("kind", ALL)
def test_halting_and_being_stopped_change_no_number(kind: str, tmp_path: Path) -> None:
    place = Workplace(str(tmp_path))
    task = task_of(*ALL[kind])
    whole, epochs = trained(task, place)
    start, halted = task.start, []
    for epoch in range(task.last_epoch):
        part = replace(
            task, first_epoch=epoch, last_epoch=epoch + 1, start=start, folder=f"part-{epoch}"
        )
        result = train_member(part, place)
        start = Continue(result.checkpoint)
        halted += [each.metrics for each in result.epochs]
    assert_same(open_checkpoint(result.checkpoint, place), whole)
    assert halted == epochs
    stopped = replace(task, folder="stopped")
    for _ in range(task.last_epoch - 1):
        with pytest.raises(Stopped):
            train_member(stopped, replace(place, stop_at_unix_s=0.0))
    ended, told = trained(stopped, place)
    assert_same(ended, whole)
    assert told == epochs


def of(name: str, **settings: Any) -> Callable[[], Any]:
    return lambda: getattr(load_keras().optimizers, name)(0.1, **settings)


def scaled(inner: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: load_keras().optimizers.LossScaleOptimizer(inner(), initial_scale=1.0)


def own(name: str) -> Callable[[], Any]:
    def make() -> Any:
        from tests.support import against_keras  # it loads Keras

        return getattr(against_keras, name)(0.1)

    return make


@pytest.mark.parametrize(
    "make",
    [
        of("ScheduleFreeAdamW", warmup_steps=9),
        of("SGD", momentum=0.9, **EMA),
        of("Adam", **EMA, ema_overwrite_frequency=2),
        scaled(of("SGD", **EMA)),
        scaled(own("lookahead")),
        own("lookahead"),
        own("several"),
    ],
)
def test_an_optimiser_goes_on_beside_its_way_where_it_was_moved(make: Callable[[], Any]) -> None:
    keras = load_keras()
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    model.compile(make(), "mse")
    model.optimizer.build(model.trainable_variables)
    member, rng = Member(model), np.random.default_rng(0)
    ways = {name: rng.normal(size=w.shape) for name, w in member.weights().items()}
    # Those of a loss that is linear in the weights: they are the same wherever the weights are.
    gradients = [
        [rng.normal(size=each.shape).astype(np.float32) for each in model.trainable_variables]
        for _ in range(8)
    ]
    for each in gradients[:3]:
        model.optimizer.apply(each, model.trainable_variables)
    before, ends = member.state(), []
    for moved in (False, True):
        member.load(before, np.random.default_rng(0))
        if moved:
            member.move({n: (w + ways[n]).astype(np.float32) for n, w in before.weights.items()})
        for each in gradients[3:]:
            model.optimizer.apply(each, model.trainable_variables)
        ends.append((member.weights(), member.end_training(lambda: None) or member.weights()))
    for stayed, gone in zip(*ends, strict=True):
        for name, way in ways.items():
            np.testing.assert_allclose(gone[name] - stayed[name], way, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["schedulefreeadamw", f"{SELF}:free"])
def test_momentum_over_a_path_that_is_averaged_anyway_is_refused(
    optimizer: str, tmp_path: Path
) -> None:
    task = task_of(optimizer, {"learning_rate": 0.01}, last_epoch=1)
    with pytest.raises(UserError, match=r"give the arm outer = \{ momentum = 0 \}") as seen:
        train_member(task, Workplace(str(tmp_path)))
    assert seen.value.code == "training-setting"
    assert train_member(replace(task, outer=None), Workplace(str(tmp_path))).status == "done"


def free(learning_rate: float) -> Any:
    """An optimiser within another, as for `mixed_float16`."""
    optimizers = load_keras().optimizers
    return optimizers.LossScaleOptimizer(optimizers.ScheduleFreeAdamW(learning_rate))


def copied(member: Member, weights: Mapping[str, Array]) -> dict[str, str]:
    """State -> the weight that it stands for, told by filling each weight with a number."""
    numbers = {name: np.full(w.shape, n, np.float32) for n, (name, w) in enumerate(weights.items())}
    names = list(weights)
    return {state: names[int(a.flat[0])] for state, a in member.adapted({}, numbers).items()}


def assert_equal(found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    assert list(found) == list(expected)
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    for group in ("weights", "optimizer", "random", "average", "outer"):
        assert_equal(getattr(one, group), getattr(other, group))
