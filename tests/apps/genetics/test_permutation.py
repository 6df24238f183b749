"""Symmetries as data: permutations move units, and only units, wherever they appear."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import (
    PermutationSpec,
    Segment,
    axis_indices,
    identity,
    permute,
    random_permutations,
    spread,
    unit_axes,
    validate,
)
from tests.support.genetics import SEEDS, dense, dense_spec, inverse, same

GROUPS = {"a": 1, "b": 3, "c": 5}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@st.composite
def specs(draw: st.DrawFn) -> PermutationSpec:
    """Any spec over three groups: gates, positions, fixed parts, one group on several axes."""
    grouped = st.builds(
        lambda group, outer, inner: Segment(GROUPS[group], group, outer, inner),
        st.sampled_from(sorted(GROUPS)),
        st.integers(1, 3),
        st.integers(1, 2),
    )
    segment = st.one_of(grouped, st.builds(Segment, st.integers(1, 3)))
    axis = st.lists(segment, max_size=3).map(tuple)
    axes = st.lists(st.lists(axis, max_size=2).map(tuple), max_size=4)
    return PermutationSpec({f"array{k}": each for k, each in enumerate(draw(axes))})


def network_of(spec: PermutationSpec, seed: int = 0) -> dict[str, np.ndarray]:
    return {
        name: rng(seed).normal(size=[sum(s.length for s in axis) or 2 for axis in axes])
        for name, axes in spec.axes.items()
    }


@given(specs(), SEEDS)
def test_permutation_and_inverse_restore_exactly(spec, seed):
    network = network_of(spec)
    permutations = random_permutations(rng(seed), spec)
    moved = permute(network, spec, permutations)
    assert same(permute(moved, spec, inverse(permutations)), network)
    assert all(np.array_equal(np.sort(moved[n], None), np.sort(network[n], None)) for n in network)


@given(specs(), SEEDS)
def test_identity_moves_nothing_and_shares_nothing(spec, seed):
    network = network_of(spec, seed)
    moved = permute(network, spec, identity(spec))
    assert same(moved, network)
    assert not any(np.shares_memory(moved[name], network[name]) for name in network)


@given(specs(), SEEDS)
def test_axis_indices_agree_with_values_spread_along_the_axis(spec, seed):
    # A second way to the same thing: labels laid out, then gathered, are the permuted labels.
    permutations = random_permutations(rng(seed), spec)
    labels = {group: np.arange(size) for group, size in spec.groups.items()}
    for axis in (axis for axes in spec.axes.values() for axis in axes if axis):
        moved = spread(axis, labels, -1)[axis_indices(axis, permutations)]
        assert moved.tolist() == spread(axis, permutations, -1).tolist()


@pytest.mark.parametrize("sizes", [(3, 1, 2), (5, 7, 3), (4, 5, 7, 3, 2), (3, 2)])
@given(seed=SEEDS)
def test_permuted_network_computes_the_same(sizes, seed):
    network = dense(rng(1), sizes, np.float64)
    spec = dense_spec(network)
    moved = permute(network, spec, random_permutations(rng(seed), spec))

    def outputs(weights):
        x = rng(2).normal(size=(11, sizes[0]))
        for k in range(len(sizes) - 1):
            x = x @ weights[f"l{k}/kernel"] + weights[f"l{k}/bias"]
            x = np.maximum(x, 0) if k < len(sizes) - 2 else x
        return x

    np.testing.assert_allclose(outputs(moved), outputs(network), rtol=1e-12, atol=1e-12)


def test_flattened_channels_move_at_every_position():
    image = rng().normal(size=(2, 3, 4))  # rows, columns, channels
    order = np.array([2, 0, 3, 1])
    last = permute(
        {"flat": image.ravel()},
        PermutationSpec({"flat": ((Segment(4, "c", outer=6),),)}),
        {"c": order},
    )
    assert last["flat"].tolist() == image[..., order].ravel().tolist()
    first = permute(
        {"flat": image.transpose(2, 0, 1).ravel()},
        PermutationSpec({"flat": ((Segment(4, "c", inner=6),),)}),
        {"c": order},
    )
    assert first["flat"].tolist() == image[..., order].transpose(2, 0, 1).ravel().tolist()


def test_values_are_spread_over_gates_and_positions():
    axis = (Segment(1), Segment(2, "h", outer=2, inner=2))
    assert spread(axis, {"h": np.array([7, 8])}, 0).tolist() == [0, 7, 7, 8, 8, 7, 7, 8, 8]


def test_gates_move_together_and_fixed_parts_stay():
    axis = (Segment(2), Segment(3, "h", outer=2))
    assert axis_indices(axis, {"h": np.array([2, 0, 1])}).tolist() == [0, 1, 4, 2, 3, 7, 5, 6]
    assert axis_indices(axis, {}).tolist() == [0, 1]


def test_groups_are_listed_by_first_appearance_and_survive_pickling():
    units, other = (Segment(3, "z"),), (Segment(2, "a"),)
    spec = PermutationSpec({"x": (units,), "y": (units, other)}, frozenset({"x"}))
    assert list(spec.groups.items()) == [("z", 3), ("a", 2)]
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_unit_axes_give_a_weight_to_the_unit_it_leads_to():
    network = dense(rng(), (4, 5, 3, 2))
    assert unit_axes(dense_spec(network)) == {
        "l0/kernel": 1,
        "l0/bias": 0,
        "l1/kernel": 1,
        "l1/bias": 0,
        "l2/kernel": 0,
    }


def test_random_permutations_are_seeded_and_uniform():
    spec = PermutationSpec({"x": ((Segment(3, "h"),),)})
    draws = [tuple(random_permutations(rng(s), spec)["h"].tolist()) for s in range(600)]
    assert draws[7] == tuple(random_permutations(rng(7), spec)["h"].tolist())
    counts = [draws.count(order) for order in set(draws)]
    assert len(counts) == 6
    assert min(counts) > 60


def test_group_of_two_sizes_is_an_error():
    with pytest.raises(GeneticsError, match="'h' has 3 elsewhere and 4 in array 'y'"):
        PermutationSpec({"x": ((Segment(3, "h"),),), "y": ((Segment(4, "h"),),)})


@pytest.mark.parametrize("segment", [Segment(0), Segment(2, "h", outer=0), Segment(2, inner=0)])
def test_empty_segment_is_an_error(segment):
    with pytest.raises(GeneticsError, match=r"at least 1.*'x'"):
        PermutationSpec({"x": ((segment,),)})


@pytest.mark.parametrize(
    ("axes", "network", "message"),
    [
        ({"x": ((),)}, {}, "'x' is missing in the network"),
        ({}, {"x": np.zeros(2)}, "'x' is missing in the spec"),
        ({"x": ((),)}, {"x": np.zeros((2, 2))}, r"shape \(2, 2\), but its spec"),
        ({"x": ((Segment(3),),)}, {"x": np.zeros(2)}, r"shape \(2,\), but its spec"),
    ],
)
def test_spec_of_another_network_is_an_error(axes, network, message):
    with pytest.raises(GeneticsError, match=message):
        validate(PermutationSpec(axes), network)


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [1, 2, 3], [[0, 1, 2]]])
def test_what_is_no_permutation_is_an_error(order):
    spec = PermutationSpec({"x": ((Segment(3, "h"),),)})
    with pytest.raises(GeneticsError, match=r"group 'h' must hold each of 0 \.\. 2 once"):
        permute({"x": np.zeros(3)}, spec, {"h": np.array(order)})
    with pytest.raises(GeneticsError, match="'h' is missing"):
        permute({"x": np.zeros(3)}, spec, {})
