"""A family: relatives that train side by side within one task and are merged within each epoch.

Between two merges each relative goes its own way, through its own order of the data. At a merge
weights and the optimiser's state become the relatives' mean, so that a family is one network, and
one checkpoint, wherever it is stored.

References: PAPA, arXiv:2304.03094; DiLoCo, arXiv:2311.08105 (there the outer step too).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import Array
from apps.genetics.averaging import running_mean
from apps.genetics.weights import Weights, cast_like
from apps.messages.specs import FamilySpec
from apps.records.checkpoints import Checkpoint
from apps.training.trainer import Trainer

OuterStep = Callable[[Weights, Weights], Weights]
"""Weights before a merge and their mean after it -> the weights to go on from."""

_local = threading.local()


@dataclass(frozen=True)
class Relative:
    """One of a family in one epoch.

    Attributes:
        order: of the training data [samples].
        random: seeds its random layers, anew after each merge.
    """

    order: NDArray[np.int64]
    random: np.random.Generator


def train_family(
    trainer: Trainer,
    make: Callable[[], Trainer],
    relatives: Sequence[Relative],
    spec: FamilySpec,
    batch_size: int,
    rate: float,
    step: OuterStep,
    threads: int,
) -> dict[str, float]:
    """Train a family for one epoch.

    Args:
        trainer: holds the family before, and after.
        make: returns the calling thread's own trainer of the same network and lesson.
        relatives: its members.
        spec: how often they are merged.
        batch_size: samples per step: merges come between steps.
        rate: factor on the learning rate.
        step: taken over each merge.
        threads: relatives that train at a time; it changes no number.

    Returns:
        The epoch's metrics, running means over the relatives' batches.

    Raises:
        UserError: the data come in batches.
    """
    check_can_be_parted(trainer)
    state = trainer.member.state()
    weighed: list[tuple[int, dict[str, float]]] = []
    for part in parts(len(relatives[0].order), batch_size, spec.merges):
        seeds = [np.random.default_rng(each.random.integers(2**63)) for each in relatives]
        begun = replace(state, random={})

        def train(
            number: int,
            begun: Checkpoint = begun,
            part: slice = part,
            seeds: list[np.random.Generator] = seeds,
        ) -> tuple[Checkpoint, dict[str, float]]:
            own = make()
            own.member.load(begun, seeds[number])
            own.rate.multiply(rate)
            metrics = own.run_epoch(relatives[number].order[part])
            return own.member.state(), metrics

        numbers = range(len(relatives))
        done = list(map(train, numbers) if threads < 2 else _pool(threads).map(train, numbers))
        mean = mean_state([each.weights for each, _ in done])
        weights = step(state.weights, mean)
        optimizer = mean_state([each.optimizer for each, _ in done])
        optimizer = trainer.member.moved(optimizer, mean, weights)
        state = replace(state, weights=weights, optimizer=optimizer)
        weighed += [(part.stop - part.start, metrics) for _, metrics in done]
    trainer.member.load(state, np.random.default_rng(0))
    total = sum(count for count, _ in weighed)
    return {
        name: sum(count * metrics[name] for count, metrics in weighed) / total
        for name in weighed[0][1]
    }


def check_can_be_parted(trainer: Trainer) -> None:
    """Check that a trainer's epochs have parts.

    Raises:
        UserError: its data come in batches.
    """
    trainer.checks.in_memory("family", "a family is merged within an epoch of samples")


def parts(samples: int, batch_size: int, merges: int) -> list[slice]:
    """Return the parts of an epoch that a merge ends; it has no more of them than steps.

    All but the last are of equally many steps. Where these would be fewer parts than merges, parts
    differ by one step: there is a program for each length.

    >>> parts(10, 2, 2)
    [slice(0, 6, None), slice(6, 10, None)]
    >>> [part.stop for part in parts(7, 1, 6)]
    [1, 2, 4, 5, 6, 7]
    """
    steps = -(-samples // batch_size)
    merges = min(merges, steps)
    each = -(-steps // merges)
    ends = [*range(each, steps, each), steps]
    if len(ends) < merges:
        ends = [(2 * steps * number // merges + 1) // 2 for number in range(1, merges + 1)]
    return [
        slice(begin * batch_size, min(end * batch_size, samples))
        for begin, end in pairwise([0, *ends])
    ]


def mean_state(states: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the mean of equally shaped states; counters are the first one's."""
    if not states:
        return {}
    average: Mapping[str, Array] = {}
    for count, state in enumerate(states):
        average = running_mean(average, state, count)
    floating = cast_like(average, states[0])
    return {
        name: floating[name] if array.dtype.kind == "f" else array
        for name, array in states[0].items()
    }


def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the threads that belong to this one: each keeps its compiled programs."""
    if getattr(_local, "threads", 0) != threads:
        _local.pool, _local.threads = ThreadPoolExecutor(threads), threads
    pool: ThreadPoolExecutor = _local.pool
    return pool
