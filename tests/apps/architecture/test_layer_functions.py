"""What a layer computes, as far as growth must know it."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

from apps.architecture.layer_functions import function_step


@pytest.mark.parametrize(
    ("name", "slope"), [("linear", 1.0), ("relu", 0.5), ("tanh", 0.6057), ("sigmoid", 0.2066)]
)
def test_a_function_has_the_slope_of_the_line_nearest_to_it(name, slope):
    import keras

    step = function_step(keras.activations.get(name), (0,), 1)
    assert step.slope == pytest.approx(slope, abs=1e-4)
