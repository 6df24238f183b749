"""What a layer computes, as far as growth must know it."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from typing import Any

import pytest

from apps.architecture.layer_functions import function_step


@pytest.mark.parametrize(
    ("name", "slope"), [("linear", 1.0), ("relu", 0.5), ("tanh", 0.6057), ("sigmoid", 0.2066)]
)
def test_a_function_has_the_slope_of_the_line_nearest_to_it(name, slope):
    import keras

    step = function_step(keras.activations.get(name), (0,), 1)
    assert step.slope == pytest.approx(slope, abs=1e-4)


def linear(layers: Any, keras: Any, *widths: int, window: int = 1, read: str = "mean") -> Any:
    """Convolutions without an activation, read by a dense layer or a recurrent one."""
    shape = [layers.Input((4, 4, 2))]
    shape += [layers.Conv2D(width, window, padding="same") for width in widths]
    if read == "mean":
        shape += [layers.GlobalAveragePooling2D(), layers.Dense(3)]
    elif read == "positions":
        shape += [layers.Flatten(), layers.Dense(3)]
    elif read == "normalized":
        shape += [layers.BatchNormalization(), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    else:
        shape += [layers.Reshape((16, widths[-1])), layers.LSTM(3)]
    return keras.Sequential(shape)
