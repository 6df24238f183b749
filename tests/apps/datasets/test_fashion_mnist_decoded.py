"""Files are decoded once a machine, by whoever comes first."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from filelock import FileLock

from apps.datasets import fashion_mnist, idx
from apps.datasets.fashion_mnist import (
    Collection,
    load_arrays,
)
from apps.errors import UserError
from tests.support.sample_files import Folder, assert_is_sample, fetch_shipped, no_fetch

pytestmark = pytest.mark.usefixtures("cache")


def test_decoded_arrays_are_mapped_without_the_files(
    folder: Folder, collection: Collection
) -> None:
    path = folder("system")
    _, decoded = load_arrays(collection=collection, fetch=no_fetch)
    shutil.rmtree(path)
    arrays, again = load_arrays(collection=collection, fetch=no_fetch)
    assert decoded == again is not None
    assert_is_sample(arrays)
    assert isinstance(arrays["x_train"].base, np.memmap)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(b"PK\3\4" + path.read_bytes()[4:]),
        lambda path: np.save(path, np.zeros((3, 28, 28), np.uint8)),
        lambda path: np.save(path, np.zeros((2000, 28, 28), np.int8)),
    ],
)
def test_damaged_decoded_file_is_redone(
    folder: Folder, collection: Collection, damage: Callable[[Path], object]
) -> None:
    folder("system")
    _, decoded = load_arrays(collection=collection, fetch=no_fetch)
    assert decoded is not None
    path = decoded / "x_train.npy"
    whole = path.read_bytes()
    damage(path)
    arrays, again = load_arrays(collection=collection, fetch=no_fetch)
    assert_is_sample(arrays)
    assert again == decoded
    assert path.read_bytes() == whole
    assert not list(decoded.glob(".x_train*"))


@pytest.mark.parametrize("stage", ["folder", "write"])
def test_unwritable_cache_decodes_in_memory_with_a_warning(
    tmp_path: Path,
    folder: Folder,
    collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stage: str,
) -> None:
    folder("system")
    if stage == "folder":
        (tmp_path / "cache").write_text("a file where the folder would be")
    else:

        def full(folder: Path, arrays: idx.Arrays) -> NoReturn:
            raise OSError(28, "No space left on device", str(folder))

        monkeypatch.setattr(idx, "store", full)
    arrays, decoded = load_arrays(collection=collection, fetch=no_fetch)
    assert decoded is None
    assert_is_sample(arrays)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "HETEROSIS_DATA" in record.getMessage()


def test_nothing_is_downloaded_that_cannot_be_kept(tmp_path: Path, collection: Collection) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    with pytest.raises(UserError, match=r"not tried, because .* cannot be written"):
        load_arrays(collection=collection, fetch=fetch_shipped)


def test_lock_held_by_another_ends_with_a_message(
    cache: Path, folder: Folder, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder("system")
    monkeypatch.setattr(fashion_mnist, "LOCK_TIMEOUT_S", 0.05)
    (cache / "tiny").mkdir(parents=True)
    with (
        FileLock(cache / "tiny" / ".lock"),
        pytest.raises(UserError, match=r"another process .*tiny/\.lock"),
    ):
        load_arrays(collection=collection, fetch=no_fetch)


def test_threads_decode_once(
    folder: Folder, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder("system")
    stored = []
    store = idx.store

    def counted(folder: Path, arrays: idx.Arrays) -> None:
        stored.append(folder)
        store(folder, arrays)

    monkeypatch.setattr(idx, "store", counted)
    results: list[idx.Arrays] = []
    threads = [
        threading.Thread(target=lambda: results.append(load_arrays(collection=collection)[0]))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored) == 1
    assert len(results) == 5
    for arrays in results:
        assert_is_sample(arrays)


def test_processes_share_what_one_decodes(folder: Folder, collection: Collection) -> None:
    folder("system")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        calls = [pool.apply_async(load_arrays, kwds={"collection": collection}) for _ in range(4)]
        results = [call.get(timeout=60) for call in calls]
    arrays, decoded = load_arrays(collection=replace(collection, folders=()), fetch=no_fetch)
    assert_is_sample(arrays)
    for theirs, folder_of_theirs in results:
        assert folder_of_theirs == decoded
        np.testing.assert_array_equal(theirs["x_train"], arrays["x_train"])
