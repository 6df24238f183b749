"""What all peers share: the job, its data, its networks, and the record of what was trained.

A job is a JSON file that `__main__` writes. Every epoch of every network is a line of the stream:
who searched better, and when, is read from it afterwards.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Gene = Mapping[str, Any]
Ask = Callable[[str, Gene], Any]
"""Asks the peer for a value of a parameter, by its name there."""

After = Callable[[int, float], bool]

EVALUATED_AT_ONCE: Final = 1_000
"""Samples."""


@dataclass(frozen=True)
class Job:
    """A search to make.

    Attributes:
        builder: name of one of heterosis's own networks, which are plain Keras.
        params: its fixed arguments.
        space: parameters by name, as an experiment file has them.
        input_shape: of a sample.
        classes: number of them.
        epochs: the most that one network trains.
        batch_size: samples a step.
        optimizer: a Keras name.
        optimizer_params: its fixed arguments.
        seed: of the search.
        workers: networks at a time, one core each.
        network_epochs: to train at least.
        seconds: to search at least, from `began`.
        began: seconds since the epoch.
        data: an `.npz` with `x`, `y`, `val_x`, `val_y`, `test_x`, `test_y`; not in `scratch`.
        stream: file of JSON lines.
        scratch: folder for what a peer keeps, empty when it starts.
    """

    builder: str
    params: Mapping[str, Any]
    space: Mapping[str, Gene]
    input_shape: tuple[int, ...]
    classes: int
    epochs: int
    batch_size: int
    optimizer: str
    optimizer_params: Mapping[str, Any]
    seed: int
    workers: int
    network_epochs: int
    seconds: float
    began: float
    data: str
    stream: str
    scratch: str


def read_job(path: str | None = None) -> Job:
    """Return the job that a file describes, that of the command line by default."""
    return Job(**json.loads(Path(path or sys.argv[1]).read_text(encoding="utf-8")))


def settings(space: Mapping[str, Gene], ask: Ask) -> dict[str, Any]:
    """Return a value for each parameter of a space; a list for one that is `per` another."""
    values: dict[str, Any] = {}
    for name, gene in space.items():
        if per := gene.get("per"):
            values[name] = [ask(f"{name}_{layer}", gene) for layer in range(values[per])]
        else:
            values[name] = ask(name, gene)
    return values


def network(job: Job, values: Mapping[str, Any]) -> Any:
    """Return a compiled Keras model of these settings."""
    import keras

    from apps.networks.builders import BUILDERS

    own, rates = (
        {
            name: value
            for name, value in values.items()
            if job.space[name].get("of", "network") == of
        }
        for of in ("network", "optimizer")
    )
    shape = {"input_shape": tuple(job.input_shape), "classes": job.classes}
    model = BUILDERS[job.builder](**job.params, **own, **shape)
    optimizer = {
        "class_name": job.optimizer,
        "config": {**job.optimizer_params, **rates},
    }
    model.compile(
        keras.optimizers.get(optimizer),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def one_core() -> None:
    """Give this process's TensorFlow one thread, as each task of heterosis has."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def seeded(job: Job, process: int) -> None:
    """Let a process draw weights and orders of its own that are the same every time."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(
        int(np.random.SeedSequence([job.seed, process]).generate_state(1)[0])
    )


def load(job: Job) -> dict[str, Any]:
    """Return the arrays, inputs, which are bytes, in [0, 1]."""
    import numpy as np

    with np.load(job.data) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    return {
        name: each.astype("float32") / 255.0 if name.endswith("x") else each
        for name, each in found.items()
    }


def is_over(job: Job) -> bool:
    """Whether both budgets are spent: network-epochs and time."""
    spent = len(lines(job.stream)) >= job.network_epochs
    return spent and time.time() - job.began >= job.seconds


def lines(stream: str) -> list[dict[str, float]]:
    """Return the epochs that were trained, in the order in which they ended."""
    path = Path(stream)
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def recorder(job: Job, data: Mapping[str, Any], after: After) -> Any:
    """Return the callback that adds each epoch to the stream, and ends training in its time.

    Args:
        job: says when the search is over.
        data: of `load`.
        after: takes the epochs done and the held-out loss; whether to stop.
    """
    import keras

    class Recorder(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            note(job, data, self.model, logs["val_loss"])
            if after(epoch + 1, logs["val_loss"]) or is_over(job):
                self.model.stop_training = True

    return Recorder()


def fit(
    job: Job,
    data: Mapping[str, Any],
    values: Mapping[str, Any],
    after: After,
) -> float:
    """Train one network by `Model.fit`, as a user of the peer would.

    Args:
        job: says for how long at most.
        data: of `load`.
        values: of `settings`.
        after: as `recorder` takes it.

    Returns:
        The lowest held-out loss.
    """
    model = network(job, values)
    done = model.fit(
        data["x"],
        data["y"],
        batch_size=job.batch_size,
        epochs=job.epochs,
        validation_data=(data["val_x"], data["val_y"]),
        validation_batch_size=EVALUATED_AT_ONCE,
        callbacks=[recorder(job, data, after)],
        verbose=0,
    )
    return float(min(done.history["val_loss"]))


def note(job: Job, data: Mapping[str, Any], model: Any, val_loss: float) -> None:
    """Add an epoch to the stream; of a network that is the best so far, with its test loss."""
    best = min((each["val_loss"] for each in lines(job.stream)), default=float("inf"))
    line = {"seconds": time.time() - job.began, "val_loss": float(val_loss)}
    if val_loss < best:
        found = model.evaluate(
            data["test_x"], data["test_y"], batch_size=EVALUATED_AT_ONCE, verbose=0
        )
        line |= {"test_loss": found[0], "test_accuracy": found[1]}
    with Path(job.stream).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
