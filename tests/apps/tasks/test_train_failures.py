"""What a member's training cannot do is done otherwise, or said, and leaves no trace."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.errors import HeterosisError
from apps.messages.fingerprints import fingerprint
from apps.messages.results import CheckpointRef, TrainResult
from apps.messages.specs import NetworkSpec, TrainingSpec
from apps.messages.tasks import Continue, Workplace
from apps.records.checkpoints import save_checkpoint
from apps.records.result_files import load_result
from apps.tasks.train import train_member
from tests.support.one_task import TASK, numbers, performed, stored
from tests.support.small import MOMENTUM, net, training


def test_training_without_xla_is_said_in_the_log_and_repeats(
    place: Workplace, tmp_path: Path
) -> None:
    task = training(
        network=net("python_in_training"), training=MOMENTUM, last_epoch=2, folder="fit"
    )
    once = train_member(task, place)
    (remark,) = once.log
    assert remark.startswith("trained by a graph without XLA: ")
    again = train_member(task, Workplace(str(tmp_path)))
    assert numbers(again) == numbers(once)


def test_a_member_that_diverges_stops_and_says_so(place: Workplace) -> None:
    wild = TrainingSpec(32, "sgd", {"learning_rate": 1e30})
    task = training(network=net("uncompiled"), training=wild, folder="wild")
    result = performed(task, place)
    assert result.status == "diverged"
    assert len(result.epochs) == 1
    assert result.reason in ("loss was nan after epoch 1", "loss was inf after epoch 1")
    assert set(result.final) == {
        f"{part}{name}" for part in ("", "val_", "train_", "test_") for name in ("loss", "accuracy")
    }
    assert all(math.isnan(value) for value in result.final.values())
    again = load_result(Path(place.root) / "wild", TrainResult, fingerprint(task))
    assert repr(again) == repr(result)


def test_a_diverged_member_leaves_no_trace_in_the_next(
    whole: TrainResult, first: TrainResult, place: Workplace, tmp_path: Path
) -> None:
    spoilt = stored(first, place)
    weights = {name: np.full_like(array, np.nan) for name, array in spoilt.weights.items()}
    digest = save_checkpoint(tmp_path / "spoilt", replace(spoilt, weights=weights))
    here = Workplace(str(tmp_path))
    start = Continue(CheckpointRef("spoilt", digest))
    result = train_member(replace(TASK, first_epoch=2, start=start, folder="diverged"), here)
    assert (result.status, len(result.epochs)) == ("diverged", 1)
    assert numbers(train_member(TASK, here)) == numbers(whole)


def test_a_bad_network_is_the_users_error(place: Workplace) -> None:
    with pytest.raises(HeterosisError, match="no setting 'unit'"):
        train_member(training(network=NetworkSpec("two_layer_dense", {"unit": 3})), place)
