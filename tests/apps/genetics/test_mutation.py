"""Mutations: small, seeded, and only where they may change something."""

import numpy as np
import pytest
from hypothesis import given

from apps.genetics.errors import GeneticsError
from apps.genetics.mutation import MUTATIONS, decayed, gaussian, reset
from apps.genetics.weights import copy
from tests.support.genetics import SEEDS, dense, families, same


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", MUTATIONS)
@given(family=families(max_count=1), seed=SEEDS)
def test_child_is_alike_seeded_and_the_parent_untouched(name, family, seed):
    parent, before = family[0], copy(family[0])
    child = MUTATIONS[name](rng(seed), parent)
    assert same(parent, before)
    assert list(child) == list(parent)
    assert all(child[n].shape == parent[n].shape for n in parent)
    assert all(child[n].dtype == parent[n].dtype for n in parent)
    assert all(type(array) is np.ndarray for array in child.values())
    assert not any(np.shares_memory(child[n], parent[n]) for n in parent)
    assert child["steps"].tolist() == parent["steps"].tolist()
    assert same(child, MUTATIONS[name](rng(seed), parent))


@pytest.mark.parametrize(
    ("name", "settings"), [("gaussian", {"scale": 1e6}), ("reset", {"fraction": 1.0}), ("none", {})]
)
def test_constant_arrays_stay(name, settings):
    parent = {"zero": np.zeros(5), "tenth": np.full((3, 7), 0.1), "one": np.ones(1)}
    assert parent["tenth"].std() > 0  # rounding, that must not count as spread
    assert same(MUTATIONS[name](rng(), parent, **settings), parent)


@pytest.mark.parametrize("name", MUTATIONS)
def test_kept_arrays_stay(name):
    parent = dense(rng())
    child = MUTATIONS[name](rng(), parent, keep={"l0/bias"})
    assert child["l0/bias"].tolist() == parent["l0/bias"].tolist()


@pytest.mark.parametrize("name", MUTATIONS)
def test_network_without_arrays(name):
    assert MUTATIONS[name](rng(), {}) == {}


def test_none_changes_nothing():
    parent = dense(rng())
    assert same(MUTATIONS["none"](rng(), parent), parent)


@pytest.mark.parametrize("width", [0.01, 100.0])
def test_gaussian_noise_is_scaled_by_each_arrays_spread(width):
    parent = {"kernel": width * rng(1).normal(size=(100, 101)) + 5}
    noise = gaussian(rng(), parent, scale=0.1)["kernel"] - parent["kernel"]
    assert noise.std() == pytest.approx(0.1 * parent["kernel"].std(), rel=0.03)
    assert abs(noise.mean()) < 0.01 * width


def test_gaussian_of_scale_zero_changes_nothing():
    parent = dense(rng())
    assert same(gaussian(rng(), parent, scale=0.0), parent)


@pytest.mark.parametrize("scale", [-0.1, float("nan"), float("inf")])
def test_gaussian_scale_is_checked(scale):
    with pytest.raises(GeneticsError, match="scale must be a finite number >= 0"):
        gaussian(rng(), {}, scale=scale)


def test_reset_draws_the_fraction_within_the_initial_range():
    limit = 0.3
    parent = {"kernel": rng(1).uniform(-limit, limit, (200, 101))}
    child = reset(rng(), parent, fraction=0.25)["kernel"]
    changed = child != parent["kernel"]
    assert changed.mean() == pytest.approx(0.25, abs=0.01)
    assert np.abs(child).max() == pytest.approx(limit, rel=0.02)
    assert child[changed].std() == pytest.approx(limit / np.sqrt(3), rel=0.03)


@pytest.mark.parametrize(("fraction", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_reset_of_nothing_and_of_everything(fraction, share):
    parent = {"kernel": rng(1).normal(size=(20, 11))}
    child = reset(rng(), parent, fraction=fraction)
    assert (child["kernel"] != parent["kernel"]).mean() == share


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_reset_fraction_is_checked(fraction):
    with pytest.raises(GeneticsError, match=r"fraction must be within \[0, 1\]"):
        reset(rng(), {}, fraction=fraction)


def test_decay_over_halts():
    assert [decayed(0.4, 0.5, halt) for halt in range(3)] == [0.4, 0.2, 0.1]
    assert decayed(0.4, 1.0, 9) == 0.4


@pytest.mark.parametrize(("decay", "halt"), [(1.5, 0), (-0.1, 0), (0.5, -1)])
def test_decay_is_checked(decay, halt):
    with pytest.raises(GeneticsError, match="decay must be within"):
        decayed(0.1, decay, halt)
