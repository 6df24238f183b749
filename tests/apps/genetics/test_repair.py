"""REPAIR: the repaired layer has the moments wanted, on the batch that was measured."""

import numpy as np
import pytest

from apps.genetics.errors import GeneticsError
from apps.genetics.repair import Moments, UnitLayer, average_moments, moments, repair
from apps.genetics.weights import copy
from tests.support.genetics import dense, same

LAYER = UnitLayer("l0/kernel", 1, "l0/bias")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pre_activations(network, x):
    return x @ network["l0/kernel"] + network["l0/bias"]


def test_repaired_layer_has_the_parents_moments():
    parents = [dense(rng(seed), (7, 5, 3), np.float64) for seed in (1, 2)]
    merged = {name: (parents[0][name] + parents[1][name]) / 2 for name in parents[0]}
    before, x = copy(merged), rng(3).normal(size=(101, 7))
    target = average_moments([moments(pre_activations(p, x)) for p in parents])
    repaired = repair(merged, LAYER, moments(pre_activations(merged, x)), target)
    found = moments(pre_activations(repaired, x))
    np.testing.assert_allclose(found.mean, target.mean)
    np.testing.assert_allclose(found.std, target.std)
    assert same(merged, before)
    assert repaired["l1/kernel"].tolist() == merged["l1/kernel"].tolist()


def test_merging_one_network_with_itself_needs_no_repair():
    network = dense(rng())
    found = moments(pre_activations(network, rng(3).normal(size=(11, 7))))
    repaired = repair(network, LAYER, found, average_moments([found, found]))
    for name in network:
        np.testing.assert_allclose(repaired[name], network[name], rtol=1e-6)
        assert repaired[name].dtype == network[name].dtype


def test_dead_unit_is_moved_but_not_rescaled():
    network = dense(rng(), (7, 2, 3))
    found = Moments(np.array([1.0, 0.0]), np.array([0.0, 2.0]))
    repaired = repair(network, LAYER, found, Moments(np.array([3.0, 0.0]), np.ones(2)))
    assert repaired["l0/kernel"][:, 0].tolist() == network["l0/kernel"][:, 0].tolist()
    np.testing.assert_allclose(repaired["l0/bias"][0], network["l0/bias"][0] + 2)
    np.testing.assert_allclose(repaired["l0/kernel"][:, 1], network["l0/kernel"][:, 1] / 2)


def test_units_may_lie_along_any_axis():
    network = {"c/kernel": rng().normal(size=(3, 5, 2)), "c/bias": np.zeros(5)}
    wanted = Moments(np.zeros(5), np.arange(5.0))
    layer = UnitLayer("c/kernel", 1, "c/bias")
    repaired = repair(network, layer, Moments(np.zeros(5), np.ones(5)), wanted)
    expected = network["c/kernel"] * np.arange(5)[:, None]
    np.testing.assert_allclose(repaired["c/kernel"], expected)


def test_positions_count_as_samples():
    signals = rng().normal(size=(3, 4, 5, 2))
    np.testing.assert_allclose(moments(signals).std, signals.reshape(60, 2).std(axis=0))


@pytest.mark.parametrize("shape", [(5,), (0, 3), (3, 0)])
def test_moments_need_samples_and_units(shape):
    with pytest.raises(GeneticsError, match=r"shape \[samples, ..., units\]"):
        moments(np.zeros(shape))


def test_moments_of_different_layers_do_not_average():
    pair = [Moments(np.zeros(n), np.zeros(n)) for n in (2, 3)]
    with pytest.raises(GeneticsError, match="one layer"):
        average_moments(pair)
    with pytest.raises(GeneticsError, match="one layer"):
        average_moments([])


def test_layer_must_exist_and_fit():
    network, wanted = dense(rng()), Moments(np.zeros(5), np.ones(5))
    with pytest.raises(GeneticsError, match=r"missing \['x/bias'\]"):
        repair(network, UnitLayer("l0/kernel", 1, "x/bias"), wanted, wanted)
    with pytest.raises(GeneticsError, match="has 3 units"):
        repair(network, UnitLayer("l1/kernel", 1, "l1/bias"), wanted, wanted)
