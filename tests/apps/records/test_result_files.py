"""A task's result is a file, and only a whole one of the same message counts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.messages.results import (
    EpochRecord,
    ExportResult,
    Failure,
    HarvestResult,
    MatingPlan,
    TrainResult,
)
from apps.records import result_files
from apps.records.checkpoints import Checkpoint
from apps.records.result_files import (
    checkpoint_is_whole,
    is_recorded,
    load_failure,
    load_partial,
    load_result,
    save_failure,
    save_partial,
    save_result,
)
from apps.records.run_dir import FAILURE, RESULT
from tests.support.examples import example

STATE = Checkpoint({"w": np.arange(3.0)}, {"000": np.array(2)}, {"000": np.array([1, 2])})
RECORDS = [EpochRecord(1, {"loss": 0.5, "val_loss": float("inf")}, 0.1)]


@pytest.mark.parametrize("kind", [TrainResult, MatingPlan, HarvestResult, ExportResult])
def test_a_result_is_found_by_its_fingerprint_alone(tmp_path: Path, kind: type[Any]) -> None:
    result = replace(example(kind), fingerprint="mine")
    save_result(tmp_path / "task", result)
    assert load_result(tmp_path / "task", kind, "mine") == result
    assert load_result(tmp_path / "task", kind, "another") is None
    assert load_result(tmp_path / "empty", kind, "mine") is None


def test_a_result_of_another_kind_does_not_count(tmp_path: Path) -> None:
    save_result(tmp_path, replace(example(MatingPlan), fingerprint="mine"))
    assert load_result(tmp_path, TrainResult, "mine") is None


@pytest.mark.parametrize("keep", [0, 1, 40, -2])
def test_a_truncated_record_does_not_count(tmp_path: Path, keep: int) -> None:
    result = replace(example(TrainResult), fingerprint="mine")
    save_result(tmp_path, result)
    path = tmp_path / RESULT
    path.write_bytes(path.read_bytes()[:keep])
    assert load_result(tmp_path, TrainResult, "mine") is None


def test_a_record_beyond_the_limit_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_result(tmp_path, replace(example(TrainResult), fingerprint="mine"))
    monkeypatch.setattr(result_files, "LARGEST", 10)
    assert load_result(tmp_path, TrainResult, "mine") is None


def test_a_lasting_failure_is_found_by_its_fingerprint_alone(tmp_path: Path) -> None:
    failure = Failure("too large [network-builder]", "task/error.txt", member=3)
    save_failure(tmp_path, "mine", failure)
    assert load_failure(tmp_path, "mine") == failure
    assert load_failure(tmp_path, "another") is None
    assert is_recorded(tmp_path, failure)
    assert not is_recorded(tmp_path, replace(failure, reason="its worker was lost"))
    (tmp_path / FAILURE).write_bytes((tmp_path / FAILURE).read_bytes()[:-2])
    assert load_failure(tmp_path, "mine") is None
    assert not is_recorded(tmp_path, failure)


def test_a_checkpoint_is_whole_when_its_bytes_are_the_recorded_ones(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checkpoint_is_whole(path, digest)
    path.write_bytes(b"abd")
    assert not checkpoint_is_whole(path, digest)
    assert not checkpoint_is_whole(tmp_path / "missing", digest)


def test_a_partial_checkpoint_comes_back_and_goes_when_the_task_is_done(tmp_path: Path) -> None:
    save_partial(tmp_path, "mine", STATE, RECORDS, {"loss": 0.25})
    found = load_partial(tmp_path, "mine")
    assert found is not None
    assert found.records == tuple(RECORDS)
    assert found.start == {"loss": 0.25}
    assert found.state.weights["w"].tolist() == [0, 1, 2]
    assert found.state.random["000"].tolist() == [1, 2]
    assert load_partial(tmp_path, "another") is None
    save_result(tmp_path, example(TrainResult))
    assert load_partial(tmp_path, "mine") is None
    assert os.listdir(tmp_path) == ["result.json"]


@pytest.mark.parametrize("name", ["partial.safetensors", "partial.json"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_a_damaged_partial_checkpoint_does_not_count(tmp_path: Path, name: str, how: str) -> None:
    save_partial(tmp_path, "mine", STATE, RECORDS, {})
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if how == "truncated":
        path.write_bytes(content[:-5])
    elif how == "flipped":
        content[2 if name.endswith("json") else -3] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    assert load_partial(tmp_path, "mine") is None


def test_a_partial_record_of_older_bytes_does_not_count(tmp_path: Path) -> None:
    """A worker may be lost between the two writes."""
    save_partial(tmp_path, "mine", STATE, RECORDS, {})
    record = (tmp_path / "partial.json").read_bytes()
    save_partial(tmp_path, "mine", replace(STATE, weights={"w": np.ones(3)}), RECORDS * 2, {})
    (tmp_path / "partial.json").write_bytes(record)
    assert load_partial(tmp_path, "mine") is None
