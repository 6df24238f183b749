"""The shipped sample's files: copied, changed, cut short, fetched or not."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from apps.datasets import idx
from apps.datasets.fashion_mnist import FASHION_MNIST, SAMPLE

SHIPPED = SAMPLE.folders[0]
FULL = FASHION_MNIST.folders[0]

# Tests fetch nothing; `.ci/run` installs the package, so that there these tests run.
needs_full_set = pytest.mark.skipif(
    not FULL.is_dir(), reason="Debian's dataset-fashion-mnist, which .ci/run installs, is not here"
)
NAMES = [f"{file.name}.gz" for file in SAMPLE.files.values()]


Folder = Callable[[str], Path]


def no_fetch(url: str, path: str, _: Any) -> NoReturn:
    raise OSError("no network in tests")


def fetch_shipped(url: str, path: str, _: Any) -> None:
    Path(path).write_bytes((SHIPPED / url.rsplit("/", 1)[1]).read_bytes())


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def change_a_pixel(path: Path) -> None:
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))


def assert_is_sample(arrays: idx.Arrays) -> None:
    expected = idx.decode(idx.read_folder(SHIPPED, SAMPLE.files), SAMPLE.files)
    assert arrays.keys() == expected.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, expected[key])
        assert not array.flags.writeable
