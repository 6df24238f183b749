"""Files in the layout of MNIST: what is read, and what is refused."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.fashion_mnist import SAMPLE
from apps.datasets.load import load_dataset
from apps.messages.specs import DataSpec
from tests.support.data_files import refused, spec


def idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def idx_folder(tmp_path: Path) -> Callable[..., Path]:
    def write(train: int = 6, labels: int = 6, packed: bool = False) -> Path:
        (tmp_path / "data").mkdir()
        for name, array in {
            "train-images-idx3-ubyte": np.arange(train * 12).reshape(train, 3, 4),
            "train-labels-idx1-ubyte": np.arange(labels) % 3,
            "t10k-images-idx3-ubyte": np.zeros((3, 3, 4)),
            "t10k-labels-idx1-ubyte": np.arange(3),
        }.items():
            content = idx_bytes(array.astype(np.uint8))
            end = ".gz" if packed else ""
            path = tmp_path / "data" / f"{name}{end}"
            path.write_bytes(gzip.compress(content) if packed else content)
        return tmp_path

    return write


@pytest.mark.parametrize("packed", [False, True])
def test_idx_reads_any_images_of_mnists_layout(
    packed: bool, idx_folder: Callable[..., Path]
) -> None:
    folder = idx_folder(packed=packed)
    data = load_dataset(spec("idx", channels=True), 0, str(folder))
    assert data.train.x.shape == (4, 3, 4, 1)
    assert data.train.x.dtype == np.uint8
    assert data.input_scale == 1 / 255
    np.testing.assert_array_equal(data.train.x[:, 0, 0, 0] // 12 % 3, data.train.y)


def test_idx_reads_what_the_verified_reader_reads() -> None:
    folder = SAMPLE.folders[0]
    own = load_dataset(spec("idx", path=str(folder)), 3)
    known = load_dataset(DataSpec("fashion_mnist_sample", validation=2), 3)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(own, part).x, getattr(known, part).x)
        np.testing.assert_array_equal(getattr(own, part).y, getattr(known, part).y)


def test_idx_that_lacks_a_file_names_it(idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder()
    (folder / "data" / "t10k-labels-idx1-ubyte").unlink()
    refused(spec("idx"), folder, r"data: missing t10k-labels-idx1-ubyte\.gz")


def test_idx_of_two_data_sets_is_refused(idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder()
    (folder / "data" / "letters-train-images-idx3-ubyte").write_bytes(b"")
    refused(spec("idx"), folder, "letters-train-.* and train-images-.* are both x_train")


def test_idx_that_is_damaged_is_refused(idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder(labels=5)
    refused(spec("idx"), folder, "got 6 in x_train and 5 in y_train")
    path = folder / "data" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    refused(spec("idx"), folder, "train-images-idx3-ubyte: not a sound idx file .*87 bytes")
    path.write_bytes(b"<html>")
    refused(spec("idx"), folder, "first bytes are not those of the format")
