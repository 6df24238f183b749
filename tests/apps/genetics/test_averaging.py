"""Averages along a path: exact in float64, whatever the dtype of the network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.averaging import ema, running_mean, start
from apps.genetics.errors import GeneticsError
from apps.genetics.weights import cast_like, copy
from tests.support.genetics import dense, families, same


@given(families())
def test_running_mean_is_the_mean(family):
    before = [copy(network) for network in family]
    average = start(family[0])
    for count, network in enumerate(family[1:], start=1):
        average = running_mean(average, network, count)
    for name in ("h/kernel", "h/bias", "o/kernel", "o/bias"):
        stack = np.array([network[name] for network in family], np.float64)
        scale = np.abs(stack).max(axis=0, initial=0)
        assert (np.abs(average[name] - stack.mean(axis=0)) <= 1e-14 * scale).all()
        assert average[name].dtype == np.float64
    assert average["steps"].tolist() == family[-1]["steps"].tolist()
    assert all(same(a, b) for a, b in zip(family, before, strict=True))


@given(families(max_count=1), st.integers(2, 20))
def test_average_of_equal_networks_is_that_network(family, count):
    average = start(family[0])
    for n in range(1, count):
        average = running_mean(average, family[0], n)
    for found in (average, ema(average, family[0], 0.9)):
        cast = cast_like(found, family[0])
        assert all(type(array) is np.ndarray for array in (*found.values(), *cast.values()))
        assert all(np.array_equal(cast[name], family[0][name]) for name in cast)


def test_small_steps_of_a_long_average_are_not_lost():
    average = {"a": np.ones(1)}
    for count in range(1, 1000):
        step = np.array([1 + 2.0**-10 * (count % 2)], np.float32)
        average = running_mean(average, {"a": step}, count)
    assert average["a"][0] == pytest.approx(1 + 2.0**-11, rel=1e-12)


def test_at_count_zero_the_average_does_not_matter():
    network = dense(np.random.default_rng(0))
    broken = {name: np.full(array.shape, np.nan) for name, array in network.items()}
    assert same(cast_like(running_mean(broken, network, 0), network), network)


def test_ema_follows_its_formula():
    a, b = (dense(np.random.default_rng(seed)) for seed in (0, 1))
    average = ema(start(a), b, 0.9)
    for name in a:
        expected = 0.9 * a[name].astype(float) + 0.1 * b[name].astype(float)
        np.testing.assert_allclose(average[name], expected, rtol=1e-12, atol=1e-15)
    assert same(cast_like(ema(start(a), b, 0.0), b), b)


def test_arguments_are_checked():
    network = dense(np.random.default_rng(0))
    with pytest.raises(GeneticsError, match="count = -1"):
        running_mean(network, network, -1)
    for decay in (-0.1, 1.0, float("nan")):
        with pytest.raises(GeneticsError, match=r"decay must be within \[0, 1\)"):
            ema(network, network, decay)
    with pytest.raises(GeneticsError, match="one architecture"):
        running_mean({}, network, 1)
