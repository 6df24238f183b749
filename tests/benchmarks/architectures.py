"""Architectures one after the other in one process, as a worker of a long search trains them.

`python tests/benchmarks/architectures.py [COUNT]` is the measured process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
from measures import Measure

COUNT: Final = 1_100
SETTLED: Final = 100
MOST_MB: Final = 2_500.0
MOST_GROWN_MB: Final = 200.0
MOST_SECONDS: Final = 0.6


def one_after_the_other(count: int = COUNT) -> Iterator[Measure]:
    """Measure what a new architecture costs, and what a process keeps of it."""
    command = [sys.executable, __file__, str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    what = f"{count:,} architectures in one process"
    yield Measure(f"memory of {what}", found["most_mb"], "MB", most=MOST_MB)
    yield Measure(
        f"memory of {what}, beyond the first {SETTLED}",
        found["last_mb"] - found["settled_mb"],
        "MB",
        most=MOST_GROWN_MB,
        details=f"{found['settled_mb']:.0f} MB and {found['last_mb']:.0f} MB",
    )
    yield Measure(
        "a new dense architecture beyond its epochs, evaluation included",
        found["beyond_s"],
        "s",
        most=MOST_SECONDS,
        details=f"median; an epoch takes {found['epoch_s']:.3g} s",
    )


def main(count: int) -> None:
    """Train architectures of two or three hidden layers for two epochs, and print what it took."""
    from statistics import median

    import numpy as np

    from apps.messages.specs import DataSpec, Genome, NetworkSpec, TrainingSpec
    from apps.messages.tasks import Workplace
    from apps.records.checkpoints import Checkpoint
    from apps.training.trainer import trainer_for

    data = DataSpec(train_limit=2_000, validation=1_000)
    rng = np.random.default_rng(0)
    held_mb, beyond, epochs = [], [], []
    for number in range(count):
        units = [int(width) for width in rng.integers(8, 256, size=2 + number % 2)]
        began = time.perf_counter()
        trainer = trainer_for(
            data,
            NetworkSpec("mlp"),
            TrainingSpec(64, "adam"),
            0,
            Workplace(""),
            Genome(network={"units": units}),
        )
        trainer.member.load(Checkpoint(trainer.blueprint.initial_weights(0)), rng)
        for _ in range(2):
            last = time.perf_counter()
            trainer.run_epoch(trainer.order(rng))
            trainer.evaluate("validation")
        ended = time.perf_counter()
        epochs.append(ended - last)
        beyond.append(ended - began - 2 * epochs[-1])
        held_mb.append(psutil.Process().memory_info().rss / 2**20)
        if number % 50 == 49:
            print(f"{number + 1}: {held_mb[-1]:.0f} MB, {beyond[-1]:.2f} s", file=sys.stderr)
    print(
        json.dumps(
            {
                "most_mb": max(held_mb),
                "settled_mb": max(held_mb[:SETTLED]),
                "last_mb": held_mb[-1],
                "beyond_s": median(beyond),
                "epoch_s": median(epochs),
            }
        )
    )


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2])]
    main(int((sys.argv[1:] or [COUNT])[0]))
