"""Data sets in files: prepared for all workers, refused when damaged, and told about."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.datasets.fashion_mnist import FASHION_MNIST, SAMPLE
from apps.datasets.load import (
    COLLECTIONS,
    describe,
    load_dataset,
    prepare,
)
from apps.errors import UserError
from apps.messages.specs import DataSpec
from tests.support.sample_files import no_fetch

SPEC = DataSpec("fashion_mnist_sample", validation=500)

pytestmark = pytest.mark.usefixtures("nothing_kept")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`fashion_mnist` stands for the sample's files, installed in a folder; returns the folder."""
    folder = Path(shutil.copytree(SAMPLE.folders[0], tmp_path / "system"))
    small = replace(FASHION_MNIST, files=SAMPLE.files, folders=(folder,))
    monkeypatch.setitem(COLLECTIONS, "fashion_mnist", small)
    return folder


def test_prepare_decodes_for_all_workers(installed: Path, tmp_path: Path) -> None:
    spec = DataSpec("fashion_mnist", validation=500)
    decoded = prepare(spec, fetch=no_fetch)
    assert decoded == tmp_path / "cache" / "fashion-mnist" / "decoded"
    shutil.rmtree(installed)
    data = load_dataset(spec, seed=1)
    np.testing.assert_array_equal(data.train.x, load_dataset(SPEC, seed=1).train.x)


@pytest.mark.parametrize("decoded_before", [False, True])
def test_prepare_refuses_a_truncated_file(installed: Path, decoded_before: bool) -> None:
    spec = DataSpec("fashion_mnist", validation=500, folder=str(installed))
    if decoded_before:
        prepare(spec)
    path = installed / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="truncated") as caught:
        prepare(spec)
    assert str(path) in str(caught.value)


def test_prepare_refuses_a_wrong_checksum(installed: Path) -> None:
    path = installed / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[8] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(UserError, match="wrong checksum, expected SHA-256") as caught:
        prepare(DataSpec("fashion_mnist", folder=str(installed)))
    assert SAMPLE.files["y_train"].sha256 in str(caught.value)


def test_prepare_without_any_data_names_what_helps(installed: Path) -> None:
    shutil.rmtree(installed)
    with pytest.raises(UserError, match="apt-get install dataset-fashion-mnist"):
        prepare(DataSpec("fashion_mnist"), fetch=no_fetch)


def test_describe_the_sample() -> None:
    text = describe(SPEC)
    assert text.startswith("fashion_mnist_sample: 2,000 training and 500 test images")
    assert len(text.splitlines()) == 2
    assert f"{SAMPLE.folders[0]}: all 4 files, 1.1 MB, SHA-256 verified" in text


def test_describe_tells_each_place_then_the_decoded_arrays(installed: Path, tmp_path: Path) -> None:
    spec = DataSpec("fashion_mnist", validation=500)
    before = describe(spec)
    assert f"{tmp_path / 'cache' / 'fashion-mnist'}: there is no such folder" in before
    assert f"{installed}: all 4 files" in before
    assert before.endswith("decoded: not decoded")
    assert not (tmp_path / "cache").exists()
    prepare(spec)
    assert describe(spec).endswith("decoded: decoded, shared by all workers")


def test_describe_missing_data_says_what_to_do(installed: Path) -> None:
    shutil.rmtree(installed)
    assert "apt-get install dataset-fashion-mnist" in describe(DataSpec("fashion_mnist"))
