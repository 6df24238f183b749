"""Tasks on the data and networks of `kinds`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import TrainTask, Workplace
from apps.training.trainer import Trainer, trainer_for
from tests.support.small import SEED, training

HERE = "tests.support.kinds"


BY_NAME = TrainingSpec(
    32,
    loss={"label": "sparse_categorical_crossentropy", "sum": "mse"},
    metrics={"label": ("accuracy",), "sum": ()},
)


def data(name: str, **params: Any) -> DataSpec:
    return DataSpec(f"{HERE}:{name}", params, validation=20)


def task(source: DataSpec, network: str = "net", **changes: Any) -> TrainTask:
    return training(data=source, network=NetworkSpec(f"{HERE}:{network}"), **changes)


def trainer_of(given: TrainTask, place: Workplace) -> Trainer:
    return trainer_for(given.data, given.network, given.training, SEED, place)


def own_step(**params: Any) -> TrainTask:
    """A model with a training step of its own."""
    return replace(task(data("weighted")), network=NetworkSpec(f"{HERE}:own_step", params))
