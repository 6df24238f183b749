"""Weights survive a change of shape: growth keeps the function, shrinking the important units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.anatomy import (
    Anatomy,
    Layer,
    Part,
)
from apps.genetics.morphism import importance, morph
from apps.genetics.permutation import PermutationSpec, Segment
from tests.support.genetics import SEEDS, dense, same
from tests.support.stacks import WIDTHS, computed, rng, stack


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
