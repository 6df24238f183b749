"""Small networks and Hypothesis strategies that the tests of the core share."""

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from apps.genetics.permutation import Axis, Permutation, Permutations, PermutationSpec, Segment
from apps.genetics.weights import Weights, layers

SEEDS = st.integers(0, 2**32 - 1)


def dense(
    rng: np.random.Generator, sizes: tuple[int, ...] = (7, 5, 3), dtype: Any = np.float32
) -> dict[str, NDArray[Any]]:
    """A dense stack with random kernels and biases: layers l0, l1, ..."""
    network: dict[str, NDArray[Any]] = {}
    for number, (inputs, units) in enumerate(pairwise(sizes)):
        network[f"l{number}/kernel"] = rng.normal(size=(inputs, units)).astype(dtype)
        network[f"l{number}/bias"] = rng.normal(size=units).astype(dtype)
    return network


def dense_spec(network: Weights) -> PermutationSpec:
    """The symmetries of a dense stack, with biases or without: a group for each layer but the last.

    Args:
        network: arrays `LAYER/kernel` [in, out] and `LAYER/bias` [out], layer after layer.
    """
    axes: dict[str, tuple[Axis, ...]] = {}
    names, before = layers(network), Axis()
    for number, (layer, arrays) in enumerate(names.items(), start=1):
        units = network[f"{layer}/kernel"].shape[1]
        after = () if number == len(names) else (Segment(units, layer),)
        axes |= {name: (before, after) if name.endswith("/kernel") else (after,) for name in arrays}
        before = after
    return PermutationSpec(axes)


def inverse(permutations: Permutations) -> dict[str, Permutation]:
    """The permutations that undo the given ones."""
    return {group: np.argsort(order) for group, order in permutations.items()}


def same(a: Weights, b: Weights) -> bool:
    """Whether two networks are equal bit for bit, in names, order, dtypes and values."""
    return list(a) == list(b) and all(
        a[name].dtype == b[name].dtype
        and a[name].shape == b[name].shape
        and a[name].tobytes() == b[name].tobytes()
        for name in a
    )


@st.composite
def families(
    draw: st.DrawFn, min_count: int = 1, max_count: int = 4
) -> list[dict[str, NDArray[Any]]]:
    """Networks of one architecture: odd shapes, both float widths, an array of integers."""
    count = draw(st.integers(min_count, max_count))
    width = draw(st.sampled_from([32, 64]))
    inputs, units = draw(st.integers(0, 3)), draw(st.sampled_from([1, 2, 5]))
    shapes = {"h/kernel": (inputs, units), "h/bias": (units,), "o/kernel": (units, 1), "o/bias": ()}
    limit = 2.0**100
    # Half of the least subnormal number rounds to nothing or to all of it: no relative bound holds.
    values = st.floats(-limit, limit, width=width, allow_subnormal=False)
    return [
        {
            **{
                n: draw(hnp.arrays(f"f{width // 8}", s, elements=values)) for n, s in shapes.items()
            },
            "steps": np.array([number, 7]),
        }
        for number in range(count)
    ]
