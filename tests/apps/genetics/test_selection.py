"""Selection: failed members never become parents, better members do more often."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.errors import GeneticsError
from apps.genetics.selection import SELECTIONS, log_merit, merit, proportional, rank, tournament
from tests.support.genetics import SEEDS

LOSSES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12)
FAILED = [float("nan"), float("inf"), float("-inf")]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(LOSSES)
def test_rank_orders_finite_members_and_puts_failed_ones_last(fitness):
    order = rank(fitness)
    assert sorted(order) == list(range(len(fitness)))
    finite = [m for m in order if np.isfinite(fitness[m])]
    assert list(order[: len(finite)]) == finite
    assert finite == sorted(finite, key=lambda m: (fitness[m], m))
    assert list(order[len(finite) :]) == sorted(order[len(finite) :])


def test_minus_infinity_is_a_failure_not_the_best():
    assert rank([float("-inf"), 1.0]) == (1, 0)


@pytest.mark.parametrize("name", SELECTIONS)
@given(fitness=LOSSES, seed=SEEDS, data=st.data())
def test_selects_distinct_finite_members(name, fitness, seed, data):
    finite = [m for m, loss in enumerate(fitness) if np.isfinite(loss)]
    if not finite:
        return
    count = data.draw(st.integers(1, len(finite)))
    chosen = SELECTIONS[name](rng(seed), fitness, count)
    assert len(chosen) == len(set(chosen)) == count
    assert set(chosen) <= set(finite)
    assert all(type(member) is int for member in chosen)


@pytest.mark.parametrize("name", SELECTIONS)
def test_same_generator_gives_same_parents(name):
    fitness = [0.3, 0.1, 0.4, 0.15, 0.9]
    assert SELECTIONS[name](rng(5), fitness, 3) == SELECTIONS[name](rng(5), fitness, 3)


@pytest.mark.parametrize("name", SELECTIONS)
@pytest.mark.parametrize("failed", FAILED)
def test_too_few_finite_members_is_an_error(name, failed):
    with pytest.raises(GeneticsError, match=r"2 members with a finite fitness are needed.*1 of 3"):
        SELECTIONS[name](rng(), [failed, 0.5, failed], 2)
    with pytest.raises(GeneticsError, match="finite"):
        SELECTIONS[name](rng(), [], 1)


@pytest.mark.parametrize("name", SELECTIONS)
def test_selecting_nobody_is_an_error(name):
    with pytest.raises(GeneticsError, match="count = 0"):
        SELECTIONS[name](rng(), [0.1], 0)


@pytest.mark.parametrize("name", SELECTIONS)
def test_single_member_is_its_own_parent(name):
    assert SELECTIONS[name](rng(), [0.1], 1) == (0,)


@pytest.mark.parametrize("name", ["tournament", "proportional"])
def test_with_replacement_one_member_is_enough(name):
    chosen = SELECTIONS[name](rng(), [float("nan"), 0.5], 3, replace=True)
    assert chosen == (1, 1, 1)


def test_truncation_takes_the_best_ties_by_number():
    assert SELECTIONS["truncation"](rng(), [0.2, 0.1, 0.2, 0.1], 3) == (1, 3, 0)


def test_tournament_of_everybody_is_truncation():
    fitness = [0.3, 0.1, float("nan"), 0.2]
    assert tournament(rng(), fitness, 3, size=4) == (1, 3, 0)


def test_tournament_of_one_is_uniform():
    counts = np.bincount(tournament(rng(), [1.0, 2.0, 3.0], 6000, size=1, replace=True))
    np.testing.assert_allclose(counts / 6000, 1 / 3, atol=0.03)


def test_tournament_of_two_follows_its_law():
    # Of 3 members the best wins unless the draw is of the other two; the worst never wins.
    counts = np.bincount(
        tournament(rng(), [1.0, 2.0, 3.0], 6000, size=2, replace=True), minlength=3
    )
    np.testing.assert_allclose(counts / 6000, [2 / 3, 1 / 3, 0], atol=0.03)


def test_tournament_without_contestants_is_an_error():
    with pytest.raises(GeneticsError, match="size >= 1"):
        tournament(rng(), [0.1], 1, size=0)


@pytest.mark.parametrize("replace", [False, True])
def test_proportional_follows_merit(replace):
    fitness = [0.1, 0.2, float("nan"), 0.4]
    generator = rng()
    drawn = [proportional(generator, fitness, 1, replace=replace)[0] for _ in range(6000)]
    share = merit(fitness) / merit(fitness).sum()
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 6000, share, atol=0.03)


def test_proportional_at_a_low_temperature_is_truncation():
    fitness = [0.5, 0.1, 0.3, float("inf"), 0.2]
    assert proportional(rng(), fitness, 4, temperature=1e-300) == (1, 4, 2, 0)


@given(LOSSES, st.floats(0.01, 100))
def test_merit_is_monotone_bounded_and_zero_for_the_failed(fitness, temperature):
    merits = merit(fitness, temperature)
    finite = np.isfinite(np.array(fitness, float).reshape(-1))
    assert merits.shape == (len(fitness),)
    assert ((merits >= 0) & (merits <= 1)).all()
    assert (merits[~finite] == 0).all()
    ordered = [merits[m] for m in rank(fitness) if np.isfinite(fitness[m])]
    assert ordered == sorted(ordered, reverse=True)
    if finite.any():
        assert ordered[0] == 1


def test_merit_follows_its_formula_and_does_not_change_with_the_scale():
    fitness = np.array([0.4, 0.1, 0.2])
    np.testing.assert_allclose(merit(fitness), np.exp(-(fitness - 0.1) / 0.2))
    np.testing.assert_allclose(merit(fitness * 1e6), merit(fitness))
    np.testing.assert_allclose(merit(-fitness), np.exp(-(0.4 - fitness) / 0.2))


def test_nearly_diverged_member_does_not_level_the_others():
    assert merit([0.1, 0.2, 1e9])[1] < 0.7


@pytest.mark.parametrize("fitness", [[1e308, -1.7e308, 1e308], [5e-324, 1e-323, 0.0]])
def test_merit_of_the_largest_and_smallest_numbers(fitness):
    merits = merit(fitness)
    assert merits[fitness.index(min(fitness))] == 1
    assert ((merits >= 0) & (merits <= 1)).all()


def test_zero_losses_share_all_merit():
    assert merit([0.0, 0.0, 0.0, 3.0]).tolist() == [1, 1, 1, 0]
    assert log_merit([0.0, 0.0, 3.0]).tolist() == [0, 0, -np.inf]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(GeneticsError, match="temperature must be positive"):
        merit([0.1], temperature)
