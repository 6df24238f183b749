"""A whole run against what a user would write without it: a pool of two processes with `fit`.

Six networks 784-128-10 on 50,000 images of Fashion-MNIST, ten epochs, the two best merged half-way.
The script, which this file is too, trains one arm's 60 network-epochs; heterosis trains `control`
as well, measures all on data held out, and writes tables and report. Start-up counts on both sides.

`python tests/benchmarks/keras_pool.py BATCH_SIZE` is the script.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Final

NETWORKS: Final = 6
EPOCHS: Final = 10
PROCESSES: Final = 2
PARENTS: Final = 2
SCALE: Final = 0.05
"""Of the mutation, in standard deviations of each array."""

ROUNDS: Final = 3
MOST: Final = {128: 0.6, 32: 0.32}
"""By batch size: how long a run may take, the pool's script being 1."""

_EXPERIMENT: Final = """
name = "pool"
seed = 1
population = {networks}
[data]
name = "fashion_mnist"
[training]
epochs = {epochs}
batch_size = {batch_size}
fitness = "loss"
[[arms]]
name = "control"
[[arms]]
name = "mean"
halts = [0.5]
mutation = {{ name = "gaussian", scale = {scale} }}
"""


def against_a_run() -> Iterator[Any]:
    """Measure both in turn, for each batch size."""
    from measures import Measure

    for batch_size, most in MOST.items():
        runs, scripts = [], []
        for _ in range(ROUNDS):
            runs.append(_run_s(batch_size))
            scripts.append(_seconds([sys.executable, __file__, str(batch_size)]))
        ours, theirs = median(runs), median(scripts)
        yield Measure(
            f"a run of two arms against a Keras pool of one, batch {batch_size}",
            ours / theirs,
            most=most,
            details=f"medians of {ROUNDS}: {ours:.1f} s and {theirs:.1f} s",
        )


def _run_s(batch_size: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pool.toml"
        values = {"networks": NETWORKS, "epochs": EPOCHS, "scale": SCALE}
        file.write_text(_EXPERIMENT.format(batch_size=batch_size, **values))
        options = ["--quiet", "--workers", str(PROCESSES), "--runs", folder]
        return _seconds([sys.executable, "-m", "heterosis", "run", str(file), *options])


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def _start() -> None:
    import tensorflow as tf

    from apps.datasets.load import load_dataset
    from apps.messages.specs import DataSpec

    tf.config.threading.set_intra_op_parallelism_threads(1)
    train = load_dataset(DataSpec(), 0).train
    globals().update(x=train.x.astype("float32") / 255.0, y=train.y)


def _train(batch_size: int, epochs: int, weights: Any = None) -> tuple[list[Any], float]:
    from apps.networks.builders import two_layer_dense

    model = two_layer_dense(input_shape=(28, 28), classes=10)
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    if weights is not None:
        model.set_weights(weights)
    data = globals()
    done = model.fit(data["x"], data["y"], batch_size=batch_size, epochs=epochs, verbose=0)
    return model.get_weights(), done.history["loss"][-1]


def main(batch_size: int) -> None:
    """Train, merge the best two half-way, mutate the merge, train on."""
    import numpy as np

    rng = np.random.default_rng(0)
    half = EPOCHS // 2

    def mutated(array: Any) -> Any:
        return array + rng.normal(size=array.shape) * (SCALE * array.std())

    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), _start) as pool:
        begun = pool.map(_train, [batch_size] * NETWORKS, [half] * NETWORKS)
        best = sorted(begun, key=lambda result: result[1])[:PARENTS]
        merge = [
            np.mean(arrays, axis=0) for arrays in zip(*(each[0] for each in best), strict=True)
        ]
        children = [[mutated(array) for array in merge] for _ in range(NETWORKS)]
        rest = [EPOCHS - half] * NETWORKS
        losses = [loss for _, loss in pool.map(_train, [batch_size] * NETWORKS, rest, children)]
    print(min(losses))


if __name__ == "__main__":
    main(int(sys.argv[1]))
