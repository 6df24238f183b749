"""One way to train, in a process of its own: for every line on standard input, train an epoch.

The ways take turns on one core, so that whatever else the machine does meets them alike, and each
has its own TensorFlow: `fit` as a user starts it, `fused` as heterosis does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

from apps.datasets.load import load_dataset
from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace

DATA = DataSpec("fashion_mnist")
NETWORK = NetworkSpec("two_layer_dense", {"units": 128})
SEED = 1

Epoch = Callable[[], float]
"""Trains an epoch and returns its loss."""


def training(batch_size: int) -> TrainingSpec:
    """Return the training that all ways share."""
    return TrainingSpec(batch_size, optimizer="adam", optimizer_params={"learning_rate": 0.001})


def keras_fit(batch_size: int) -> Epoch:
    """Train as a user of Keras would: arrays in memory, `compile` and `fit` with their defaults."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    data = load_dataset(DATA, SEED)
    x, y = data.train.x.astype("float32") / 255.0, data.train.y
    model = keras.Sequential(
        [
            keras.layers.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    def epoch() -> float:
        history = model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)
        return float(history.history["loss"][0])

    return epoch


def fused(batch_size: int) -> Epoch:
    """Train as a worker does: one compiled program an epoch."""
    import numpy as np

    from apps.records.checkpoints import Checkpoint
    from apps.training.trainer import new_trainer

    trainer = new_trainer(DATA, NETWORK, training(batch_size), SEED, Workplace(root=""))
    rng = np.random.default_rng(SEED)
    trainer.member.load(Checkpoint(trainer.blueprint.initial_weights(SEED)), rng)

    def epoch() -> float:
        loss = trainer.run_epoch(trainer.order(rng))["loss"]
        if trainer.remarks:
            raise RuntimeError(f"the epoch was not fused: {trainer.remarks}")
        return loss

    return epoch


WAYS = {"fit": keras_fit, "fused": fused}


def main(way: str, batch_size: int, core: int) -> None:
    """Answer every line of standard input with an epoch's seconds and loss."""
    os.sched_setaffinity(0, {core})
    epoch = WAYS[way](batch_size)
    for _ in sys.stdin:
        began = time.perf_counter()
        loss = epoch()
        print(json.dumps([time.perf_counter() - began, loss]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
