"""The core: alignment, distances, crossover, on networks drawn as Keras draws them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from statistics import median

import numpy as np
from measures import Measure

from apps.genetics.alignment import align
from apps.genetics.crossover import CROSSOVERS, Parents, unit
from apps.genetics.distance import Population, aligned
from apps.genetics.permutation import PermutationSpec, Segment
from apps.genetics.weights import Weights

POSTER = (784, 128, 10)


def dense_network(rng: np.random.Generator, sizes: tuple[int, ...]) -> Weights:
    """Return float32 weights of a dense network: Glorot-uniform kernels, small biases."""
    weights = {}
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        limit = np.sqrt(6 / (inputs + outputs))
        kernel = rng.uniform(-limit, limit, (inputs, outputs))
        weights[f"dense_{number}/kernel"] = kernel.astype(np.float32)
        weights[f"dense_{number}/bias"] = rng.normal(0, 0.01, outputs).astype(np.float32)
    return weights


def dense_spec(network: Weights) -> PermutationSpec:
    """Return the symmetries of a network that `dense_network` makes."""
    units = [network[name].size for name in network if name.endswith("bias")]
    hidden = [(Segment(size, str(number)),) for number, size in enumerate(units[:-1])]
    axes = {}
    for number, (read, made) in enumerate(pairwise([(), *hidden, ()])):
        axes |= {f"dense_{number}/kernel": (read, made), f"dense_{number}/bias": (made,)}
    return PermutationSpec(axes)


def measures() -> Iterator[Measure]:
    """Time the operators on unrelated networks, where matching is hardest."""
    rng = np.random.default_rng(0)
    for sizes, most, repeats in (((784, 512, 512, 10), 1.0, 5), ((784, 4096, 10), 30.0, 1)):
        pair = dense_network(rng, sizes), dense_network(rng, sizes)
        spec = dense_spec(pair[0])
        seconds = timed(lambda p=pair, s=spec: align(np.random.default_rng(0), *p, s), repeats)
        yield Measure(f"aligning two networks {_name(sizes)}", seconds, "s", most=most)

    many = tuple(dense_network(rng, POSTER) for _ in range(100))
    population = Population(many, dense_spec(many[0]))
    yield Measure(
        f"aligned distances of 100 networks {_name(POSTER)}",
        timed(lambda: aligned(np.random.default_rng(0), population), 1),
        "s",
        most=20.0,
    )

    parents = Parents(many[:2], (0.1, 0.2))
    crossovers = {**CROSSOVERS, "unit": partial(unit, spec=dense_spec(many[0]))}
    seconds_of = {
        name: timed(lambda cross=cross: cross(np.random.default_rng(0), parents), 20)
        for name, cross in crossovers.items()
    }
    slowest = max(seconds_of, key=seconds_of.__getitem__)
    yield Measure(
        f"a crossover of two networks {_name(POSTER)}",
        1000 * seconds_of[slowest],
        "ms",
        most=20.0,
        details=f"the slowest is {slowest}; "
        + ", ".join(f"{name} {1000 * each:.2g} ms" for name, each in seconds_of.items()),
    )


def timed(call: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def _name(sizes: tuple[int, ...]) -> str:
    return "-".join(str(size) for size in sizes)
