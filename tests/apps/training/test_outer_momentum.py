"""The optimiser over epochs is Nesterov's, as a loop over numbers computes it."""

from __future__ import annotations

import numpy as np
import pytest

from apps.training.outer_momentum import outer_step


@pytest.mark.parametrize("mu", [0.0, 0.7])
def test_it_is_nesterov_momentum_on_the_steps_of_epochs(mu: float) -> None:
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(2, 3))}
    momentum: dict[str, np.ndarray] = {}
    theta, m = weights["w"].copy(), np.zeros((2, 3))
    for _ in range(4):
        step = rng.normal(size=(2, 3))
        weights, momentum = outer_step(weights, {"w": weights["w"] + step}, momentum, mu)
        m = mu * m - step
        theta = theta - (mu * m - step)
        np.testing.assert_allclose(weights["w"], theta, rtol=1e-12)
        np.testing.assert_allclose(momentum["w"], m, rtol=1e-12, atol=1e-12)


def test_steps_in_one_direction_grow_to_a_limit() -> None:
    weights, momentum = {"w": np.zeros(1)}, {}
    for _ in range(60):
        before = weights["w"]
        weights, momentum = outer_step(weights, {"w": before + 1}, momentum, 0.7)
    np.testing.assert_allclose(weights["w"] - before, 1 / (1 - 0.7))


def test_dtypes_stay() -> None:
    slow = {"w": np.ones(2, np.float32)}
    weights, momentum = outer_step(slow, {"w": np.zeros(2, np.float32)}, {}, 0.7)
    assert weights["w"].dtype == momentum["w"].dtype == np.float32
