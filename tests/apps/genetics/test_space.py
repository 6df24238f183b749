"""The search space: every genome is of the space, seeded, and dependencies follow."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from apps.genetics import domains
from apps.genetics.compatibility import distances
from apps.genetics.domains import Choice, Float, Integer
from apps.genetics.errors import GeneticsError
from apps.genetics.genes import Gene, Space, check
from apps.genetics.space import (
    architecture,
    cross,
    mutate,
    sample,
)
from tests.support.any_space import BOTH, everything, plain, points, spaces
from tests.support.genetics import SEEDS
from tests.support.spaces import GENOME, SPACE, one


def distance(space, a, b, *targets, **more) -> float:
    return float(distances(space, [a], [b], *targets, **more)[0, 0])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------- genomes of any space
@given(spaces(), SEEDS)
def test_samples_are_genomes_of_plain_values_and_seeded(space, seed):
    genome = sample(rng(seed), space)
    check(space, genome)
    assert list(genome) == [gene.name for gene in space.genes if gene.name in genome]
    assert all(plain(value) for value in genome.values())
    assert json.loads(json.dumps(genome)) == genome
    assert sample(rng(seed), space) == genome


@given(spaces(), SEEDS, st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([1e-15, 0.1, 1.0]))
def test_mutants_are_genomes_that_differ(space, seed, rate, scale):
    parent = sample(rng(seed), space)
    before = json.dumps(parent)
    child = mutate(rng(seed + 1), space, parent, rate, scale)
    check(space, child)
    assert all(plain(value) for value in child.values())
    assert list(child) == [gene.name for gene in space.genes if gene.name in child]
    active = [gene.domain for gene in space.genes if gene.name in parent]
    assert (child != parent) == any(domains.points(each) > 1 for each in active)
    assert json.dumps(parent) == before
    assert not any(child[n] is parent[n] for n in child if type(child[n]) is list and n in parent)
    assert mutate(rng(seed + 1), space, parent, rate, scale) == child


@given(spaces(), SEEDS, st.integers(1, 4))
def test_crossed_genomes_are_genomes_of_their_parents_values(space, seed, count):
    parents = [sample(rng(seed + k), space) for k in range(count)]
    before = json.dumps(parents)
    child = cross(rng(seed), space, parents)
    check(space, child)
    assert all(plain(value) for value in child.values())
    for gene in space.genes:
        donors = [parent[gene.name] for parent in parents if gene.name in parent]
        if gene.name in child and donors:
            if gene.per is None:
                assert child[gene.name] in donors
            else:
                assert set(child[gene.name]) <= {value for each in donors for value in each}
    assert json.dumps(parents) == before
    assert cross(rng(seed), space, parents) == child


@given(spaces(), SEEDS, st.integers(1, 3))
def test_equal_parents_have_their_like(space, seed, count):
    parent = sample(rng(seed), space)
    child = cross(rng(), space, [parent] * count)
    assert child == parent
    assert not any(child[name] is parent[name] for name in child if type(child[name]) is list)


@given(spaces(), SEEDS)
def test_distance_is_symmetric_within_the_unit_and_zero_for_equals_only(space, seed):
    a, b = sample(rng(seed), space), sample(rng(seed + 1), space)
    near = mutate(rng(seed), space, a, scale=1e-15)
    for other in (b, near):
        apart = distance(space, a, other, BOTH)
        assert type(apart) is float
        assert 0 <= apart <= 1
        assert apart == distance(space, other, a, BOTH)
        assert (apart == 0) == (a == other)
    assert distance(space, a, a) == 0


@given(spaces(), SEEDS)
def test_nothing_depends_on_the_order_of_a_dict(space, seed):
    parents = [sample(rng(seed + k), space) for k in range(2)]
    turned = [dict(reversed(parent.items())) for parent in parents]
    assert mutate(rng(seed), space, parents[0], 0.5) == mutate(rng(seed), space, turned[0], 0.5)
    assert cross(rng(seed), space, parents) == cross(rng(seed), space, turned)
    assert distance(space, *parents) == distance(space, *turned)
    assert list(architecture(space, parents[0])) == list(architecture(space, turned[0]))


@given(spaces(), SEEDS)
def test_architecture_is_the_structural_part(space, seed):
    genome = sample(rng(seed), space)
    part = architecture(space, genome)
    assert part.items() <= genome.items()
    for gene in space.genes:
        structural = gene.target == "network" and not isinstance(gene.domain, Float)
        assert (gene.name in part) == (structural and gene.name in genome)


def test_a_space_without_genes():
    space = Space(())
    assert sample(rng(), space) == mutate(rng(), space, {}) == cross(rng(), space, [{}]) == {}
    assert distance(space, {}, {}) == 0


# ------------------------------------------------------------------------------------- sampling
def test_every_genome_is_sampled_and_reached_by_mutations():
    space = Space(
        (
            Gene("n", Integer(1, 2)),
            Gene("list", Choice(("a", "b")), per="n"),
            Gene("switch", Choice((False, True))),
            Gene("rest", Integer(4, 8, step=2), when={"switch": (True,), "n": (2,)}),
        )
    )
    every = {json.dumps(genome) for genome in everything(space)}
    draw = rng()
    assert {json.dumps(sample(draw, space)) for _ in range(1000)} == every
    seen, genome = set(), sample(draw, space)
    for _ in range(1000):
        genome = mutate(draw, space, genome)
        seen.add(json.dumps(genome))
    assert seen == every


def test_floats_are_uniform_and_log_uniform():
    draw = rng()
    linear = [sample(draw, one(Float(-1, 3)))["g"] for _ in range(2000)]
    assert stats.kstest(linear, stats.uniform(-1, 4).cdf).pvalue > 0.01
    rates = [sample(draw, one(Float(1e-5, 1e-1, log=True)))["g"] for _ in range(2000)]
    assert stats.kstest(rates, stats.loguniform(1e-5, 1e-1).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    "domain", [Integer(1, 40, log=True), Integer(2, 34, log=True, step=4), Integer(-6, 6, step=3)]
)
def test_integers_follow_their_distribution(domain):
    values = np.array(points(domain))
    draw = rng()
    counts = Counter(sample(draw, one(domain))["g"] for _ in range(5000))
    shares = np.log1p(domain.step / values) if domain.log else np.ones(len(values))
    expected = 5000 * shares / shares.sum()
    assert stats.chisquare([counts[v] for v in values.tolist()], expected).pvalue > 0.01


def test_elements_of_a_list_are_drawn_by_themselves():
    space = Space((Gene("n", Integer(5, 5)), Gene("list", Integer(0, 10**6), per="n")))
    assert len(set(sample(rng(), space)["list"])) == 5


def test_floats_have_few_digits_so_that_machines_agree():
    value = sample(rng(), one(Float(1e-5, 1e-1, log=True)))["g"]
    assert value == float(f"{value:.12g}")


# ------------------------------------------------------------------------------------- mutation
@given(SEEDS)
def test_at_rate_zero_one_place_changes(seed):
    child = mutate(rng(seed), SPACE, GENOME)
    changed = {name for name in GENOME if name in child and child[name] != GENOME[name]}
    if child["layers"] != 2:
        assert changed == {"layers", "units"}
        assert child["units"] == {1: [64], 3: [64, 32, 32]}[child["layers"]]
    else:
        assert len(changed) == 1
        pairs = zip(child["units"], GENOME["units"], strict=True)
        assert sum(a != b for a, b in pairs) == ("units" in changed)
    assert ("pool" in child) == (child["pooling"] != "none")


def test_at_rate_one_every_place_changes():
    domains = [Choice((1, 2, 3)), Choice((1, 2, 3), ordered=True), Integer(1, 9), Float(0, 1)]
    space = Space(tuple(Gene(f"g{number}", domain) for number, domain in enumerate(domains)))
    for seed in range(50):
        parent = sample(rng(seed), space)
        child = mutate(rng(seed + 1), space, parent, rate=1.0)
        assert all(child[name] != parent[name] for name in parent)


def test_rate_is_the_probability_of_a_change():
    space = Space((Gene("n", Integer(100, 100)), Gene("list", Integer(0, 9), per="n")))
    parent, draw = sample(rng(1), space), rng()
    children = [mutate(draw, space, parent, rate=0.3)["list"] for _ in range(50)]
    changed = np.array(children) != np.array(parent["list"])
    assert changed.mean() == pytest.approx(0.3, abs=0.02)


def test_copies_of_a_grown_list_are_mutated_with_the_rate():
    space = Space((Gene("n", Integer(1, 2)), Gene("list", Integer(0, 1000), per="n")))
    children = [mutate(rng(s), space, {"n": 1, "list": [500]}, rate=1.0) for s in range(20)]
    assert all(child["n"] == 2 and child["list"][0] != child["list"][1] for child in children)
    assert all(child["list"][0] != 500 for child in children)


def test_a_list_of_a_single_value_grows():
    space = Space((Gene("n", Integer(1, 2)), Gene("list", Choice(("a",)), per="n")))
    child = mutate(rng(), space, {"n": 1, "list": ["a"]}, rate=1.0)
    assert child == {"n": 2, "list": ["a", "a"]}


def test_scale_is_the_noise_in_units_of_the_range():
    draw = rng()
    linear = [mutate(draw, one(Float(0, 10)), {"g": 5.0}, scale=0.05)["g"] for _ in range(2000)]
    assert np.std(linear) == pytest.approx(0.5, rel=0.1)
    space = one(Float(1e-4, 1e-2, log=True))
    rates = [mutate(draw, space, {"g": 1e-3}, scale=0.05)["g"] for _ in range(2000)]
    assert np.std(np.log10(rates)) == pytest.approx(0.1, rel=0.1)


def test_numbers_are_reflected_at_the_ends():
    draw = rng()
    values = [mutate(draw, one(Float(0, 1)), {"g": 0.0}, scale=0.1)["g"] for _ in range(2000)]
    assert np.mean(values) == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.1)
    assert 0.0 not in values


def test_ordered_choices_move_to_neighbours_and_others_anywhere():
    values = ("a", "b", "c", "d")
    for ordered, expected in [(True, {"b": "ac", "a": "b", "d": "c"}), (False, {"b": "acd"})]:
        space = one(Choice(values, ordered))
        for start, ends in expected.items():
            reached = {mutate(rng(s), space, {"g": start})["g"] for s in range(60)}
            assert reached == set(ends)


@pytest.mark.parametrize("start", [16, 48, 64])
def test_integers_that_round_to_themselves_move_one_step(start):
    space = one(Integer(16, 64, step=16))
    reached = {mutate(rng(s), space, {"g": start}, scale=1e-9)["g"] for s in range(30)}
    assert reached == {16: {32}, 48: {32, 64}, 64: {48}}[start]


def test_genes_with_a_single_value_are_never_the_one_that_changes():
    space = Space((Gene("a", Choice((1,))), Gene("b", Integer(3, 3)), Gene("c", Choice((1, 2)))))
    for seed in range(20):
        assert mutate(rng(seed), space, {"a": 1, "b": 3, "c": 1})["c"] == 2


def test_genes_become_active_and_inactive():
    off = {name: value for name, value in GENOME.items() if name != "pool"} | {"pooling": "none"}
    children = [mutate(rng(seed), SPACE, off) for seed in range(200)]
    on = [child for child in children if child["pooling"] != "none"]
    assert {child["pool"] for child in on} == {2, 3, 5}
    back = [mutate(rng(seed), SPACE, GENOME) for seed in range(200)]
    assert any("pool" not in child for child in back)


# ------------------------------------------------------------------------------------ crossover
def test_lists_of_different_length_cross_by_position():
    space = Space((Gene("n", Integer(1, 3)), Gene("list", Integer(0, 99), per="n")))
    parents = [{"n": 1, "list": [10]}, {"n": 3, "list": [20, 21, 22]}]
    children = [cross(rng(seed), space, parents) for seed in range(100)]
    assert {tuple(child["list"]) for child in children} == {
        (10,),
        (20,),
        (10, 21, 22),
        (20, 21, 22),
    }


def test_every_parent_gives_its_share():
    parents = [{"g": number} for number in range(4)]
    draw = rng()
    counts = Counter(cross(draw, one(Integer(0, 3)), parents)["g"] for _ in range(2000))
    assert stats.chisquare([counts[number] for number in range(4)]).pvalue > 0.01


def test_an_active_gene_comes_from_a_parent_that_has_it():
    space = Space((Gene("on", Choice((0, 1))), Gene("g", Integer(0, 10**9), when={"on": (1,)})))
    parents = [{"on": 0}, {"on": 1, "g": 7}, {"on": 0}]
    children = [cross(rng(seed), space, parents) for seed in range(40)]
    assert {json.dumps(child) for child in children} == {'{"on": 0}', '{"on": 1, "g": 7}'}


def test_a_gene_that_no_parent_has_is_sampled():
    gates = {"a": (1,), "b": (1,)}
    space = Space(
        (
            Gene("a", Choice((0, 1))),
            Gene("b", Choice((0, 1))),
            Gene("g", Integer(0, 9), when=gates),
        )
    )
    children = [cross(rng(s), space, [{"a": 0, "b": 1}, {"a": 1, "b": 0}]) for s in range(200)]
    assert {child["g"] for child in children if "g" in child} == set(range(10))


def test_a_list_too_short_for_its_new_length_repeats_its_last_element():
    space = Space(
        (
            Gene("on", Choice((0, 1))),
            Gene("n", Integer(1, 3)),
            Gene("list", Integer(0, 99), per="n", when={"on": (1,)}),
        )
    )
    parents = [{"on": 1, "n": 1, "list": [5]}, {"on": 0, "n": 3}]
    children = [cross(rng(seed), space, parents) for seed in range(60)]
    assert {"on": 1, "n": 3, "list": [5, 5, 5]} in children


def test_a_child_has_a_parent():
    with pytest.raises(GeneticsError, match="at least one parent"):
        cross(rng(), SPACE, [])


# --------------------------------------------------------------------------- structure and size
def test_structure_is_what_the_user_says():
    space = Space(
        (
            Gene("activation", Choice(("relu", "elu")), structural=False),
            Gene("share", Float(0, 1), structural=True),
            Gene("units", Integer(1, 9)),
        )
    )
    genome = {"activation": "relu", "share": 0.5, "units": 3}
    assert architecture(space, genome) == {"share": 0.5, "units": 3}
    assert architecture(SPACE, GENOME) == {
        "layers": 2,
        "units": [64, 32],
        "pooling": "max",
        "pool": 3,
    }
    assert architecture(SPACE, GENOME)["units"] is not GENOME["units"]


# -------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize("call", [mutate, lambda r, s, g: cross(r, s, [GENOME, g]), None])
def test_every_function_checks_its_genomes(call):
    wrong = GENOME | {"layers": 9}
    calls = [lambda: call(rng(), SPACE, wrong)] if call else []
    if call is None:
        calls = [
            lambda: distance(SPACE, wrong, GENOME),
            lambda: distance(SPACE, GENOME, wrong),
            lambda: architecture(SPACE, wrong),
        ]
    for each in calls:
        with pytest.raises(GeneticsError, match="Gene 'layers' must be"):
            each()


@pytest.mark.parametrize(
    "settings", [{"rate": -0.1}, {"rate": 1.1}, {"rate": math.nan}, {"scale": 0}, {"scale": 2}]
)
def test_rate_and_scale_are_checked(settings):
    with pytest.raises(GeneticsError, match="rate must be within"):
        mutate(rng(), SPACE, GENOME, **settings)
