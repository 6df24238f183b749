"""What a plug-in returns is brought to one form, or refused by the name of its part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apps.datasets.arrays import Samples
from apps.datasets.checks import PIXEL, checked
from apps.errors import UserError

X = np.arange(12, dtype=np.float64).reshape(4, 3)
Y = np.arange(4)


def given(x: Any = X, y: Any = Y, **more: Any) -> dict[str, Any]:
    return {"train": (x, y), "test": (x, y), **more}


@pytest.mark.parametrize("returned", [((X, Y), (X, Y)), [[X, Y], [X, Y]], given()])
def test_every_form_gives_the_same(returned: Any) -> None:
    found = checked(returned)
    assert (found.validation, found.input_scale, found.byte_targets) == (None, 1.0, frozenset())
    for part in (found.train, found.test):
        assert isinstance(part, Samples)
        assert (part.x.dtype, part.y.dtype) == (np.float32, np.int32)
        np.testing.assert_array_equal(part.x, X)
        np.testing.assert_array_equal(part.y, Y)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array([[1], [0], [1], [1]]), [1, 0, 1, 1]),
        ([True, False, True, True], [1, 0, 1, 1]),
        (np.array([0.5, 1, 2, 3]), [0.5, 1, 2, 3]),
        (np.array([[0.5], [1], [2], [3]]), [[0.5], [1], [2], [3]]),
    ],
)
def test_whole_numbers_of_targets_are_classes_and_others_stay(y: Any, expected: Any) -> None:
    found = checked(given(y=y)).train.y
    assert found.dtype == (np.float32 if np.asarray(y).dtype.kind == "f" else np.int32)
    np.testing.assert_array_equal(found, expected)


def test_bytes_are_pixels_unless_a_scale_is_given() -> None:
    pictures = np.zeros((4, 2, 2), np.uint8)
    assert checked(given(pictures)).input_scale == PIXEL
    assert checked(given(pictures, input_scale=2)).input_scale == 2
    assert checked(given({"a": pictures})).input_scale == 1.0


def test_targets_that_are_pictures_too_are_known_by_name() -> None:
    pictures = np.full((4, 2, 2), 7, np.uint8)
    assert checked(given(pictures, pictures)).byte_targets == {""}
    assert checked(given(pictures, {"a": pictures, "b": Y})).byte_targets == {"a"}
    mask = pictures // 7
    assert checked(given(pictures, mask)).byte_targets == frozenset()


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (3, "must return .* got int"),
        ({"train": (X, Y)}, "must have the keys train and test"),
        (given(input_scale=True), "input_scale must be a finite number, got True"),
        (given(validation=(X, Y, Y, Y)), r"validation must be \(x, y\) or .* got 4 things"),
        (given(x=X[:3]), "train must have inputs and targets of one length, got 3 in x_train and"),
        (given(X[:0], Y[:0]), "at least one sample"),
        (given(X, ["a"] * 4), "y_train must be numeric"),
        (given(np.where(X == 5, 1e300, X)), r"x_train must be finite .* at index \[1, 2\]"),
        (given(y=Y + 2**40), "y_train must be within int32"),
        (given(np.ma.masked_equal(X, 5)), "x_train is a masked array"),
        (given(validation=(X[:, :2], Y)), r"x_validation must be like x_train.*\(3,\).*\(2,\)"),
        (given({"a": X}, validation=({"b": X}, Y)), "must have the names of x_train, a; got b"),
        (given({3: X}), "must name its arrays by strings"),
        (given(validation=(X, Y, Y - 1)), "one number from 0 a sample"),
        (given(validation=(each for each in [X])), "is a generator"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(returned: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        checked(returned)


def test_weights_by_output_are_refused_by_the_names() -> None:
    x, y = np.zeros((9, 2), np.float32), np.resize([0, 1], 9)
    part = x, {"label": y, "num": y / 2}, {"label": np.ones(9), "num": np.ones(9)}
    told = r"weights of train must be one array, a number a sample, .* label, num; .*loss_weights"
    with pytest.raises(UserError, match=told) as raised:
        checked({"train": part, "test": part})
    assert raised.value.code == "data-weights"
