"""Reproduction: every child has healthy parents, and species their fair share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.errors import GeneticsError
from apps.genetics.reproduction import allot, champions, mate, shared_fitness
from apps.genetics.selection import SELECTIONS, merit, rank
from tests.support.genetics import SEEDS

NAN = float("nan")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@st.composite
def populations(draw: st.DrawFn) -> tuple[list[float], list[int]]:
    """Losses, some of them failures but not all, and species."""
    loss = st.one_of(st.floats(-1e3, 1e3), st.sampled_from([NAN, np.inf, 0.1]))
    fitness = draw(st.lists(loss, min_size=1, max_size=10))
    fitness[draw(st.integers(0, len(fitness) - 1))] = draw(st.floats(0, 1))
    size = len(fitness)
    return fitness, draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))


@given(populations())
def test_champions_are_the_best_healthy_members(population):
    fitness, ids = population
    best = champions(fitness, ids)
    assert list(best) == sorted(best)
    for species in set(ids):
        own = [m for m, each in enumerate(ids) if each == species and np.isfinite(fitness[m])]
        assert best.get(species) == min(own, key=lambda m: (fitness[m], m), default=None)


@given(populations(), st.floats(0.1, 10))
def test_shared_fitness_of_a_species_sums_to_its_mean_merit(population, temperature):
    fitness, ids = population
    shared = shared_fitness(fitness, ids, temperature)
    merits = merit(fitness, temperature)
    for species in set(ids):
        own = np.array(ids) == species
        assert shared[own].sum() == pytest.approx(merits[own].mean())


@given(populations(), st.integers(1, 20), st.integers(1, 4), st.booleans())
def test_offspring_sum_to_the_total_and_champions_survive(population, total, minimum, elitism):
    fitness, ids = population
    children = allot(fitness, ids, total, minimum_size=minimum, elitism=elitism)
    best = champions(fitness, ids)
    assert list(children) == sorted(set(ids))
    assert sum(children.values()) == total
    assert all(count >= 0 for count in children.values())
    assert all(count == 0 for species, count in children.items() if species not in best)
    large = {species for species in best if ids.count(species) >= minimum}
    large = {*large, ids[rank(fitness)[0]]} if large else set(best)
    assert all(count == 0 for species, count in children.items() if species not in large)
    if elitism:
        alive = [species for species in large if children[species] > 0]
        assert len(alive) == min(total, len(large))
        ranked = sorted(large, key=lambda species: (fitness[best[species]], species))
        assert sorted(alive) == sorted(ranked[: len(alive)])


def test_offspring_follow_shared_fitness():
    # Equal merits: three species get equal parts, whatever their sizes.
    assert allot([0.1] * 6, [0, 0, 0, 0, 1, 2], 6) == {0: 2, 1: 2, 2: 2}
    fitness = [0.1, 0.2, 0.3]
    children = allot(fitness, [0, 1, 2], 10000)
    expected = merit(fitness) / merit(fitness).sum() * 10000
    assert np.abs(np.array(list(children.values())) - expected).max() <= 1


def test_rounding_is_by_largest_remainder_ties_to_the_lower_id():
    assert allot([0.1] * 3, [0, 1, 2], 5, elitism=False) == {0: 2, 1: 2, 2: 1}


def test_weak_species_keeps_its_champion_only_with_elitism():
    fitness, ids = [0.001, 100.0], [0, 1]
    assert allot(fitness, ids, 4, temperature=0.01) == {0: 3, 1: 1}
    assert allot(fitness, ids, 4, temperature=0.01, elitism=False) == {0: 4, 1: 0}


def test_fewer_children_than_species_go_to_the_best_champions():
    assert allot([0.3, 0.1, 0.2], [0, 1, 2], 2) == {0: 0, 1: 1, 2: 1}


@given(populations(), st.integers(1, 20), st.integers(1, 5), st.floats(0.01, 10), st.floats(0, 1))
def test_with_elitism_a_best_member_goes_on_whatever_is_set(
    population, total, minimum, temperature, between
):
    fitness, ids = population
    children = allot(fitness, ids, total, temperature, minimum)
    matings = mate(np.random.default_rng(0), fitness, ids, children, between=between)
    kept = [fitness[each.parents[0]] for each in matings if each.champion]
    assert min(kept) == fitness[rank(fitness)[0]]


def test_small_species_do_not_breed_unless_one_has_the_best_or_all_are_small():
    assert allot([0.3, 0.1, 0.2], [0, 1, 1], 4, minimum_size=2) == {0: 0, 1: 4}
    assert allot([0.1, 0.2, 0.3, 0.4], [0, 1, 1, 1], 4, minimum_size=2) == {0: 3, 1: 1}
    assert allot([0.1, 0.2, 0.3], [0, 1, 1], 4, minimum_size=3) == {0: 3, 1: 1}
    assert allot([0.1, 0.1, 0.1], [0, 1, 2], 3, minimum_size=2) == {0: 1, 1: 1, 2: 1}


def test_single_member_and_single_species():
    assert allot([0.1], [7], 3) == {7: 3}
    assert allot([0.1, 0.2, NAN], [0, 0, 0], 3) == {0: 3}


def test_all_failed_is_an_error():
    with pytest.raises(GeneticsError, match="parent of finite fitness"):
        allot([NAN, np.inf], [0, 1], 2)
    with pytest.raises(GeneticsError, match="total = 0"):
        allot([0.1], [0], 0)
    with pytest.raises(GeneticsError, match="1 losses and 2 species"):
        allot([0.1], [0, 1], 1)


@pytest.mark.parametrize("name", SELECTIONS)
@given(
    population=populations(),
    seed=SEEDS,
    parents=st.integers(1, 4),
    between=st.sampled_from([0.0, 0.5, 1.0]),
    elitism=st.booleans(),
)
def test_every_child_has_distinct_healthy_parents(
    name, population, seed, parents, between, elitism
):
    fitness, ids = population
    children = allot(fitness, ids, len(fitness), elitism=elitism)
    settings = {"parents": parents, "between": between, "elitism": elitism}
    matings = mate(rng(seed), fitness, ids, children, select=SELECTIONS[name], **settings)
    assert len(matings) == len(fitness)
    healthy = {m for m, loss in enumerate(fitness) if np.isfinite(loss)}
    for species, count in children.items():
        own = [mating for mating in matings if mating.species == species]
        assert len(own) == count
        members = {m for m in healthy if ids[m] == species}
        assert [m.champion for m in own] == ([elitism] + [False] * (count - 1) if own else [])
        for mating in own:
            assert len(set(mating.parents)) == len(mating.parents) >= 1
            assert set(mating.parents) <= healthy
            if mating.champion:
                assert mating.parents == (champions(fitness, ids)[species],)
                continue
            outside = [m for m in mating.parents if m not in members]
            assert outside == [] or outside == [mating.parents[-1]]
            crosses = between == 1 and parents > 1 and healthy > members
            assert len(outside) == crosses or between == 0.5
            # A lone member takes a stranger as its mate; otherwise the number stays.
            wanted = min(parents, len(members))
            assert len(mating.parents) == wanted + (bool(outside) and wanted < parents)
    assert matings == mate(rng(seed), fitness, ids, children, select=SELECTIONS[name], **settings)


def test_mating_between_species_has_its_probability():
    fitness, ids = [0.1] * 8, [0, 0, 0, 0, 1, 1, 1, 1]
    matings = mate(rng(), fitness, ids, {0: 2000, 1: 2000}, between=0.3, elitism=False)
    crosses = [len({ids[parent] for parent in mating.parents}) == 2 for mating in matings]
    assert np.mean(crosses) == pytest.approx(0.3, abs=0.03)


def test_lone_member_is_cloned_or_meets_a_stranger():
    fitness, ids = [0.1, 0.2], [0, 1]
    alone = mate(rng(), fitness, ids, {0: 1, 1: 1}, elitism=False)
    assert [mating.parents for mating in alone] == [(0,), (1,)]
    met = mate(rng(), fitness, ids, {0: 1, 1: 1}, elitism=False, between=1.0)
    assert [mating.parents for mating in met] == [(0, 1), (1, 0)]


def test_settings_of_mating_are_checked():
    with pytest.raises(GeneticsError, match="parents = 0"):
        mate(rng(), [0.1], [0], {0: 1}, parents=0)
    with pytest.raises(GeneticsError, match=r"between = 1\.5"):
        mate(rng(), [0.1], [0], {0: 1}, between=1.5)
    with pytest.raises(GeneticsError, match=r"Species \[1\] should have children"):
        mate(rng(), [0.1, NAN], [0, 1], {0: 1, 1: 1})
