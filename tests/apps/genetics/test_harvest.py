"""Harvest: the greedy soup is never worse than its first member."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.crossover import CROSSOVERS, Parents
from apps.genetics.errors import GeneticsError
from apps.genetics.harvest import greedy_soup, uniform_soup
from apps.genetics.weights import copy
from tests.support.genetics import dense, families, same

NAN = float("nan")


def points(*values: float) -> list[dict[str, np.ndarray]]:
    return [{"x": np.array([value], float)} for value in values]


def bowl(weights) -> float:
    return float(weights["x"][0] ** 2)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_greedy_soup_is_the_mean_of_its_members_and_falls(values):
    networks = points(*values)
    fitness = [bowl(network) for network in networks]
    soup = greedy_soup(networks, fitness, bowl)
    assert soup.members[0] == min(range(len(values)), key=lambda m: (fitness[m], m))
    np.testing.assert_allclose(soup.weights["x"], np.mean([values[m] for m in soup.members]))
    assert soup.loss == bowl(soup.weights) <= min(fitness)
    assert sorted(member for member, _ in soup.trials) == list(range(len(values)))
    kept = [loss for member, loss in soup.trials if member in soup.members]
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == len(kept)


def test_member_that_does_not_help_is_passed_over_not_the_end():
    soup = greedy_soup(points(2, 3, -1), [1, 2, 3], bowl)
    assert soup.members == (0, 2)
    assert soup.trials == ((0, 4.0), (1, 6.25), (2, 0.25))


def test_equal_loss_adds_nobody():
    assert greedy_soup(points(2, 2, 2), [1, 2, 3], bowl).members == (0,)


def test_failed_members_are_not_tried():
    tried = []

    def evaluate(weights):
        tried.append(float(weights["x"][0]))
        return bowl(weights)

    soup = greedy_soup(points(NAN, 2, -2, np.inf), [NAN, 1, 2, np.inf], evaluate)
    assert soup.members == (1, 2)
    assert tried == [2.0, 0.0]


def test_loss_that_is_not_finite_never_enters():
    losses = iter([NAN, 3.0, float("-inf"), 2.0])
    soup = greedy_soup(points(1, 2, 3, 4), [1, 2, 3, 4], lambda _: next(losses))
    assert soup.members == (1, 3)
    assert soup.weights["x"] == 3.0
    with pytest.raises(GeneticsError, match="finite validation loss"):
        greedy_soup(points(1, 2), [1, 2], lambda _: NAN)


@given(families())
def test_uniform_soup_agrees_with_the_mean_crossover(family):
    fitness = tuple(range(len(family)))
    before = [copy(network) for network in family]
    soup = uniform_soup(family, fitness)
    child = CROSSOVERS["mean"](np.random.default_rng(0), Parents(tuple(family), fitness))
    assert soup.members == fitness
    for name in child:
        largest = np.max([np.abs(network[name]) for network in family], axis=0, initial=0)
        assert (np.abs(soup.weights[name] - child[name]) <= 1e-6 * largest).all()
        assert soup.weights[name].dtype == child[name].dtype
    assert soup.weights["steps"].tolist() == [0, 7]
    assert all(same(a, b) for a, b in zip(family, before, strict=True))


def test_uniform_soup_leaves_failed_members_out():
    soup = uniform_soup(points(NAN, 1, 3), [NAN, 0.2, 0.1])
    assert soup.members == (2, 1)
    assert soup.weights["x"] == 2.0
    assert soup.loss is None


def test_soup_of_one_is_that_network_in_its_own_dtypes():
    network = {**dense(np.random.default_rng(0)), "steps": np.array(3)}
    assert same(uniform_soup([network], [0.1]).weights, network)
    assert same(greedy_soup([network], [0.1], lambda _: 1.0).weights, network)


@pytest.mark.parametrize("harvest", [uniform_soup, lambda n, f: greedy_soup(n, f, bowl)])
def test_arguments_are_checked(harvest):
    with pytest.raises(GeneticsError, match="member of finite fitness"):
        harvest(points(1, 2), [NAN, np.inf])
    with pytest.raises(GeneticsError, match="2 networks and 1 losses"):
        harvest(points(1, 2), [0.1])
    with pytest.raises(GeneticsError, match="At least one network"):
        harvest([], [])
    with pytest.raises(GeneticsError, match="one architecture"):
        harvest([*points(1), {"y": np.zeros(1)}], [0.1, 0.2])
