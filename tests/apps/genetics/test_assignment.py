"""The assignment problem of weight matching, against all permutations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from apps.genetics.assignment import MatchingProblem, assign, group_terms, is_coupled, unit_rows
from apps.genetics.permutation import PermutationSpec, Segment, permute, random_permutations

UNITS = (Segment(4, "h"),)
LATER = (Segment(3, "k"),)
SPEC = PermutationSpec(
    {"in": ((), UNITS), "bias": (UNITS,), "mean": (UNITS,), "out": (UNITS, LATER)},
    frozenset({"mean"}),
)


def network(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {"in": (2, 4), "bias": (4,), "mean": (4,), "out": (4, 3)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("size", [0, 1, 5])
def test_an_assignment_has_the_largest_sum(size: int) -> None:
    scores = np.random.default_rng(size).normal(size=(size, size))
    found = assign(scores)
    assert sorted(found) == list(range(size))
    every = itertools.permutations(range(size))
    best = max(sum(scores[row, column] for row, column in enumerate(each)) for each in every)
    assert scores[np.arange(size), found].sum() == pytest.approx(best)


def test_a_group_acts_where_its_units_lie_but_on_no_statistics() -> None:
    terms = group_terms(network(0), SPEC)
    assert [(term.name, term.axis) for term in terms["h"]] == [("in", 1), ("bias", 0), ("out", 0)]
    assert [(term.name, term.joined) for term in terms["k"]] == [("out", frozenset("h"))]
    assert is_coupled(terms)


def test_whole_numbers_have_no_part() -> None:
    counted = network(0) | {"bias": np.arange(4)}
    assert "bias" not in {term.name for term in group_terms(counted, SPEC)["h"]}


def test_rows_of_units_are_their_weights_wherever_the_axis_lies() -> None:
    weights = network(0)
    terms = {term.name: term for term in group_terms(weights, SPEC)["h"]}
    np.testing.assert_array_equal(unit_rows(weights["in"], terms["in"]), weights["in"].T)
    np.testing.assert_array_equal(unit_rows(weights["out"], terms["out"]), weights["out"])
    np.testing.assert_array_equal(
        unit_rows(weights["bias"], terms["bias"]), weights["bias"][:, None]
    )


def test_the_objective_of_a_permuted_copy_reaches_its_bound() -> None:
    weights = network(1)
    drawn = random_permutations(np.random.default_rng(2), SPEC)
    problem = MatchingProblem.of(weights, permute(weights, SPEC, drawn), SPEC)
    found = problem.descend(np.random.default_rng(3), problem.greedy())
    assert problem.objective(found) == pytest.approx(problem.bound)
    assert problem.objective(drawn) < problem.bound


def test_no_start_is_made_worse_and_none_is_changed() -> None:
    problem = MatchingProblem.of(network(1), network(2), SPEC)
    every = [
        problem.objective({"h": np.array(h), "k": np.array(k)})
        for h in itertools.permutations(range(4))
        for k in itertools.permutations(range(3))
    ]
    for seed in range(5):
        start = random_permutations(np.random.default_rng(seed), SPEC)
        kept = {name: order.copy() for name, order in start.items()}
        found = problem.descend(np.random.default_rng(seed), start)
        assert all(np.array_equal(start[name], kept[name]) for name in start)
        assert problem.objective(start) <= problem.objective(found) + problem.tolerance
        assert problem.objective(found) <= max(every) + problem.tolerance


def test_an_order_of_groups_may_be_given() -> None:
    problem = MatchingProblem.of(network(1), network(2), SPEC)
    for order in ([0, 1], [1, 0]):
        assert list(problem.greedy(order)) == ["h", "k"]
