"""The engines against `keras.Model.fit`, two threads against one, a halt against an epoch."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import IO, Final

import networks
import numpy as np
from contender import BY_KERAS, BY_KERAS_ANYWHERE, SEED, Workload, by_engine, trainer_of
from measures import Measure

from apps.genetics.crossover import Parents
from apps.genetics.unit_selection import select
from apps.records.checkpoints import Checkpoint
from apps.training.trainer import Trainer

ROUNDS: Final = 5
"""Measured epochs a way; each way trains one more before, in which it is compiled."""

LEAST: Final = {32: 7.5, 128: 3.3}
"""By batch size: how many times as many epochs a second as `fit` 784-128-10 must train."""

LEAST_OF_TWO_THREADS: Final = 1.5

MOST_LOSS: Final = 2.0
"""Of ten classes, unlearnt: 2.3. A way that is quick and learns nothing is no way."""

IMAGES: Final = 1_200
BATCH: Final = 64

TAUGHT: Final = (Workload(), Workload("two_convolutions", BATCH, 10 * IMAGES))
"""Whose predictions are measured against their training."""

MOST_OF_AN_EPOCH: Final = 0.5
"""What a teacher's pass may take of an epoch: budgets count a third."""

PARENTS: Final = 4
MOST_FOR_A_CHOICE: Final = 2.0
"""What a choice of their units, which budgets do not count, may take of a child's epochs."""

SAMPLES: Final = 50_000
"""Of such an epoch: a choice takes as long for any number of samples."""


def against_fit() -> Iterator[Measure]:
    """Compare the engines, on one core, with `Model.fit`, an epoch each in turn."""
    for batch_size, least in LEAST.items():
        work = Workload(batch_size=batch_size)
        yield from _measures(f"784-128-10, batch {batch_size}", work, ("auto", "graph"), least)
    for network, least in networks.LEAST.items():
        others = ("graph",) if network in networks.CONVOLVE else ("graph", "xla")
        work = Workload(network, BATCH, IMAGES)
        yield from _measures(network.replace("_", " "), work, ("auto", *others), least)


def _measures(what: str, work: Workload, engines: Sequence[str], least: float) -> Iterator[Measure]:
    """Compare with `fit` on the engines' one core, and with one that may use every core.

    Keras's threads wait for one another on one core, longer than they compute.
    """
    seconds = _take_turns((BY_KERAS, BY_KERAS_ANYWHERE, *engines), work)
    medians = {way: median(found) for way, found in seconds.items()}
    others = [
        f"{engine} {medians[BY_KERAS] / medians[engine]:.3g} times"
        for engine in engines
        if engine != "auto"
    ]
    yield Measure(
        f"{what} against Model.fit, one core",
        medians[BY_KERAS] / medians["auto"],
        "times",
        least=least,
        details=f"medians of {ROUNDS} epochs: {_spread(seconds['auto'])}, fit "
        f"{_spread(seconds[BY_KERAS])}; {', '.join(others)}",
    )
    yield Measure(
        f"{what} against Model.fit, which may use every core",
        medians[BY_KERAS_ANYWHERE] / medians["auto"],
        "times",
        least=1.0,
        details=f"fit {_spread(seconds[BY_KERAS_ANYWHERE])}",
    )


def threads(batch_size: int = 128) -> Measure:
    """Compare the epochs per second of two threads, each with its own network, with one's."""
    what = f"two threads against one, batch {batch_size}"
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        return Measure(what, math.nan, "times", details="this machine lends one core")
    alone, together = [], []
    work = Gang(2, batch_size)
    for _ in range(ROUNDS):
        alone.append(work.run(1))
        together.append(work.run(2))
    work.end()
    one, two = median(alone), median(together)
    return Measure(
        what,
        2 * one / two,
        "times",
        least=LEAST_OF_TWO_THREADS,
        details=f"{Gang.EPOCHS} epochs: one thread {_spread(alone)}, two threads at once "
        f"{_spread(together)}, on {cores} cores",
    )


def passes() -> Iterator[Measure]:
    """Compare a teacher's predictions of the training set with an epoch of its training."""
    for work in TAUGHT:
        trainer = trainer_of(work, "auto")
        weights = trainer.blueprint.initial_weights(SEED)
        epochs, predictions = _beside_epochs(
            trainer, partial(trainer.measures.training_predictions, weights)
        )
        yield Measure(
            f"a teacher's pass, {work.network.replace('_', ' ')}, batch {work.batch_size}",
            median(predictions) / median(epochs),
            "epochs",
            most=MOST_OF_AN_EPOCH,
            details=f"{_spread(predictions)}, an epoch {_spread(epochs)}, on one thread",
        )


def choices() -> Iterator[Measure]:
    """Compare the crossover `select`, once a halt, with an epoch of its child."""
    for work in TAUGHT:
        trainer, rng = trainer_of(work, "auto"), np.random.default_rng(SEED)
        weights = [trainer.blueprint.initial_weights(SEED + number) for number in range(PARENTS)]
        parents = Parents(tuple(weights), (0.0,) * PARENTS, trainer.member.statistics)
        epochs, chosen = _beside_epochs(
            trainer, partial(select, rng, parents, trainer.measures.observed)
        )
        whole = [seconds * SAMPLES / len(trainer.order(rng)) for seconds in epochs]
        yield Measure(
            f"units of {PARENTS} networks chosen, {work.network.replace('_', ' ')}",
            median(chosen) / median(whole),
            "epochs",
            most=MOST_FOR_A_CHOICE,
            details=f"{_spread(chosen)}, an epoch of {SAMPLES} samples {_spread(whole)}, "
            "on one thread",
        )


def _beside_epochs(trainer: Trainer, call: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Return the seconds of epochs of a trainer, and those of a call after each of them."""
    rng = np.random.default_rng(SEED)
    weights = trainer.blueprint.initial_weights(SEED)
    epochs, calls = [], []
    for _ in range(ROUNDS + 1):
        trainer.member.load(Checkpoint(weights), rng)
        order = trainer.order(rng)
        began = time.perf_counter()
        trainer.run_epoch(order)
        trained = time.perf_counter()
        call()
        epochs.append(trained - began)
        calls.append(time.perf_counter() - trained)
    return epochs[1:], calls[1:]  # in the first both are compiled


class Gang:
    """Threads that each train a network of their own, when told."""

    EPOCHS: Final = 4

    def __init__(self, count: int, batch_size: int) -> None:
        self._starts = [threading.Semaphore(0) for _ in range(count)]
        self._done = threading.Semaphore(0)
        self._ended = False
        self._members = [
            threading.Thread(target=self._member, args=(start, batch_size), daemon=True)
            for start in self._starts
        ]
        for member, start in zip(self._members, self._starts, strict=True):
            # The first round compiles, one thread after the other.
            member.start()
            start.release()
            self._done.acquire()

    def run(self, count: int) -> float:
        """Return the seconds that `count` threads take for their epochs."""
        began = time.perf_counter()
        for start in self._starts[:count]:
            start.release()
        for _ in range(count):
            self._done.acquire()
        return time.perf_counter() - began

    def end(self) -> None:
        """Let the threads go."""
        self._ended = True
        for start in self._starts:
            start.release()
        for member in self._members:
            member.join()

    def _member(self, start: threading.Semaphore, batch_size: int) -> None:
        epoch = by_engine(Workload(batch_size=batch_size), "auto")
        while start.acquire() and not self._ended:
            for _ in range(self.EPOCHS):
                epoch()
            self._done.release()


def _take_turns(ways: Sequence[str], work: Workload) -> dict[str, list[float]]:
    """Return each way's seconds an epoch."""
    core = min(os.sched_getaffinity(0))
    with ExitStack() as stack:
        running = {way: stack.enter_context(_contender(way, work, core)) for way in ways}
        for process in running.values():
            _epoch(process)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, process in running.items():
                seconds[way].append(_epoch(process)[0])
        losses = {way: _epoch(process)[1] for way, process in running.items()}
    if not all(loss < MOST_LOSS for loss in losses.values()):
        raise RuntimeError(f"a way to train did not learn: losses {losses}")
    return seconds


@contextmanager
def _contender(way: str, work: Workload, core: int) -> Iterator[subprocess.Popen[str]]:
    program = Path(__file__).with_name("contender.py")
    given = (way, work.network, work.batch_size, work.images, core)
    command = [sys.executable, str(program), *map(str, given)]
    pipe = subprocess.PIPE
    # TensorFlow's remarks at start are of interest only if the process fails.
    with (
        tempfile.TemporaryFile("w+") as remarks,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=remarks, text=True) as process,
    ):
        try:
            yield process
        except (RuntimeError, OSError) as error:
            remarks.seek(0)
            raise RuntimeError(f"{way}: {error}\n{remarks.read()}") from error
        finally:
            _pipe(process.stdin).close()


def _epoch(process: subprocess.Popen[str]) -> tuple[float, float]:
    ask, answer = _pipe(process.stdin), _pipe(process.stdout)
    ask.write("epoch\n")
    ask.flush()
    line = answer.readline()
    if not line:
        raise RuntimeError("the process ended early")
    seconds, loss = json.loads(line)
    return seconds, loss


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.3g} s ({min(seconds):.3g} to {max(seconds):.3g})"
