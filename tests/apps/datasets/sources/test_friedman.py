"""The Friedman function is what the literature says."""

from __future__ import annotations

import numpy as np

from apps.datasets.load import load_dataset
from apps.messages.specs import DataSpec


def test_friedmans_function_is_what_is_left_without_noise() -> None:
    data = load_dataset(DataSpec("friedman", {"noise": 0.0, "features": 7}, validation=10), 1)
    x = data.test.x.astype(np.float64)
    expected = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    expected += 10 * x[:, 3] + 5 * x[:, 4]
    np.testing.assert_allclose(data.test.y, expected, atol=1e-4)
    assert x.shape == (400, 7)
    noisy = load_dataset(DataSpec("friedman", {"noise": 2.0, "features": 7}, validation=10), 1)
    assert abs((noisy.test.y - data.test.y).std() - 2) < 0.3
    other = load_dataset(DataSpec("friedman", {"noise": 0.0, "features": 7}, validation=10), 2)
    assert not np.array_equal(other.test.y, data.test.y)
