"""Distances: symmetric, zero for equals, and failed members far from all."""

from itertools import permutations as orders

import numpy as np
import pytest
from hypothesis import given, settings

from apps.genetics.distance import (
    DISTANCES,
    Population,
    aligned,
    aligned_distance,
    disagreement,
    raw,
    raw_distance,
)
from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import (
    PermutationSpec,
    Segment,
    permute,
    random_permutations,
)
from apps.genetics.weights import flatten
from tests.support.genetics import SEEDS, dense, dense_spec

SHALLOW, DEEP = (7, 11, 3), (7, 5, 11, 3)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def population(sizes=SHALLOW, count=5, seed=0) -> Population:
    networks = tuple(dense(rng(seed + k), sizes) for k in range(count))
    predictions = tuple(rng(seed + k).random((13, 3)) for k in range(count))
    return Population(networks, dense_spec(networks[0]) if count else None, predictions)


def subset(people: Population, members) -> Population:
    return Population(
        tuple(people.weights[k] for k in members),
        people.spec,
        tuple(people.predictions[k] for k in members),
    )


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("sizes", [SHALLOW, DEEP, (4, 3)])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_matrix_is_symmetric_finite_with_zero_diagonal(name, sizes, count):
    matrix = DISTANCES[name](rng(), population(sizes, count))
    assert matrix.shape == (count, count)
    assert matrix.dtype == np.float64
    assert np.array_equal(matrix, matrix.T)
    assert (np.diag(matrix) == 0).all()
    assert ((matrix >= 0) & (matrix < 1.5)).all()
    assert (matrix[~np.eye(count, dtype=bool)] > 0).all()


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("sizes", [SHALLOW, DEEP, (7, 13, 17, 11, 13, 11, 3)])
def test_a_distance_depends_on_its_two_members_only(name, sizes):
    people, order = population(sizes), [3, 0, 4]
    matrix = DISTANCES[name](rng(), people)
    few = DISTANCES[name](rng(), subset(people, order))
    np.testing.assert_allclose(few, matrix[np.ix_(order, order)], atol=1e-12)


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("sizes", [SHALLOW, DEEP])
def test_distances_to_others_are_those_within_the_union(name, sizes):
    people = population(sizes)
    cross = DISTANCES[name](rng(), subset(people, [0, 1, 2]), subset(people, [3, 1]))
    expected = DISTANCES[name](rng(), people)[:3][:, [3, 1]]
    np.testing.assert_allclose(cross, expected, atol=1e-12)
    assert cross[1, 1] == 0


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("sizes", [SHALLOW, DEEP])
def test_failed_members_are_infinitely_far(name, bad, sizes):
    people = population(sizes, 4)
    people.weights[1]["l0/bias"][0] = bad
    people.predictions[1][2, 0] = bad
    matrix = DISTANCES[name](rng(), people)
    assert np.isinf(matrix[1, [0, 2, 3]]).all()
    assert matrix[1, 1] == 0
    healthy = [0, 2, 3]
    expected = DISTANCES[name](rng(), subset(people, healthy))
    np.testing.assert_allclose(matrix[np.ix_(healthy, healthy)], expected, atol=1e-12)


@pytest.mark.parametrize("name", DISTANCES)
def test_all_failed_are_all_apart(name):
    people = population(SHALLOW, 3)
    for network, predictions in zip(people.weights, people.predictions, strict=True):
        network["l1/bias"][:] = np.nan
        predictions[:] = np.nan
    expected = np.where(np.eye(3, dtype=bool), 0, np.inf)
    assert np.array_equal(DISTANCES[name](rng(), people), expected)


@pytest.mark.parametrize("name", ["raw", "aligned"])
def test_matrix_agrees_with_the_distance_of_pairs(name):
    people = population(SHALLOW, 3)
    pairwise = {
        "raw": raw_distance,
        "aligned": lambda a, b: aligned_distance(rng(), a, b, people.spec),
    }[name]
    matrix = DISTANCES[name](rng(), people)
    for i, a in enumerate(people.weights):
        for j, b in enumerate(people.weights):
            assert matrix[i, j] == pytest.approx(pairwise(a, b), abs=1e-12)


@settings(max_examples=20)
@given(SEEDS)
def test_aligned_distance_is_the_smallest_over_all_permutations(seed):
    a, b = (dense(rng(seed + k), (3, 4, 2), np.float64) for k in range(2))
    spec = dense_spec(a)
    best = min(raw_distance(a, permute(b, spec, {"l0": np.array(p)})) for p in orders(range(4)))
    assert aligned(rng(), Population((a, b), spec))[0, 1] == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("sizes", [SHALLOW, DEEP])
@pytest.mark.parametrize("seed", range(3))
def test_permuted_copies_are_the_same_member(sizes, seed):
    network = dense(rng(), sizes)
    spec = dense_spec(network)
    copy = permute(network, spec, random_permutations(rng(seed), spec))
    assert aligned(rng(), Population((network, copy), spec))[0, 1] == 0
    assert raw_distance(network, copy) > 0.1


@pytest.mark.parametrize("sizes", [SHALLOW, DEEP])
def test_aligned_is_never_above_raw(sizes):
    people = population(sizes)
    assert (aligned(rng(), people) <= raw(rng(), people) + 1e-12).all()


def test_relatives_are_closer_than_strangers():
    network = dense(rng(), DEEP)
    near = {n: a + 0.01 * rng(1).normal(size=a.shape) for n, a in network.items()}
    people = Population((network, near, dense(rng(9), DEEP)), dense_spec(network))
    for name in ("raw", "aligned"):
        matrix = DISTANCES[name](rng(), people)
        assert matrix[0, 1] < 0.02 < 0.5 < matrix[0, 2]


def test_fixed_parts_of_a_grouped_axis_count_once():
    axis = (Segment(2), Segment(3, "h", outer=2), Segment(1))
    spec = PermutationSpec({"kernel": (axis, ()), "bias": ((Segment(3, "h"),),), "end": ()})
    networks = tuple(
        {
            "kernel": rng(k).normal(size=(9, 2)),
            "bias": rng(k + 9).normal(size=3),
            "end": np.array(float(k)),
        }
        for k in (1, 2)
    )
    best = min(
        raw_distance(networks[0], permute(networks[1], spec, {"h": np.array(p)}))
        for p in orders(range(3))
    )
    assert aligned(rng(), Population(networks, spec))[0, 1] == pytest.approx(best)


def test_running_statistics_do_not_count():
    people = population(SHALLOW, 2)
    spec = PermutationSpec({**people.spec.axes, "variance": ((),)}, frozenset({"variance"}))
    more = tuple({**w, "variance": np.full(4, 1e6 * k)} for k, w in enumerate(people.weights))
    for name in ("raw", "aligned"):
        expected = DISTANCES[name](rng(), people)
        np.testing.assert_allclose(DISTANCES[name](rng(), Population(more, spec)), expected)


def test_raw_follows_its_formula():
    a, b = dense(rng(0)), dense(rng(1))
    va, vb = flatten(a), flatten(b)
    expected = np.linalg.norm(va - vb) / np.sqrt(va @ va + vb @ vb)
    assert raw_distance(a, b) == pytest.approx(expected)
    assert raw_distance(a, {n: -x for n, x in a.items()}) == pytest.approx(np.sqrt(2))


def test_two_zero_networks_are_equal():
    zero = {n: np.zeros_like(x) for n, x in dense(rng()).items()}
    people = Population((zero, zero), dense_spec(zero))
    for name in ("raw", "aligned"):
        assert (DISTANCES[name](rng(), people) == 0).all()


@pytest.mark.parametrize("name", ["raw", "aligned"])
def test_no_others_give_an_empty_matrix(name):
    people = population(SHALLOW, 3)
    assert DISTANCES[name](rng(), people, Population()).shape == (3, 0)


def test_disagreement_is_the_share_of_samples_labelled_differently():
    scores = np.eye(3)[[0, 1, 2, 2]]
    other = np.eye(3)[[0, 2, 2, 1]]
    assert disagreement(rng(), Population(predictions=(scores, other)))[0, 1] == 0.5
    labels = Population(predictions=(np.array([0, 1, 2, 2]),))
    shares = disagreement(rng(), labels, Population(predictions=(np.array([0, 2, 2, 1]),)))
    assert shares.tolist() == [[0.5]]


@pytest.mark.parametrize("shape", [(3, 1), (0, 2), (2, 2, 2), ()])
def test_predictions_that_cannot_be_compared_are_refused(shape):
    with pytest.raises(GeneticsError, match="Predictions must be"):
        disagreement(rng(), Population(predictions=(np.zeros(shape),)))
    with pytest.raises(GeneticsError, match="Predictions must be"):
        disagreement(rng(), Population(predictions=(np.zeros((3, 2)), np.zeros(3))))


def test_missing_parts_are_named():
    people = population(SHALLOW, 2)
    with pytest.raises(GeneticsError, match="needs the permutation spec"):
        aligned(rng(), Population(people.weights))
    with pytest.raises(GeneticsError, match="compares predictions, received none"):
        disagreement(rng(), Population(people.weights))
    with pytest.raises(GeneticsError, match="At least one network"):
        raw(rng(), Population())
    with pytest.raises(GeneticsError, match="one architecture"):
        raw(rng(), people, population(DEEP, 1))
