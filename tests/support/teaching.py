"""Small networks and targets that are taught, and single steps of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.training.teaching import Teaching

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5)).astype(np.float32)
LABELS = RNG.integers(3, size=12).astype(np.int32)
NUMBERS = RNG.normal(size=(12, 2)).astype(np.float32)
WEIGHTS = RNG.random(12).astype(np.float32)


def shares(columns: int, seed: int = 1) -> Any:
    values = np.random.default_rng(seed).random((12, columns)).astype(np.float32)
    return values / values.sum(axis=1, keepdims=True)


def network(outputs: int, activation: str, loss: Any, **compiled: Any) -> Any:
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    hidden = layers.Dense(4, activation="tanh", kernel_regularizer="l2")
    model = keras.Sequential([layers.Input((5,)), hidden, layers.Dense(outputs, activation)])
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss, **compiled)
    return model


def judged(model: Any, y: Any) -> Any:
    """Return a model that was evaluated once: Keras has made its losses."""
    model.test_step((X, y))
    model.reset_metrics()
    return model


def stepped(model: Any, batch: Any, teaching: Teaching | None = None) -> tuple[list[Any], Any]:
    if teaching is None:
        model.train_step(batch)
    else:
        with teaching.steps():
            model.train_step(batch)
    return model.get_weights(), {n: float(v) for n, v in model.get_metrics_result().items()}


def one_hot(labels: Any) -> Any:
    return np.eye(3, dtype=np.float32)[labels]


def close(one: list[Any], other: list[Any]) -> None:
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, rtol=2e-5, atol=1e-6)
