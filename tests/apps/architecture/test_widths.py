"""Two models that differ in widths alone are told from all others."""

from __future__ import annotations

from typing import Any

import pytest

from apps.architecture.symmetries import symmetries
from apps.architecture.widths import same_but_for_widths
from apps.networks.builders import cnn, mlp


def alike(one: Any, other: Any) -> bool:
    return same_but_for_widths(one, other, symmetries(one), symmetries(other))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, True),
        ({"units": [3, 9]}, True),
        ({"units": [3, 9], "dropout": 0.5}, True),
        ({"units": [4, 5, 6]}, False),
        ({"units": [4]}, False),
        ({"units": [3, 9], "activation": "tanh"}, False),
        ({"units": [3, 9], "batch_normalization": True}, False),
        ({"units": [3, 9], "input_shape": (4, 5)}, False),
        ({"units": [3, 9], "classes": 5}, False),
        ({"units": [3, 9], "output": "sigmoid"}, False),
    ],
)
def test_dense_networks(other: dict[str, Any], expected: bool) -> None:
    usual = {"units": [4, 5], "input_shape": (4, 4), "classes": 3}
    one, two = mlp(**usual), mlp(**usual | other)
    assert alike(one, two) is alike(two, one) is expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"filters": [3, 2]}, True),
        ({"units": 9}, True),
        ({"filters": [3, 2, 2]}, False),
        ({"kernel": 5}, False),
        ({"flatten": False}, False),
        ({"input_shape": (12, 12)}, False),
    ],
)
def test_convolutions(other: dict[str, Any], expected: bool) -> None:
    usual = {"filters": [2, 4], "units": 5, "flatten": True, "input_shape": (8, 8), "classes": 3}
    one, two = cnn(**usual), cnn(**usual | other)
    assert alike(one, two) is alike(two, one) is expected
