"""Small specs that the tests share, so that a program compiled for one of them serves all."""

from __future__ import annotations

from typing import Any

from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import Fresh, TrainTask

SEED = 11

# Training and validation set are of one size: one compiled evaluation serves both.
DATA = DataSpec("fashion_mnist_sample", validation=100, train_limit=100)

PLAIN = NetworkSpec("two_layer_dense", {"units": 8})
RICH = NetworkSpec("two_layer_dense", {"units": 8, "dropout": 0.3, "batch_normalization": True})

ADAM = TrainingSpec(32)
WHOLE_BATCHES = TrainingSpec(25)
MOMENTUM = TrainingSpec(32, "sgd", {"learning_rate": 0.05, "momentum": 0.9})


def net(name: str, **params: Any) -> NetworkSpec:
    """A plug-in network of the tests."""
    return NetworkSpec(f"tests.support.nets:{name}", params)


def training(**changes: Any) -> TrainTask:
    """A task: Adam, dropout, batch normalisation, a last batch that is not full."""
    fields: dict[str, Any] = {
        "seed": SEED,
        "trial": 1,
        "member": 2,
        "first_epoch": 0,
        "last_epoch": 4,
        "data": DATA,
        "network": RICH,
        "training": ADAM,
        "start": Fresh(),
        "folder": "whole",
    }
    return TrainTask(**fields | changes)
