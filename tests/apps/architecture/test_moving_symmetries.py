"""Units that are joined, flattened or brought elsewhere are found again where they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest

from tests.support.keras_networks import check_alignment

L = keras.layers


def groups(read: Callable[[Any, Any], Any], shape: tuple[int, ...] = (4, 3)) -> dict[str, int]:
    """Groups of two dense layers whose outputs are brought together, once they are checked."""
    x = keras.Input(shape)
    made = read(L.Dense(6, name="one")(x), L.Dense(6, name="two")(x))
    return check_alignment(keras.Model(x, L.Dense(2, name="last")(made)))


@pytest.mark.parametrize("join", ["Add", "Multiply", "Maximum", "Average", "Subtract"])
def test_what_meets_element_by_element_permutes_together(join: str) -> None:
    assert list(groups(lambda a, b: getattr(L, join)()([a, b])).values()) == [6]


def test_streams_beside_each_other_permute_on_their_own() -> None:
    assert list(groups(lambda a, b: L.Concatenate()([a, b])).values()) == [6, 6]


def test_positions_that_are_joined_let_units_meet() -> None:
    assert list(groups(lambda a, b: L.Concatenate(axis=1)([a, b])).values()) == [6]


def test_a_unit_that_is_flattened_keeps_its_positions() -> None:
    assert groups(lambda a, b: L.Flatten()(L.Add()([a, b]))) == {"one": 6}


@pytest.mark.parametrize(
    ("shape", "expected"), [((2, 2, 6), [6, 6]), ((24,), [6, 6]), ((8, 3), []), ((-1,), [6, 6])]
)
def test_units_are_followed_where_a_new_shape_keeps_them_on_one_axis(
    shape: tuple[int, ...], expected: list[int]
) -> None:
    def read(a: Any, b: Any) -> Any:
        return L.Flatten()(L.Concatenate()([L.Reshape(shape)(a), L.Reshape(shape)(b)]))

    assert list(groups(read).values()) == expected


def test_axes_may_be_exchanged() -> None:
    def read(a: Any, b: Any) -> Any:
        return L.Permute((2, 1))(L.Permute((2, 1))(L.Add()([a, b])))

    assert list(groups(read).values()) == [6]


def test_a_unit_that_is_repeated_is_one() -> None:
    def read(a: Any, b: Any) -> Any:
        return L.GlobalAveragePooling1D()(L.RepeatVector(3)(L.Multiply()([a, b])))

    assert list(groups(read, (3,)).values()) == [6]
