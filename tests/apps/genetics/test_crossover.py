"""Crossovers: the rules that every registered operator keeps, and each one's own."""

import dataclasses
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.genetics.crossover import CROSSOVERS, Parents, blend, slerp, weighted_mean
from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import PermutationSpec, Segment
from apps.genetics.selection import merit
from apps.genetics.weights import copy
from tests.support.genetics import SEEDS, dense, dense_spec, families, same

PARENTS_VALUES = ["random", "unit", "layer"]
BETWEEN = ["mean", "weighted_mean"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def family_spec(network) -> PermutationSpec:
    units = (Segment(network["h/bias"].size, "h"),)
    axes = {"h/kernel": ((), units), "h/bias": (units,), "o/kernel": (units, ()), "o/bias": ()}
    return PermutationSpec({**axes, "steps": ((),)})


def make(networks) -> Parents:
    fitness = tuple(0.1 * (k + 1) for k in range(len(networks)))
    return Parents(tuple(networks), fitness)


def cross(name, generator, parents: Parents, spec: PermutationSpec | None = None):
    """Cross as a merge does: an operator that asks for the symmetries gets them."""
    operator, first = CROSSOVERS[name], parents.weights[0]
    if "spec" not in inspect.signature(operator).parameters:
        return operator(generator, parents)
    derived = family_spec if "h/bias" in first else dense_spec
    return operator(generator, parents, derived(first) if spec is None else spec)


@pytest.mark.parametrize("name", CROSSOVERS)
@given(family=families(), seed=SEEDS)
def test_child_is_alike_seeded_and_the_parents_untouched(name, family, seed):
    before = [copy(network) for network in family]
    child = cross(name, rng(seed), make(family))
    assert all(same(a, b) for a, b in zip(family, before, strict=True))
    assert list(child) == list(family[0])
    for array in family[0]:
        assert child[array].shape == family[0][array].shape
        assert child[array].dtype == family[0][array].dtype
        assert type(child[array]) is np.ndarray
        assert not any(np.shares_memory(child[array], network[array]) for network in family)
    assert child["steps"].tolist() == [0, 7]
    assert same(child, cross(name, rng(seed), make(family)))


@pytest.mark.parametrize("name", CROSSOVERS)
@given(family=families(max_count=1), seed=SEEDS, loss=st.floats())
def test_one_parent_is_given_back(name, family, seed, loss):
    child = cross(name, rng(seed), Parents((family[0],), (loss,)))
    assert same(child, family[0])


@pytest.mark.parametrize("name", CROSSOVERS)
@given(family=families(max_count=1), seed=SEEDS, count=st.integers(2, 4))
def test_equal_parents_give_themselves(name, family, seed, count):
    child = cross(name, rng(seed), make(family * count))
    for array in child:
        np.testing.assert_allclose(child[array], family[0][array], rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("name", PARENTS_VALUES)
@given(family=families(), seed=SEEDS)
def test_every_value_is_a_parents_at_that_place(name, family, seed):
    child = cross(name, rng(seed), make(family))
    for array in child:
        options = np.stack([network[array] for network in family])
        assert (child[array] == options).any(axis=0).all() or array == "steps"


@pytest.mark.parametrize("name", BETWEEN)
@given(family=families(), seed=SEEDS)
def test_means_lie_between(name, family, seed):
    child = cross(name, rng(seed), make(family))
    for array in child:
        options = np.stack([network[array] for network in family])
        assert (options.min(axis=0) <= child[array]).all()
        assert (child[array] <= options.max(axis=0)).all() or array == "steps"


@pytest.mark.parametrize("name", PARENTS_VALUES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_of_the_parent_not_chosen_never_leaks(name, bad):
    good = dense(rng(), (7, 5, 3))
    broken = {n: np.full_like(a, bad) for n, a in good.items()}
    parents = Parents((good, broken), (0.1, 0.2))
    for seed in range(5):
        child = cross(name, rng(seed), parents)
        for array in child:
            from_good = child[array] == good[array]
            assert (from_good | ~np.isfinite(child[array])).all()
    shares = [np.isfinite(cross(name, rng(s), parents)["l0/kernel"]).mean() for s in range(40)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.25)


@pytest.mark.parametrize("name", CROSSOVERS)
def test_arrays_meet_by_name_not_by_order(name):
    a, b = dense(rng(0)), dense(rng(1))
    turned = {array: b[array] for array in reversed(list(b))}
    assert same(
        cross(name, rng(), Parents((a, b), (0.1, 0.2))),
        cross(name, rng(), Parents((a, turned), (0.1, 0.2))),
    )


@pytest.mark.parametrize("name", CROSSOVERS)
def test_network_without_arrays(name):
    assert cross(name, rng(), Parents(({}, {}), (0.1, 0.2)), PermutationSpec({})) == {}


@pytest.mark.parametrize("name", BETWEEN)
def test_rounding_does_not_move_equal_parents(name):
    # A third three times is not one in floating point.
    network = {"a": rng().normal(size=1001)}
    child = cross(name, rng(), Parents((network,) * 3, (0.1, 0.2, 0.4)))
    assert child["a"].tolist() == network["a"].tolist()


def test_mean_accumulates_in_float64():
    # In float16 the sum of 3 would overflow, and in float32 the small parts would be lost.
    large = [{"a": np.full(1, 60000, np.float16)} for _ in range(3)]
    assert cross("mean", rng(), Parents(tuple(large), (1.0,) * 3))["a"] == 60000
    parts = [{"a": np.full(1, v, np.float32)} for v in (1e8, 1.0, 1.0, 1.0, -1e8)]
    child = cross("mean", rng(), Parents(tuple(parts), (1.0,) * 5))
    assert child["a"][0] == np.float32(0.6)


def test_weighted_mean_follows_merit():
    values, losses = [1.0, 2.0, 4.0], (0.3, 0.1, 0.2)
    networks = tuple({"a": np.full(2, v)} for v in values)
    child = weighted_mean(rng(), Parents(networks, losses), temperature=0.5)
    expected = np.average(values, weights=merit(losses, 0.5))
    np.testing.assert_allclose(child["a"], expected)


def test_weighted_mean_drops_a_failed_parent_even_if_its_weights_are_nan():
    networks = ({"a": np.full(1, np.nan)}, {"a": np.ones(1)}, {"a": np.full(1, 3.0)})
    child = weighted_mean(rng(), Parents(networks, (float("inf"), 0.1, 0.1)))
    assert child["a"] == 2.0


def test_weighted_mean_of_failed_parents_is_an_error():
    with pytest.raises(GeneticsError, match="finite fitness"):
        weighted_mean(rng(), Parents(({}, {}), (float("nan"), float("inf"))))


def test_random_draws_every_parent_equally():
    networks = tuple({"a": np.full(9001, k)} for k in (0.0, 1.0, 2.0))
    child = cross("random", rng(), Parents(networks, (0.1,) * 3))["a"]
    np.testing.assert_allclose(np.bincount(child.astype(int)) / 9001, 1 / 3, atol=0.02)


@given(SEEDS, st.integers(2, 4))
def test_unit_keeps_whole_units(seed, count):
    networks = [
        {n: np.full_like(a, k) for n, a in dense(rng(), (4, 5, 3, 2)).items()} for k in range(count)
    ]
    parents = Parents(tuple(networks), (0.1,) * count)
    child = cross("unit", rng(seed), parents)
    # First hidden layer: in-weights and bias; its out-weights lead to hidden units of the second.
    assert (child["l0/kernel"] == child["l0/bias"]).all()
    # Second: in-weights, bias, and out-weights, which lead to the output.
    assert (child["l1/kernel"] == child["l1/bias"]).all()
    assert (child["l2/kernel"] == child["l1/bias"][:, None]).all()
    assert len(set(child["l2/bias"].tolist())) == 1


def test_weights_of_no_unit_all_come_from_one_parent():
    spec = PermutationSpec({f"scale{k}": () for k in range(9)})
    networks = tuple({name: np.array(v) for name in spec.axes} for v in (0.0, 1.0))
    child = cross("unit", rng(), Parents(networks, (0.1, 0.2)), spec)
    assert len({float(array) for array in child.values()}) == 1


def test_unit_follows_gates_positions_and_fixed_parts():
    gates, flat = (Segment(3, "h", outer=4),), (Segment(2), Segment(3, "h", outer=2, inner=2))
    spec = PermutationSpec({"gates": (gates,), "out": (flat, ())})
    networks = tuple({"gates": np.full(12, k), "out": np.full((14, 2), k)} for k in (0.0, 1.0))
    child = cross("unit", rng(1), Parents(networks, (0.1, 0.2)), spec)
    units = child["gates"][:3]
    assert 0 < units.sum() < 3
    assert child["gates"].tolist() == np.tile(units, 4).tolist()
    assert child["out"][2:, 0].tolist() == np.tile(np.repeat(units, 2), 2).tolist()
    assert (child["out"][:2] == child["out"][0, 0]).all()


@given(SEEDS, st.integers(2, 4))
def test_layer_keeps_whole_layers(seed, count):
    networks = tuple({n: np.full_like(a, k) for n, a in dense(rng()).items()} for k in range(count))
    child = cross("layer", rng(seed), Parents(networks, (0.1,) * count))
    for number in (0, 1):
        values = {*child[f"l{number}/kernel"].ravel(), *child[f"l{number}/bias"]}
        assert len(values) == 1


def test_layers_are_drawn_independently():
    networks = tuple({n: np.full_like(a, k) for n, a in dense(rng()).items()} for k in range(2))
    draws = {
        (float(c["l0/bias"][0]), float(c["l1/bias"][0]))
        for c in (cross("layer", rng(s), Parents(networks, (0.1, 0.2))) for s in range(30))
    }
    assert len(draws) == 4


@settings(max_examples=30)
@given(SEEDS, st.floats(0, 2), st.integers(2, 4))
def test_blend_stays_in_the_widened_interval(seed, alpha, count):
    networks = [dense(rng(seed + k), dtype=np.float64) for k in range(count)]
    child = blend(rng(seed), Parents(tuple(networks), (0.1,) * count), alpha=alpha)
    for name in child:
        options = np.stack([network[name] for network in networks])
        low, high = options.min(axis=0), options.max(axis=0)
        reach = alpha * (high - low) + 1e-12
        assert (low - reach <= child[name]).all()
        assert (child[name] <= high + reach).all()


def test_blend_goes_beyond_the_parents_and_covers_evenly():
    networks = ({"a": np.zeros(20001)}, {"a": np.ones(20001)})
    child = blend(rng(), Parents(networks, (0.1, 0.2)), alpha=0.5)["a"]
    assert child.min() == pytest.approx(-0.5, abs=0.01)
    assert child.max() == pytest.approx(1.5, abs=0.01)
    assert child.std() == pytest.approx(2 / np.sqrt(12), rel=0.02)


def test_blend_averages_running_statistics():
    networks = ({"variance": np.full(99, 0.1)}, {"variance": np.full(99, 5.0)})
    parents = Parents(networks, (0.1, 0.2), statistics=frozenset({"variance"}))
    np.testing.assert_allclose(blend(rng(), parents)["variance"], 2.55)


@pytest.mark.parametrize("alpha", [-0.1, float("nan"), float("inf")])
def test_blend_alpha_is_checked(alpha):
    with pytest.raises(GeneticsError, match="alpha must be a finite number >= 0"):
        blend(rng(), Parents(({}, {}), (0.1, 0.2)), alpha=alpha)


def test_slerp_keeps_the_norm_and_halves_the_angle():
    a, b = rng(0).normal(size=(2, 3, 17))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    child = slerp(rng(), Parents(({"a": a}, {"a": b}), (0.1, 0.2)))["a"]
    assert np.linalg.norm(child) == pytest.approx(1)
    omega = np.arccos(np.vdot(a, b))
    assert np.arccos(np.vdot(a, child)) == pytest.approx(omega / 2)
    assert np.arccos(np.vdot(b, child)) == pytest.approx(omega / 2)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([0, 0], [0, 4], [0, 2]), ([1, 1], [3, 3], [2, 2]), ([2, 0], [-1, 0], [0.5, 0])],
)
def test_slerp_is_linear_where_there_is_no_arc(a, b, expected):
    pair = ({"a": np.array(a, float)}, {"a": np.array(b, float)})
    np.testing.assert_allclose(slerp(rng(), Parents(pair, (0.1, 0.2)))["a"], expected)


def test_slerp_gives_three_parents_equal_parts():
    # Three orthogonal unit vectors, near the plane limit: sequential slerp weighs them alike.
    networks = tuple({"a": np.array([100.0, *row])} for row in np.eye(3))
    child = slerp(rng(), Parents(networks, (0.1,) * 3))["a"]
    np.testing.assert_allclose(child, [100, 1 / 3, 1 / 3, 1 / 3], rtol=1e-3)


def test_parents_must_be_alike_and_have_a_loss_each():
    with pytest.raises(GeneticsError, match="one architecture"):
        Parents(({"a": np.zeros(1)}, {"a": np.zeros(2)}), (0.1, 0.2))
    with pytest.raises(GeneticsError, match="2 parents and 1 losses"):
        Parents(({}, {}), (0.1,))
    with pytest.raises(GeneticsError, match="At least one network"):
        Parents((), ())


def test_parents_can_be_replaced_after_alignment():
    parents = Parents((dense(rng(0)),), (0.1,))
    changed = dataclasses.replace(parents, weights=(dense(rng(1)),))
    assert changed.fitness == parents.fitness
