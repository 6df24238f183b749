"""How far two stored networks are apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.files import DamagedFile
from apps.records.checkpoint_diff import largest_difference
from apps.records.checkpoints import Checkpoint, save_checkpoint

WEIGHTS = {"a": np.zeros((2, 3), np.float32), "b": np.ones(2, np.float32)}


def apart(folder: Path, **changed: Any) -> tuple[str, float]:
    save_checkpoint(folder / "one", Checkpoint(WEIGHTS))
    other = {name: array for name, array in (WEIGHTS | changed).items() if array is not None}
    save_checkpoint(folder / "other", Checkpoint(other))
    there = largest_difference(folder / "one", folder / "other")
    assert largest_difference(folder / "other", folder / "one") == there
    return there


def test_the_same_network_is_no_way_apart(tmp_path: Path) -> None:
    assert apart(tmp_path) == ("", 0.0)


def test_the_array_is_named_that_differs_most(tmp_path: Path) -> None:
    moved = WEIGHTS["a"].copy()
    moved[1, 2] = -0.5
    assert apart(tmp_path, a=moved, b=WEIGHTS["b"] + np.float32(0.25)) == ("a", 0.5)


@pytest.mark.parametrize(
    "changed",
    [
        {"a": np.zeros((2, 4), np.float32)},
        {"a": None},
        {"c": np.zeros(1, np.float32)},
        {"a": np.full((2, 3), np.nan, np.float32)},
    ],
)
def test_networks_of_two_architectures_are_as_far_apart_as_can_be(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    assert apart(tmp_path, **changed) == (next(iter(changed)), float("inf"))


def test_what_is_no_checkpoint_is_damaged(tmp_path: Path) -> None:
    apart(tmp_path)
    with pytest.raises(DamagedFile):
        largest_difference(tmp_path / "one", tmp_path / "none")
