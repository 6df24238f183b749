"""What is told of data that look odd, whatever they come from."""

from __future__ import annotations

import numpy as np
import pytest

from apps.datasets.arrays import Samples
from apps.datasets.checks import checked
from apps.datasets.dataset import Dataset
from apps.datasets.load import told
from apps.datasets.remarks import remarks
from apps.messages.specs import DataSpec

HERE = "tests.apps.datasets.test_remarks"


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


def lacking(part: str, given: int) -> dict[str, object]:
    """Data with a class that a part lacks, in two parts or in three."""
    y = np.resize([0, 1, 2], 60)
    few = np.resize([0, 1], 60)
    names = ["train", "test", "validation"][:given]
    return {name: (np.zeros((60, 2), np.float32), few if name == part else y) for name in names}


@pytest.mark.parametrize(
    ("part", "given", "validation", "advised"),
    [
        ("test", 3, 9, False),
        ("validation", 3, 9, False),
        ("test", 2, 9, False),  # only validation data are drawn
        ("train", 2, 9, True),
        ("train", 2, 0, False),
    ],
)
def test_a_stratified_split_is_advised_where_a_part_is_drawn(
    part: str, given: int, validation: int, advised: bool
) -> None:
    params = {"part": part, "given": given}
    spec = DataSpec(f"{HERE}:lacking", params, validation=validation)
    found = [each for each in told(spec, 1).remarks if "has the class 2, which other" in each]
    assert found
    assert any("data.stratified = true" in each for each in found) == advised


@pytest.mark.parametrize(("given", "does_nothing"), [(3, True), (2, False)])
def test_a_stratified_split_of_nothing_is_told(given: int, does_nothing: bool) -> None:
    params = {"part": "test", "given": given}
    spec = DataSpec(f"{HERE}:lacking", params, validation=9, stratified=True)
    found = [each for each in told(spec, 1).remarks if "stratified" in each]
    assert found == (
        ["data.stratified = true changes nothing: all parts come as they are, and none is drawn"]
        * does_nothing
    )
