"""Rehearsals of small arms: tasks, halts and harvests, and builders and operators that fail."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.messages.specs import (
    CrossoverSpec,
    NetworkSpec,
    OperatorSpec,
    SpeciesSpec,
    TrainingSpec,
)
from apps.messages.tasks import Fresh, HarvestTask, MateTask, Offspring, TrainTask, Workplace
from apps.preflight.rehearsal import HarvestRehearsal, rehearse
from apps.preflight.rehearsed_halts import HaltRehearsal
from tests.support.small import ADAM, PLAIN, SEED, net, training

HERE = __name__
NONE = OperatorSpec("none")
MEAN = CrossoverSpec("mean")
SPECIES = SpeciesSpec(OperatorSpec("aligned"), OperatorSpec("count", {"count": 2}))


def refuses(*_: object, **__: object) -> Any:
    """An operator with a mistake of its own."""
    raise ArithmeticError("no such\nnumber")


def exits(*_: object, **__: object) -> Any:
    """An operator that ends the process, as a script's `main` does."""
    sys.exit("no more")


def stumbles(input_shape: Any, classes: int, width: int = 4) -> Any:
    """A network that can be built with every width, and not trained with 5."""
    import keras

    @keras.saving.register_keras_serializable("rehearsal")
    class Stumbling(keras.layers.Dense):
        def call(self, x: Any, training: bool = False) -> Any:
            if training and self.units == 5:
                raise ValueError("5 units are too many")
            return super().call(x)

    last = keras.layers.Dense(classes, activation="softmax")
    return keras.Sequential(
        [keras.layers.Input(input_shape), keras.layers.Flatten(), Stumbling(width), last]
    )


def narrow(input_shape: Any, classes: int, width: int = 4, depth: int = 1) -> Any:
    """A network that cannot be built with two layers of 5 units."""
    import keras

    if (width, depth) == (5, 2):
        raise ValueError("5 units are too many twice")
    hidden = [keras.layers.Dense(width) for _ in range(depth)]
    last = keras.layers.Dense(classes, activation="softmax")
    return keras.Sequential(
        [keras.layers.Input(input_shape), keras.layers.Flatten(), *hidden, last]
    )


def searched(input_shape: Any, classes: int, how: str = "", width: int = 4) -> Any:
    """A network of a search that compiles itself, if it is told how."""
    import keras

    @keras.saving.register_keras_serializable("rehearsal")
    class OwnStep(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            return super().train_step(data)

    kind = OwnStep if how == "train_step" else keras.Sequential
    last = keras.layers.Dense(classes, activation="softmax" if classes > 1 else None)
    model = kind([keras.layers.Input(input_shape), keras.layers.Dense(width), last])
    if how == "ignore_class":
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(ignore_class=7))
    elif how == "falling":
        rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
        model.compile(keras.optimizers.SGD(rate), "mse")
    elif how:
        model.compile("sgd", "mse")
    return model


def distance(y_true: Any, y_pred: Any) -> Any:
    """A loss of one's own."""
    return abs(y_true - y_pred)


def halt(
    first: TrainTask,
    crossover: CrossoverSpec = MEAN,
    mutation: OperatorSpec = NONE,
    rates: tuple[float, ...] = (),
    **settings: Any,
) -> HaltRehearsal:
    """One halt after the second epoch."""
    fields: dict[str, Any] = {
        "epoch": 2,
        "members": 4,
        "fitness": "val_loss",
        "mating": "all",
        "parents": 2,
        "selection": OperatorSpec("truncation"),
        "optimizer": "average",
        "first_unmutated": True,
        "species": None,
        "crossover": crossover,
        "measure": True,
        "folder": "halt",
    }
    shared = {"data": first.data, "network": first.network, "training": first.training}
    mate = MateTask(seed=SEED, trial=0, **shared, **fields | settings)
    child = replace(first, start=Offspring(crossover, mutation), first_epoch=2, rates=rates)
    return HaltRehearsal("arms.mean, halt after epoch 2", mate, first, child)


def harvest(first: TrainTask, **settings: Any) -> HarvestRehearsal:
    task = HarvestTask(
        seed=SEED,
        trial=0,
        members=4,
        epochs=4,
        data=first.data,
        network=first.network,
        training=first.training,
        folder="harvest",
        **{"method": "mean", "align": "none", "repair": False, "fitness": "val_loss"} | settings,
    )
    return HarvestRehearsal("arms.mean, harvest", task)


def task(network: NetworkSpec = PLAIN, how: TrainingSpec = ADAM) -> TrainTask:
    return training(network=network, training=how, start=Fresh())


def refused(first: TrainTask, halts: Any, harvests: Any, place: Workplace) -> str:
    with pytest.raises(UserError) as caught:
        rehearse([first], halts, harvests, place)
    assert not Path(place.root).exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


STRANGE = task(net("strange_layer"))
"""A member with a layer of which no symmetry is known."""
