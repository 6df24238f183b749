"""One way to train, in a process of its own: for every line on standard input, train an epoch.

The ways take turns on one core, so that whatever else the machine does meets them alike, and each
has its own TensorFlow: `keras` as a user starts it, the engines as heterosis does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from apps.datasets.load import load_dataset
from apps.messages.specs import DataSpec, EngineName, NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace

if TYPE_CHECKING:
    from apps.training.trainer import Trainer

SEED: Final = 1
HERE: Final = str(Path(__file__).parent)
BY_KERAS: Final = "keras"
"""The way that is no engine: a user's own script."""

BY_KERAS_ANYWHERE: Final = "keras on every core"
"""The same, where its threads may run on all cores, each operation on one."""

Epoch = Callable[[], float]
"""Trains an epoch and returns its loss."""


@dataclass(frozen=True)
class Workload:
    """What is trained.

    Attributes:
        network: 784-128-10 (`two_layer_dense`), or a builder of `networks`.
        batch_size: samples a step.
        images: of the training set; 0 for all that are not held out.
    """

    network: str = "two_layer_dense"
    batch_size: int = 128
    images: int = 0

    @property
    def data(self) -> DataSpec:
        """Fashion-MNIST, or its beginning."""
        return DataSpec(train_limit=self.images or None)

    @property
    def spec(self) -> NetworkSpec:
        """The network as heterosis builds it."""
        known = self.network == "two_layer_dense"
        return NetworkSpec(self.network) if known else NetworkSpec(f"networks:{self.network}")


def answer_by_fit(work: Workload) -> None:
    """Train as a user of Keras would: arrays in memory, `compile` and `fit` with their defaults.

    It is one `fit` of many epochs, which sets up its data once; each epoch waits to be asked for.
    """
    import keras
    import networks
    import tensorflow as tf

    from apps.networks.builders import two_layer_dense

    tf.config.threading.set_intra_op_parallelism_threads(1)
    data = load_dataset(work.data, SEED)
    x, y = data.train.x.astype("float32") / 255.0, data.train.y
    builder: Any = getattr(networks, work.network, two_layer_dense)
    model = builder(input_shape=(28, 28), classes=10)
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    class Asked(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if not sys.stdin.readline():
                sys.exit()
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            print(json.dumps([time.perf_counter() - self.began, logs["loss"]]), flush=True)

    model.fit(x, y, batch_size=work.batch_size, epochs=1_000_000, verbose=0, callbacks=[Asked()])


def trainer_of(work: Workload, engine: EngineName) -> Trainer:
    """Return a trainer as a worker has it, before a first member is in it."""
    from apps.training.trainer import new_trainer

    training = TrainingSpec(work.batch_size, optimizer="adam", engine=engine)
    return new_trainer(work.data, work.spec, training, SEED, Workplace("", search_path=HERE))


def by_engine(work: Workload, engine: EngineName) -> Epoch:
    """Train as a worker does."""
    import numpy as np

    from apps.records.checkpoints import Checkpoint

    trainer = trainer_of(work, engine)
    rng = np.random.default_rng(SEED)
    trainer.member.load(Checkpoint(trainer.blueprint.initial_weights(SEED)), rng)
    print(f"{work.network}: {trainer.engine}", file=sys.stderr)

    def epoch() -> float:
        loss = trainer.run_epoch(trainer.order(rng))["loss"]
        if trainer.remarks:
            raise RuntimeError(f"the engine could not: {trainer.remarks}")
        return loss

    return epoch


def main(way: str, network: str, batch_size: int, images: int, core: int) -> None:
    """Answer every line of standard input with an epoch's seconds and loss."""
    if way != BY_KERAS_ANYWHERE:
        os.sched_setaffinity(0, {core})
    work = Workload(network, batch_size, images)
    if way in (BY_KERAS, BY_KERAS_ANYWHERE):
        answer_by_fit(work)
        return
    epoch = by_engine(work, cast(EngineName, way))
    for _ in sys.stdin:
        began = time.perf_counter()
        loss = epoch()
        print(json.dumps([time.perf_counter() - began, loss]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
