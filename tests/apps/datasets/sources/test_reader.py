"""How samples are shared out among the parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.load import describe, load_dataset
from apps.datasets.sources.reader import held_out
from apps.errors import UserError
from apps.messages.specs import DataSpec
from tests.support.data_files import X, picture, refused


def rare(name: str, folder: Path) -> dict[str, Any]:
    """Write data of 60, 60 and 3 samples of the classes a, b and c."""
    classes = np.repeat(["a", "b", "c"], [60, 60, 3])
    numbers = np.searchsorted(["a", "b", "c"], classes)
    if name == "images":
        for number, each in enumerate(classes):
            picture(folder / "data" / each / f"{number:03}.png", number)
        return {"path": "data"}
    if name == "npz":
        np.savez(folder / "data.npz", x=np.arange(123.0)[:, None], y=numbers)
        return {"path": "data.npz"}
    lines = [f"{number},{each}" for number, each in enumerate(classes)]
    (folder / "data.csv").write_text("\n".join(["x,y", *lines]))
    return {"path": "data.csv", "target": "y"}


@pytest.mark.parametrize("name", ["images", "npz", "table"])
@pytest.mark.parametrize("seed", range(4))
def test_a_stratified_split_has_every_class_in_every_part(
    name: str, seed: int, tmp_path: Path
) -> None:
    given = DataSpec(name, rare(name, tmp_path), validation=20, stratified=True)
    data = load_dataset(given, seed, str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (78, 20, 25)
    for part in (data.train, data.validation, data.test):
        counts = np.bincount(part.y, minlength=3)
        assert counts[2] == 1
        assert abs(int(counts[0]) - int(counts[1])) <= 1
    assert "has the class" not in describe(given, str(tmp_path), seed)


@pytest.mark.parametrize("name", ["images", "npz", "table"])
def test_a_class_that_a_part_lacks_is_told(name: str, tmp_path: Path) -> None:
    given = DataSpec(name, rare(name, tmp_path), validation=20)
    told = describe(given, str(tmp_path), 1)
    shown = "2" if name == "npz" else "c"
    assert re.search(
        rf"no (test|validation) sample has the class {shown}, .*data\.stratified = true", told
    )


def test_a_stratified_split_needs_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=X)
    given = DataSpec("npz", {"path": "data.npz"}, validation=2, stratified=True)
    with pytest.raises(UserError, match="stratified is for data with one class a sample"):
        load_dataset(given, 0, str(tmp_path))
    (tmp_path / "t.csv").write_text("x,y\n" + "1,2.5\n3,4.5\n" * 9)
    given = DataSpec("table", {"path": "t.csv", "target": "y"}, validation=2, stratified=True)
    refused(given, tmp_path, "stratified is for a target of classes")


@pytest.mark.parametrize("sizes", [[5], [1, 1], [7, 1, 2], [30, 11, 3, 2, 2], [2, 2, 2, 2, 2]])
def test_what_is_held_out_has_its_share_of_every_class(sizes: list[int]) -> None:
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    order = np.random.default_rng(1).permutation(len(classes))
    for count in range(len(order)):
        held, rest = held_out(order, count, classes[order])
        assert sorted([*held, *rest]) == list(range(len(order)))
        assert len(held) == count
        got = np.bincount(classes[held], minlength=len(sizes))
        wanted = np.array(sizes) * count / len(order)
        least = np.array([min(1, size - 1) for size in sizes])
        if least.sum() <= count <= (np.array(sizes) - 1).sum():
            assert (least <= got).all()
            assert (got < np.array(sizes)).all()
        if (np.floor(wanted) >= least).all() and (wanted <= np.array(sizes) - 1).all():
            assert (np.abs(got - wanted) < 2).all()
