"""The Mackey-Glass series is what the literature says, and parts share no value."""

from __future__ import annotations

import numpy as np
import pytest

from apps.datasets.load import load_dataset
from apps.datasets.sources.mackey_glass import series
from apps.errors import UserError
from apps.messages.specs import DataSpec


def test_the_series_solves_the_mackey_glass_equation() -> None:
    # The classical Runge-Kutta method with a step of 1/100 and the mean of two past values.
    step, delay, length = 0.01, 1700, 6000
    x = np.full(delay + length + 1, 1.2)

    def slope(now: float, past: float) -> float:
        return 0.2 * past / (1 + past**10) - 0.1 * now

    for i in range(delay, delay + length):
        before, after = x[i - delay], x[i - delay + 1]
        middle = (before + after) / 2
        k1 = slope(x[i], before)
        k2 = slope(x[i] + step / 2 * k1, middle)
        k3 = slope(x[i] + step / 2 * k2, middle)
        k4 = slope(x[i] + step * k3, after)
        x[i + 1] = x[i] + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    np.testing.assert_allclose(series(60, skipped=0), x[delay:-1:100], atol=1e-6)


@pytest.mark.parametrize("tau", [0.3, 16.7, 30.0])
def test_the_series_has_a_value_each_time_unit_whatever_the_delay(tau: float) -> None:
    values = series(70, tau=tau, skipped=0)
    assert values.shape == (70,)
    np.testing.assert_allclose(values[20:], series(50, tau=tau, skipped=20))


def test_the_test_part_is_the_end_of_the_series_and_no_value_is_in_two_parts() -> None:
    params = {"samples": 60, "steps": 5, "ahead": 3, "test": 10}
    data = load_dataset(DataSpec("mackey_glass", params, validation=10), 1)
    values = series(60 + 3 * 7).astype(np.float32)
    order = np.argsort([np.flatnonzero(values == window[0, 0])[0] for window in data.train.x])
    parts = [data.train[order], data.validation, data.test]
    assert [part.x.shape for part in parts] == [(40, 5, 1), (10, 5, 1), (10, 5, 1)]
    begin = 0
    for part in parts:
        for number, (window, target) in enumerate(zip(part.x, part.y, strict=True)):
            at = begin + number
            np.testing.assert_array_equal(window[:, 0], values[at : at + 5])
            assert target == values[at + 7]
        begin += len(part) + 7
    assert begin == len(values)


def test_a_part_that_would_be_empty_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.validation must be smaller .* 80 samples; got 80"):
        load_dataset(DataSpec("mackey_glass", {"samples": 100}, validation=80), 1)
