"""What is told of data that look odd, whatever they come from."""

from __future__ import annotations

import numpy as np
import pytest

from apps.datasets.arrays import Samples
from apps.datasets.checks import checked
from apps.datasets.dataset import Dataset
from apps.datasets.remarks import remarks


@pytest.mark.parametrize(
    ("shape", "dtype", "scale", "told"),
    [
        ((30, 4), np.uint8, None, True),
        ((30, 4), np.int32, None, False),
        ((30, 4), np.uint8, 1.0, False),
        ((30, 4, 4), np.uint8, None, False),
    ],
)
def test_bytes_that_are_no_pictures_are_told_to_be_taken_for_pixels(
    shape: tuple[int, ...], dtype: type, scale: float | None, told: bool
) -> None:
    part = np.full(shape, 9, dtype), np.resize([0.5, 1.5], shape[0])
    scaled = {} if scale is None else {"input_scale": scale}
    source = checked({"train": part, "validation": part, "test": part, **scaled})
    assert isinstance(source.validation, Samples)
    data = Dataset(source.train, source.validation, source.test, source.input_scale)
    found = [each for each in remarks(data, stratified=False) if "inputs are bytes" in each]
    assert len(found) == told


@pytest.mark.parametrize(
    ("loss", "told"),
    [(None, True), ("sparse_categorical_crossentropy", True), ("own:loss", True), ("mse", False)],
)
def test_whole_numbers_of_a_regression_are_no_classes(loss: str | None, told: bool) -> None:
    x = np.zeros((40, 2), np.float32)
    y = np.resize([1, 2, 3, 4], 40)
    source = checked({"train": (x, y), "validation": (x, y), "test": (x[:5], y[:5] // 2)})
    assert isinstance(source.validation, Samples)
    data = Dataset(source.train, source.validation, source.test)
    assert any("has the class" in each for each in remarks(data, False, loss)) == told
