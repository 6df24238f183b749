"""Units are selected as Gram-Schmidt selects them, and the child computes its parents' mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from itertools import pairwise

import numpy as np
import pytest

from apps.genetics import unit_selection
from apps.genetics.crossover import Parents
from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import PermutationSpec, Segment
from apps.genetics.unit_selection import (
    ALL_CROSSOVERS,
    PARENTS_TAKEN,
    LinearLayer,
    choose,
    fresh,
    least_squares,
    select,
    select_for,
)
from apps.genetics.weights import Array, Weights, copy
from tests.support.genetics import same

SIZES = (6, 9, 7, 3)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def selected_one_by_one(units: Array, target: Array, count: int, ridge: float) -> list[int]:
    h, r = units - units.mean(axis=0), target - target.mean(axis=0)
    chosen: list[int] = []
    for _ in range(count):
        score = ((h.T @ r) ** 2).sum(axis=1) / ((h**2).sum(axis=0) + ridge * len(h))
        score[chosen] = -1.0
        taken = int(np.argmax(score))
        chosen.append(taken)
        unit = h[:, taken] / np.linalg.norm(h[:, taken])
        r = r - np.outer(unit, unit @ r)
        h = h - np.outer(unit, unit @ h)
    return chosen


@pytest.mark.parametrize("ridge", [1e-6, 0.01, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_units_are_chosen_as_by_gram_schmidt(seed: int, ridge: float) -> None:
    units = np.maximum(rng(seed).normal(size=(200, 30)), 0)
    target = units @ rng(seed + 10).normal(size=(30, 4))
    assert choose(units, target, 12, ridge) == selected_one_by_one(units, target, 12, ridge)


def test_copies_and_dead_units_come_last() -> None:
    good = rng().normal(size=(50, 3))
    units = np.concatenate([np.zeros((50, 1)), good, good], axis=1)
    chosen = choose(units, good @ rng(1).normal(size=(3, 2)), 7)
    assert {(number - 1) % 3 for number in chosen[:3]} == {0, 1, 2}
    assert sorted(chosen) == list(range(7))


def test_least_squares_is_the_ridge_regression_of_what_is_centred() -> None:
    x, z = rng().normal(size=(40, 3)) + 2, rng(1).normal(size=(40, 2)) - 1
    kernel, bias = least_squares(x, z, 0.1)
    # A ridge is least squares with one more row for each input.
    rows = np.concatenate([x - x.mean(0), np.sqrt(0.1 * 40) * np.eye(3)])
    aims = np.concatenate([z - z.mean(0), np.zeros((3, 2))])
    np.testing.assert_allclose(kernel, np.linalg.lstsq(rows, aims, rcond=None)[0], rtol=1e-6)
    np.testing.assert_allclose((x @ kernel + bias).mean(0), z.mean(0))


# ------------------------------------------------------------------------- networks of two layers
def network(seed: int, sizes: tuple[int, ...] = SIZES) -> dict[str, Array]:
    draw = rng(seed)
    made = {}
    for number, (width, after) in enumerate(pairwise(sizes)):
        made[f"l{number}/kernel"] = draw.normal(size=(width, after)).astype(np.float32)
        made[f"l{number}/bias"] = draw.normal(size=after).astype(np.float32)
    return made


def spec(sizes: tuple[int, ...] = SIZES) -> PermutationSpec:
    one, two = (Segment(sizes[1], "one"),), (Segment(sizes[2], "two"),)
    axes = {"l0/kernel": ((), one), "l0/bias": (one,), "l1/kernel": (one, two), "l1/bias": (two,)}
    return PermutationSpec({**axes, "l2/kernel": (two, ()), "l2/bias": ((),)})


@dataclass
class Seen:
    """Networks of two hidden layers with ReLU, on a probe."""

    layers: tuple[LinearLayer, ...] = tuple(
        LinearLayer(f"l{number}/kernel", f"l{number}/bias", number == 2) for number in range(3)
    )
    spec: PermutationSpec = field(default_factory=spec)
    probe: Array = field(default_factory=lambda: rng(99).normal(size=(400, SIZES[0])))
    passes: list[int] = field(default_factory=list)

    def read(self, weights: Weights, number: int) -> Array:
        values = self.probe
        for before in range(number):
            received = values @ weights[f"l{before}/kernel"] + weights[f"l{before}/bias"]
            values = np.maximum(received, 0)
        return values

    def units(self, weights: Weights) -> Mapping[str, Array]:
        return {"one": self.read(weights, 1), "two": self.read(weights, 2)}

    def inputs(self, weights: Weights, layers: Sequence[LinearLayer]) -> list[Array]:
        self.passes.append(len(layers))
        return [self.read(weights, int(layer.kernel[1])) for layer in layers]

    def output(self, weights: Weights) -> Array:
        return self.read(weights, 2) @ weights["l2/kernel"] + weights["l2/bias"]


def test_equal_parents_compute_as_before() -> None:
    parent, seen = network(1), Seen()
    child = select(rng(), Parents((parent, copy(parent)), (0.1, 0.2)), seen, ridge=1e-9)
    np.testing.assert_allclose(seen.output(child), seen.output(parent), atol=0.02)


def test_a_child_of_strangers_is_near_their_mean_and_its_first_units_are_theirs() -> None:
    parents, seen = tuple(network(seed) for seed in (1, 2, 3)), Seen()
    before = [copy(parent) for parent in parents]
    child = select(rng(), Parents(parents, (0.1, 0.2, 0.3)), seen)
    assert all(same(one, other) for one, other in zip(parents, before, strict=True))
    units = {tuple(column) for parent in parents for column in parent["l0/kernel"].T}
    assert {tuple(column) for column in child["l0/kernel"].T} <= units
    aim = np.mean([seen.output(parent) for parent in parents], axis=0)

    def error(weights: Weights) -> float:
        return float(np.mean((seen.output(weights) - aim) ** 2))

    mean = {name: np.mean([p[name] for p in parents], axis=0) for name in parents[0]}
    assert error(child) < 0.5 * min(error(mean), *(error(parent) for parent in parents))
    assert all(child[name].dtype == array.dtype for name, array in parents[0].items())


def test_no_output_decides_by_the_unit_that_it_is_in() -> None:
    class Two(Seen):
        def inputs(self, weights: Weights, layers: Sequence[LinearLayer]) -> list[Array]:
            return [self.read(weights, min(2, int(layer.kernel[1]))) for layer in layers]

    seen = Two()
    seen.layers += (LinearLayer("l3/kernel", "l3/bias", True),)
    two = seen.spec.axes["l2/kernel"][0]
    seen.spec = PermutationSpec({**seen.spec.axes, "l3/kernel": (two, ()), "l3/bias": ((),)})
    children = []
    for scale in (1, 1_000):
        parents = []
        for seed in (1, 2, 3):
            added = network(seed + 10)
            other = {f"l3/{name}": scale * added[f"l2/{name}"] for name in ("kernel", "bias")}
            parents.append({**network(seed), **other})
        children.append(select(rng(), Parents(tuple(parents), (0.1, 0.2, 0.3)), seen))
    one, other = children
    for name in ("l0/kernel", "l1/kernel", "l2/kernel"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4)
    np.testing.assert_allclose(1_000 * one["l3/kernel"], other["l3/kernel"], rtol=1e-3, atol=1)


def test_a_network_is_gone_through_once_whatever_its_depth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parents = Parents((network(1), network(2)), (0.1, 0.2))
    seen = Seen()
    child = select(rng(), parents, seen)
    # Both parents, and the child, whose layers are fitted one after the other.
    assert seen.passes == [3, 3, 1, 1]
    monkeypatch.setattr(unit_selection, "_HELD", SIZES[0] + SIZES[1])
    seen = Seen()
    assert same(select(rng(), parents, seen), child)
    assert seen.passes == [2, 1] * 2 + [1, 1]


def test_units_that_another_layer_reads_stay_the_first_parents() -> None:
    one, two = network(1), network(2)
    seen = Seen(layers=Seen().layers[::2])  # l1 is no linear layer: it makes two and reads one
    child = select(rng(), Parents((one, two), (0.1, 0.2)), seen)
    kept = ("l0/kernel", "l0/bias", "l1/kernel", "l1/bias")
    assert all(np.array_equal(child[name], one[name]) for name in kept)
    assert not np.array_equal(child["l2/kernel"], one["l2/kernel"])


def test_one_parent_is_given_back() -> None:
    parent = network(1)
    assert same(select(rng(), Parents((parent,), (0.1,)), Seen()), parent)


def test_what_cannot_be_is_refused() -> None:
    parents = Parents((network(1), network(2)), (0.1, 0.2))
    with pytest.raises(GeneticsError, match="ridge"):
        select(rng(), parents, Seen(), ridge=-1)
    with pytest.raises(GeneticsError, match="linear layer"):
        select(rng(), parents, Seen(layers=Seen().layers[:2]))


@pytest.mark.parametrize("name", ALL_CROSSOVERS)
def test_the_parents_that_give_a_child_weights_are_those_that_are_said(name: str) -> None:
    """Tables and records say by `PARENTS_TAKEN` whose weights a child has."""
    crossover, old, new = ALL_CROSSOVERS[name], network(1), network(2)
    given = {"spec": spec(), "network": Seen(), "initial": network(3)}
    asked = {key: given[key] for key in given.keys() & signature(crossover).parameters.keys()}

    def children(*parents: Weights) -> list[Weights]:
        pair = Parents(parents, (0.1, 0.2))
        return [crossover(rng(seed), pair, **asked) for seed in range(8)]

    def moves(*parents: Weights) -> bool:
        return not all(map(same, children(old, new), children(*parents)))

    moving = [moves(network(4), new), moves(old, network(4))]
    assert moving == [number < PARENTS_TAKEN.get(name, 2) for number in range(2)]


def test_fresh_weights_are_no_parents() -> None:
    new = network(3)
    child = fresh(rng(), Parents((network(1),), (0.1,)), new)
    assert same(child, new)
    assert child["l0/bias"] is not new["l0/bias"]


# ---------------------------------------------------------------------------------- other widths
NARROW, WIDE = (6, 4, 5, 3), (6, 14, 11, 3)


@pytest.mark.parametrize("sizes", [SIZES, NARROW, (6, 9, 5, 3)])
def test_a_child_of_other_widths_is_near_its_parents_mean(sizes: tuple[int, ...]) -> None:
    parents = (network(1, NARROW), network(2, WIDE))
    first, seen = network(3, sizes), Seen(spec=spec(sizes))
    child = select_for(first, parents, seen)
    assert {name: array.shape for name, array in child.items()} == {
        name: array.shape for name, array in first.items()
    }
    units = {tuple(column) for parent in parents for column in parent["l0/kernel"].T}
    assert {tuple(column) for column in child["l0/kernel"].T} <= units
    aim = np.mean([seen.output(parent) for parent in parents], axis=0)
    error = float(np.mean((seen.output(child) - aim) ** 2))
    assert error < float(np.mean((seen.output(parents[0]) - aim) ** 2))


def test_a_child_wider_than_its_parents_together_keeps_units_of_its_own() -> None:
    parents = (network(1, NARROW), network(2, NARROW))
    first, seen = network(3, WIDE), Seen(spec=spec(WIDE))
    child = select_for(first, parents, seen)
    known = {tuple(column) for parent in parents for column in parent["l0/kernel"].T}
    columns = [tuple(column) for column in child["l0/kernel"].T]
    assert len(known & set(columns)) == 8
    assert columns[8:] == [tuple(column) for column in first["l0/kernel"].T[8:]]


def test_equal_widths_are_a_special_case() -> None:
    parents, seen = (network(1), network(2)), Seen()
    child = select(rng(), Parents(parents, (0.1, 0.2)), seen)
    assert same(child, select_for(parents[0], parents, seen))
