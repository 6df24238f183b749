"""Stacks of dense layers, said and computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from apps.genetics.anatomy import (
    Anatomy,
    Layer,
    Neutral,
    Part,
    Step,
)
from tests.support.genetics import dense, dense_spec

WIDTHS = st.lists(st.integers(1, 7), min_size=1, max_size=3)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def stack(*sizes: int, slope: float = 0.5) -> Anatomy:
    """A stack of dense layers as `support.dense` makes them."""
    network = dense(rng(), sizes)
    layers, steps = [], []
    count = len(sizes) - 1
    for number in range(count):
        name = f"l{number}"
        parts = {
            "kernel": Part(f"{name}/kernel", consumed=(0,), neutral=Neutral(1, 1.0, ())),
            "bias": Part(f"{name}/bias", neutral=Neutral(0)),
        }
        layers.append(Layer(name, "Dense", parts))
        steps.append(Step((2 * number,), (2 * number + 1,), name))
        steps.append(Step((2 * number + 1,), (2 * number + 2,), slope=slope))
    return Anatomy(dense_spec(network), tuple(layers), tuple(steps), (0,), (2 * count - 1,))


def computed(network: Any, x: Any, activation: Any = lambda z: np.maximum(z, 0)) -> Any:
    for number in range(len(network) // 2):
        x = (activation(x) if number else x) @ network[f"l{number}/kernel"]
        x = x + network[f"l{number}/bias"]
    return x
