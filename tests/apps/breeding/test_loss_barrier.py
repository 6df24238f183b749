"""Barriers and distances between two parents, each loss measured once."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from apps.architecture.unit_trace import UnknownSymmetry
from apps.breeding.loss_barrier import Kinship
from apps.genetics.permutation import PermutationSpec, Segment, permute
from apps.seeds import Address

UNITS = (Segment(5, "h"),)
SPEC = PermutationSpec({"in": ((), UNITS), "out": (UNITS, ())})


class Measures:
    """Measures the loss of a network of two layers; it remembers of which."""

    def __init__(self, spec: PermutationSpec | None) -> None:
        self.seen: list[Any] = []
        self._spec = spec

    @property
    def spec(self) -> PermutationSpec:
        if self._spec is None:
            raise UnknownSymmetry("a layer")
        return self._spec

    def refreshed(self, weights: Any) -> Any:
        return weights

    def loss_of(self, weights: Any, part: str) -> dict[str, float]:
        assert part == "probe"
        self.seen.append(weights)
        return {"loss": loss_of(weights)}


def loss_of(weights: Any) -> float:
    """How far its outputs are from those of the first network."""
    return float(np.mean((outputs(weights) - outputs(network(1))) ** 2))


def outputs(weights: Any) -> Any:
    x = np.random.default_rng(0).normal(size=(20, 3))
    return np.maximum(x @ weights["in"], 0) @ weights["out"]


def network(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"in": rng.normal(size=(3, 5)), "out": rng.normal(size=(5, 2))}


def measured(second: Any, spec: PermutationSpec | None = SPEC) -> tuple[dict[str, float], Measures]:
    measures = Measures(spec)
    trainer: Any = SimpleNamespace(
        measures=measures, member=SimpleNamespace(statistics=frozenset())
    )
    return Kinship(trainer, "none", Address(5, 0, 1)).measure(network(1), second), measures


def barrier(first: Any, second: Any) -> float:
    """By its formula."""
    heights = []
    for t in (0, 0.25, 0.5, 0.75, 1):
        between = {name: (1 - t) * first[name] + t * second[name] for name in first}
        chord = (1 - t) * loss_of(first) + t * loss_of(second)
        heights.append(loss_of(between) - chord)
    return max(heights)


def test_no_network_is_measured_twice() -> None:
    second = permute(network(2), SPEC, {"h": np.array([2, 0, 1, 4, 3])})
    found, measures = measured(second)
    assert found["barrier_raw"] == pytest.approx(barrier(network(1), second))
    aligned = measures.seen[-1]
    assert not np.array_equal(aligned["in"], second["in"])
    assert found["barrier_aligned"] == pytest.approx(barrier(network(1), aligned))
    assert len(measures.seen) == 9  # both lines begin at the first parent
    seen = {each["in"].tobytes() + each["out"].tobytes() for each in measures.seen}
    assert len(seen) == len(measures.seen)


def test_parents_that_lie_aligned_are_measured_once() -> None:
    near = {name: array + 0.01 for name, array in network(1).items()}
    found, measures = measured(near)
    assert len(measures.seen) == 5
    assert (
        found["barrier_aligned"] == found["barrier_raw"] == pytest.approx(barrier(network(1), near))
    )
    assert found["distance_aligned"] == found["distance_raw"]


def test_a_permuted_copy_is_apart_before_it_is_aligned() -> None:
    found, _ = measured(permute(network(1), SPEC, {"h": np.array([2, 0, 1, 4, 3])}))
    assert found["distance_raw"] > 0.1
    assert found["barrier_raw"] > 0
    assert found["distance_aligned"] == 0
    assert found["barrier_aligned"] == pytest.approx(0)


def test_where_no_symmetry_is_known_nothing_is_aligned() -> None:
    found, measures = measured(network(2), None)
    assert len(measures.seen) == 5
    assert math.isnan(found["distance_aligned"])
    assert math.isnan(found["barrier_aligned"])
    assert found["barrier_raw"] == pytest.approx(barrier(network(1), network(2)))
