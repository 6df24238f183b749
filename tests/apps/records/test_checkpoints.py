"""A network's whole state comes back exactly, or not at all."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from apps.files import DamagedFile, sha256_file
from apps.records.checkpoints import Checkpoint, load_checkpoint, save_checkpoint

GROUPS = [item.name for item in fields(Checkpoint) if item.name != "averaged"]


def full() -> Checkpoint:
    """Names out of order, every shape and dtype that Keras makes, values that are no numbers."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(7, 5)).astype(np.float32)
    kernel[0, :3] = [np.nan, -np.inf, -0.0]
    return Checkpoint(
        weights={
            "z/kernel": kernel,
            "a/bias": np.zeros(0, np.float32),
            "m/transposed": rng.normal(size=(3, 2)).astype(np.float32).T,
            "m/every other": np.arange(6, dtype=np.float32)[::2],
            "b/deep/name:2": np.array(3.5),
            "flags": np.array([True, False]),
            "half": np.array([1.5, 2.5], np.float16),
        },
        optimizer={"010": np.array(12, np.int64), "002": np.array(1e-3, np.float32)},
        random={"000": np.array([2**31 - 1, 7], np.uint32)},
        average={"z/kernel": np.full((7, 5), 1e-300), "a": np.array(2.0)},
        averaged=13,
    )


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()
    )


@pytest.mark.parametrize("empty", [(), *[(group,) for group in GROUPS], tuple(GROUPS)])
def test_a_checkpoint_comes_back_exactly(tmp_path: Path, empty: tuple[str, ...]) -> None:
    stored = replace(full(), **{group: {} for group in empty})
    path = tmp_path / "folder" / "a.safetensors"
    digest = save_checkpoint(path, stored)
    assert digest == sha256_file(path)
    loaded = load_checkpoint(path, digest)
    assert loaded.averaged == stored.averaged
    for group in GROUPS:
        one, other = getattr(stored, group), getattr(loaded, group)
        assert list(one) == list(other), "the order is part of the state"
        assert [name for name in one if not same(one[name], other[name])] == []


def test_equal_states_have_equal_bytes(tmp_path: Path) -> None:
    """What comes after a checkpoint is addressed by its bytes."""
    digests = {save_checkpoint(tmp_path / "a", full()) for _ in range(20)}
    assert len(digests) == 1
    assert save_checkpoint(tmp_path / "a", replace(full(), averaged=12)) not in digests


def test_loaded_arrays_belong_to_the_caller(tmp_path: Path) -> None:
    digest = save_checkpoint(tmp_path / "a", full())
    for array in load_checkpoint(tmp_path / "a", digest).weights.values():
        array[...] = 0
    assert load_checkpoint(tmp_path / "a", digest).weights["half"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file_is_damaged_even_without_a_record(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a"
    digest = save_checkpoint(path, full())
    path.write_bytes(path.read_bytes()[:keep])
    for expected in (digest, None):
        with pytest.raises(DamagedFile, match=str(path)):
            load_checkpoint(path, expected)


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    digest = save_checkpoint(path, full())
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="differ from the recorded SHA-256"):
        load_checkpoint(path, digest)


def test_another_whole_checkpoint_is_not_the_recorded_one(tmp_path: Path) -> None:
    digest = save_checkpoint(tmp_path / "a", full())
    save_checkpoint(tmp_path / "b", replace(full(), optimizer={}))
    with pytest.raises(DamagedFile, match=digest):
        load_checkpoint(tmp_path / "b", digest)


def _header(**state: Any) -> dict[str, str]:
    return {"state": json.dumps({"order": ["weights/a"], "averaged": 0} | state)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a checkpoint",
        b"\xff" * 64,
        bytes(8) + b"{}",
        save({"weights/a": np.zeros(2)}),
        save({"weights/a": np.zeros(2)}, metadata={"state": "no JSON"}),
        save({"weights/a": np.zeros(2)}, metadata=_header(order=["weights/b"])),
        save({"weights/a": np.zeros(2)}, metadata=_header(order=["weights"])),
        save({"weights/a": np.zeros(2)}, metadata=_header(order=3)),
        save({"weights/a": np.zeros(2)}, metadata=_header(order=[3])),
        save({"weights/a": np.zeros(2)}, metadata=_header(averaged="many")),
        save({"other/a": np.zeros(2)}, metadata=_header(order=["other/a"])),
    ],
)
def test_what_is_no_checkpoint_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DamagedFile, match="not a checkpoint of heterosis"):
        load_checkpoint(tmp_path / "a")


def test_a_missing_file_is_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="a checkpoint is needed here: No such file"):
        load_checkpoint(tmp_path / "missing")
    with pytest.raises(DamagedFile, match="a checkpoint is needed here: Is a directory"):
        load_checkpoint(tmp_path)
