"""Folders with the sample's files, and a cache of the test's own."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.datasets.fashion_mnist import SAMPLE, Collection
from apps.datasets.load import forget_datasets
from tests.support.sample_files import NAMES, SHIPPED, Folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("HETEROSIS_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """The sample's files as a data set that is looked for in two system folders and the net."""
    return Collection(
        "tiny",
        SAMPLE.files,
        (tmp_path / "system", tmp_path / "local"),
        "http://data.invalid/",
        {name: hashlib.md5((SHIPPED / name).read_bytes()).hexdigest() for name in NAMES},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a folder that holds the sample's four files."""
    return lambda name: Path(shutil.copytree(SHIPPED, tmp_path / name))


@pytest.fixture
def nothing_kept(cache: Path) -> Iterator[None]:
    """An empty cache of files, and no data set in memory."""
    forget_datasets()
    yield
    forget_datasets()
