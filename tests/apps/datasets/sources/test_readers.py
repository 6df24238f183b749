"""The readers by name: their settings, and files that change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.load import prepare
from apps.datasets.sources.readers import READERS, content_digest, make_reader
from apps.errors import UserError
from apps.messages.specs import DataSpec
from tests.support.data_files import X, Y, refused, spec


# ------------------------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        (
            "npz",
            {},
            r'data\.params\.path is needed by data\.name = "npz"; it has the settings path',
        ),
        ("npz", {"path": "a", "tset": 1}, r"unknown key 'tset'; did you mean 'test'\?"),
        ("npz", {"path": 3}, r"data\.params\.path = 3 of .*string"),
        ("npz", {"path": "a", "test": 1.5}, r"data\.params\.test = 1\.5 .* a share is less than 1"),
        ("npz", {"path": "a", "test": True}, "should be a share between 0 and 1"),
        ("images", {"path": "a", "size": [3]}, r"data\.params\.size = \[3\]"),
        ("images", {"path": "a", "color": "grey"}, "'rgb' or 'gray'"),
        ("table", {"path": "a.csv"}, r"data\.params\.target is needed"),
        ("friedman", {"features": 4}, r"data\.params\.features = 4 .*5"),
    ],
)
def test_wrong_settings_are_refused_by_name(
    name: str, params: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    refused(DataSpec(name, params), tmp_path, expected)


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"friedman", "mackey_glass"}))
def test_a_missing_path_is_told_in_full(name: str, tmp_path: Path) -> None:
    params = {"target": "y"} if name == "table" else {}
    refused(
        spec(name, **params), tmp_path, f"{tmp_path / 'data'}: there is no such f.*data.params.path"
    )


def test_a_reader_has_no_folder_beside_its_path(tmp_path: Path) -> None:
    given = DataSpec("npz", {"path": "data"}, folder="/data")
    refused(given, tmp_path, r"data\.folder is for fashion_mnist; npz")


def test_an_unknown_name_knows_the_readers() -> None:
    with pytest.raises(UserError, match="did you mean 'images'"):
        prepare(DataSpec("image"))


# ------------------------------------------------------------------------------- files that change
def test_a_changed_file_is_noticed_and_a_moved_one_is_the_same(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "data", x=X, y=Y)
    reader = make_reader("npz", {"path": "data.npz"})
    digest = content_digest(reader, tmp_path / "one")
    assert digest == content_digest(reader, tmp_path / "two")
    known = DataSpec("npz", {"path": "data.npz"}, validation=2, digest=digest)
    prepare(known, str(tmp_path / "one"))
    np.savez(tmp_path / "one" / "data", x=X + 1, y=Y)
    with pytest.raises(UserError, match=r'files of data "npz" have changed .*data\.npz; '):
        prepare(known, str(tmp_path / "one"))


def test_made_data_have_no_digest(tmp_path: Path) -> None:
    assert content_digest(make_reader("friedman", {}), tmp_path) == ""
