"""Weights survive a change of shape: growth keeps the function, shrinking the important units."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.anatomy import (
    Anatomy,
    Layer,
    Neutral,
    Part,
    Step,
    ends_in_sum,
    match_layers,
)
from apps.genetics.carrying import NEW, Source, carry
from apps.genetics.errors import GeneticsError
from apps.genetics.morphism import importance, morph
from apps.genetics.permutation import PermutationSpec, Segment
from tests.support.genetics import SEEDS, dense, dense_spec, same

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


@given(WIDTHS, st.data(), SEEDS)
def test_growth_in_width_and_depth_keeps_the_function(widths, data, seed):
    more = data.draw(st.lists(st.integers(0, 4), min_size=len(widths), max_size=len(widths)))
    wider = [width + added for width, added in zip(widths, more, strict=True)]
    # A layer that is put in must hold all units of the last one.
    deeper = [wider[-1] + added for added in data.draw(st.lists(st.integers(0, 3), max_size=2))]
    small, large = (5, *widths, 2), (5, *wider, *deeper, 2)
    generator = rng(seed)
    parent, child = (dense(generator, sizes, np.float64) for sizes in (small, large))
    made = morph(parent, child, stack(*small), stack(*large))
    assert made.lost == ()
    x = generator.normal(size=(11, 5))
    np.testing.assert_allclose(computed(made.weights, x), computed(parent, x), atol=1e-9)


@given(WIDTHS, WIDTHS, st.data(), SEEDS)
def test_layers_that_are_linear_are_dropped_without_loss(widths, dropped, data, seed):
    more = data.draw(st.lists(st.integers(0, 4), min_size=len(widths), max_size=len(widths)))
    wider = [width + added for width, added in zip(widths, more, strict=True)]
    large, small = (3, *widths, *dropped, 2), (3, *wider, 2)
    generator = rng(seed)
    parent, child = (dense(generator, sizes, np.float64) for sizes in (large, small))
    shapes = [stack(*sizes, slope=1.0) for sizes in (large, small)]
    made = morph(parent, child, *shapes)
    last = len(large) - 2
    assert made.lost == tuple(
        f"layer l{number} is folded into l{last}" for number in range(len(widths), last)
    )
    x = generator.normal(size=(11, 3))
    old, new = (computed(network, x, lambda z: z) for network in (parent, made.weights))
    np.testing.assert_allclose(new, old, atol=1e-9 * max(1, abs(old).max()))


@given(WIDTHS, WIDTHS, SEEDS)
def test_any_two_shapes_make_a_child(old, new, seed):
    small, large = (3, *old, 2), (3, *new, 2)
    generator = rng(seed)
    parent, child = dense(generator, small), dense(generator, large, np.float16)
    kept = {name: array.copy() for name, array in (parent | {}).items()}
    fresh = {name: array.copy() for name, array in child.items()}
    made = morph(parent, child, stack(*small), stack(*large))
    assert same(parent, kept)
    assert same(child, fresh)
    assert [(n, a.shape, a.dtype) for n, a in made.weights.items()] == [
        (n, a.shape, a.dtype) for n, a in child.items()
    ]
    again = morph(parent, child, stack(*small), stack(*large))
    assert same(again.weights, made.weights)
    assert not any(
        np.shares_memory(array, other)
        for array in made.weights.values()
        for other in (*parent.values(), *child.values())
    )


@given(widths=WIDTHS, seed=SEEDS)
def test_of_an_equal_shape_the_values_are_the_parents(widths, seed):
    sizes = (3, *widths, 2)
    parent, child = dense(rng(seed), sizes), dense(rng(seed + 1), sizes)
    made = morph(parent, child, stack(*sizes), stack(*sizes))
    assert same(made.weights, parent)
    assert made.lost == ()


@given(WIDTHS, st.integers(1, 5), SEEDS)
def test_growing_by_zeros_and_shrinking_back_restores_exactly(widths, added, seed):
    small, large = (3, *widths, 2), (3, *(width + added for width in widths), 2)
    parent, fresh = dense(rng(seed), small), dense(rng(seed + 1), large)
    grown = morph(parent, fresh, stack(*small), stack(*large))
    back = morph(grown.weights, dense(rng(1), small), stack(*large), stack(*small))
    assert same(back.weights, parent)
    assert all("units" in line for line in back.lost)


def test_a_layer_in_between_starts_as_the_identity():
    parent, child = dense(rng(), (3, 4, 2)), dense(rng(1), (3, 4, 4, 2))
    made = morph(parent, child, stack(3, 4, 2), stack(3, 4, 4, 2))
    assert np.array_equal(made.weights["l1/kernel"], np.eye(4))
    assert not made.weights["l1/bias"].any()


def test_a_narrow_layer_in_between_keeps_the_most_important_units():
    small, large = (3, 5, 2), (3, 5, 2, 2)
    parent, child = dense(rng(), small), dense(rng(1), large)
    best = np.sort(np.argsort(importance(parent, stack(*small))["l0"])[-2:])
    made = morph(parent, child, stack(*small), stack(*large))
    assert made.lost == ("3 of 5 units of l0 are dropped",)
    assert np.array_equal(made.weights["l1/kernel"], np.eye(5)[:, best])
    assert np.array_equal(made.weights["l2/kernel"], parent["l1/kernel"][best])


def test_new_units_read_with_their_own_weights_and_are_not_read():
    parent, child = dense(rng(), (3, 2, 2, 1)), dense(rng(1), (3, 4, 5, 1))
    made = morph(parent, child, stack(3, 2, 2, 1), stack(3, 4, 5, 1)).weights
    assert np.array_equal(made["l0/kernel"][:, 2:], child["l0/kernel"][:, 2:])
    assert np.array_equal(made["l0/bias"][2:], child["l0/bias"][2:])
    assert np.array_equal(made["l1/kernel"][:2, 2:], child["l1/kernel"][:2, 2:])
    assert not made["l1/kernel"][2:].any()
    assert not made["l2/kernel"][2:].any()


def test_units_without_weights_in_or_out_are_the_least_important():
    network = dense(rng(), (3, 4, 2))
    network["l1/kernel"][1] = 0
    network["l0/kernel"][:, 3] = network["l0/bias"][3] = 0
    worth = importance(network, stack(3, 4, 2))["l0"]
    assert worth[[1, 3]].tolist() == [0, 0]
    into = np.sqrt((network["l0/kernel"] ** 2).sum(0) + network["l0/bias"] ** 2)
    out = np.linalg.norm(network["l1/kernel"], axis=1)
    np.testing.assert_allclose(worth, into * out, rtol=1e-6)


def test_importance_does_not_change_with_the_scale_of_a_relu_unit():
    network, shape = dense(rng(), (3, 4, 2), np.float64), stack(3, 4, 2)
    before = importance(network, shape)["l0"]
    factors = np.array([2.0, 0.5, 3.0, 1.0])
    network["l0/kernel"] *= factors
    network["l0/bias"] *= factors
    network["l1/kernel"] /= factors[:, None]
    np.testing.assert_allclose(importance(network, shape)["l0"], before)


def test_statistics_and_counters_do_not_count():
    axes = {"a": ((Segment(2, "a"),),), "b": ((Segment(2, "a"),),), "n": ((Segment(2, "a"),),)}
    layer = Layer("bn", "BN", {name: Part(name) for name in axes})
    known = Anatomy(PermutationSpec(axes, frozenset({"b"})), (layer,), (), (), ())
    network = {"a": np.ones(2), "b": np.full(2, 9.0), "n": np.array([7, 8])}
    assert importance(network, known) == {"a": pytest.approx(np.zeros(2))}
    made = morph(network, {n: a * 0 for n, a in network.items()}, known, known)
    assert same(made.weights, network)


def test_gates_positions_and_joined_units_are_carried_unit_by_unit():
    sources = {"a": Source("p", np.array([1, NEW])), "b": Source("q", np.array([0, NEW]))}
    ours = ((Segment(2, "a", outer=2), Segment(1), Segment(2, "b", inner=2)),)
    theirs = ((Segment(1, "q", inner=2), Segment(1), Segment(2, "p", outer=2)),)
    parent, fresh = np.arange(7.0), np.full(9, 50.0)
    made = carry(parent, theirs, fresh, ours, Part("x"), sources)
    assert made is not None
    assert made.tolist() == [4, 50, 6, 50, 2, 0, 1, 50, 50]
    read = carry(parent, theirs, fresh, ours, Part("x", consumed=(0,)), sources)
    assert read is not None
    assert read.tolist() == [4, 0, 6, 0, 2, 0, 1, 0, 0]


def test_what_has_nothing_in_common_is_not_carried():
    sources = {"a": Source("p", np.array([0, 1]))}
    fresh, parent = np.zeros(4), np.ones(6)
    ours, theirs = ((Segment(2, "a", outer=2),),), ((Segment(2, "p", outer=3),),)
    assert carry(parent, theirs, fresh, ours, Part("x"), sources) is None
    assert carry(parent, ((),), fresh, ((),), Part("x"), {}) is None
    assert carry(np.ones((2, 3)), ((), ()), fresh, ((),), Part("x"), {}) is None


# --------------------------------------------------------------------------- layers
def rows(*names: str, kinds: str = "") -> Anatomy:
    layers = tuple(
        Layer(name, kind, {}) for name, kind in zip(names, kinds or "d" * len(names), strict=True)
    )
    steps = tuple(Step((i,), (i + 1,), name) for i, name in enumerate(names))
    return Anatomy(PermutationSpec({}), layers, steps, (0,), (len(names),))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (rows("a"), rows("b"), {"b": "a"}),
        (rows("a", "b"), rows("a", "b", "c"), {"a": "a", "c": "b"}),
        (rows("a", "b", "c"), rows("a", "b"), {"a": "a", "b": "c"}),
        (rows("h", "o"), rows("x", "y", "o"), {"x": "h", "o": "o"}),
        (rows("s1", "t1", "o"), rows("s1", "s2", "t1", "o"), {"s1": "s1", "t1": "t1", "o": "o"}),
        (rows("c", "o", kinds="cd"), rows("c", "e", "o", kinds="ced"), {"c": "c", "o": "o"}),
        (rows("c", "o", kinds="cd"), rows("h", "o", kinds="dd"), {"o": "o"}),
    ],
)
def test_layers_are_matched_kind_by_kind_and_the_last_with_the_last(before, after, expected):
    assert match_layers(before, after) == expected


def test_a_branch_ends_in_a_sum_unless_another_layer_comes_before():
    layers = (Layer("a", "d", {}), Layer("n", "bn", {}, makes=False), Layer("b", "d", {}))
    steps = (
        Step((0,), (1,), "a"),
        Step((1,), (2,), "n"),
        Step((2,), (3,), "b"),
        Step((3,), (4,)),
        Step((0, 4), (5,), adds=True),
    )
    known = Anatomy(PermutationSpec({}), layers, steps, (0,), (5,))
    assert [ends_in_sum(known, name) for name in "ab"] == [False, True]


def test_a_wrong_anatomy_or_way_is_refused():
    parent, shape = dense(rng(), (3, 4, 2)), stack(3, 4, 2)
    with pytest.raises(GeneticsError, match="shape"):
        morph(parent, dense(rng(), (3, 5, 2)), shape, shape)
    with pytest.raises(GeneticsError, match="unknown names"):
        Anatomy(shape.spec, shape.layers, (Step((0,), (1,), "x"),), (0,), (1,))


def test_an_anatomy_survives_pickling():
    assert pickle.loads(pickle.dumps(stack(3, 4, 2))) == stack(3, 4, 2)
