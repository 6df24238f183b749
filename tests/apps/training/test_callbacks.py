"""Callbacks of Keras's and of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.errors import UserError
from apps.messages.specs import OperatorSpec, TrainingSpec
from apps.messages.tasks import TrainTask, Workplace
from apps.records.checkpoints import open_checkpoint
from apps.tasks.train import train_member
from tests.support.kind_tasks import HERE, data, task


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


def with_callback(name: str, **params: Any) -> TrainTask:
    given = TrainingSpec(32, callbacks=(OperatorSpec(name, params),))
    return task(data("weighted"), training=given, last_epoch=6)


def test_early_stopping_ends_a_segment_with_the_weights_of_its_best_epoch(place: Workplace) -> None:
    settings = {"monitor": "val_loss", "mode": "max", "patience": 1, "restore_best_weights": True}
    result = train_member(with_callback("early_stopping", **settings), place)
    plain = train_member(task(data("weighted"), last_epoch=1, folder="plain"), place)
    assert [record.epoch for record in result.epochs] == [1, 2]
    best, first = (open_checkpoint(each.checkpoint, place).weights for each in (result, plain))
    assert all(np.array_equal(best[name], first[name]) for name in best)
    assert result.final["val_loss"] == plain.final["val_loss"]


def test_a_callback_of_ones_own_acts_and_leaves_no_trace_in_the_next_member(
    place: Workplace,
) -> None:
    own = with_callback(f"{HERE}:halving", after=1)
    result = train_member(own, place)
    assert (Path(place.root) / own.folder / "note.txt").read_text().startswith("5 ['accuracy'")
    plain = task(data("weighted"), last_epoch=6, folder="plain")
    after, before = (
        train_member(plain, place),
        train_member(replace(plain, last_epoch=2, folder="two"), place),
    )
    assert result.epochs[1].metrics == before.epochs[1].metrics == after.epochs[1].metrics
    assert result.epochs[2].metrics != after.epochs[2].metrics
    alone = train_member(replace(plain, folder="alone"), place)
    assert alone.checkpoint.sha256 == after.checkpoint.sha256


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("early_stoping", {}, '"early_stoping" is unknown.*did you mean .early_stopping'),
        ("early_stopping", {"patient": 3}, "'early_stopping' with .*patient"),
        (f"{HERE}:by_batch", {}, "on_train_batch_end, which is never called"),
        (f"{HERE}:by_lambda", {}, "on_train_batch_end, which is never called"),
        (f"{HERE}:at_evaluation", {}, "on_test_begin, which is never called"),
        (f"{HERE}:own_optimizer", {}, "must return a keras.callbacks.Callback, got SGD"),
    ],
)
def test_a_callback_that_cannot_work_is_refused(
    name: str, params: dict[str, Any], message: str, place: Workplace
) -> None:
    with pytest.raises(UserError, match=message):
        train_member(with_callback(name, **params), place)


def test_a_rate_that_a_callback_sets_is_not_undone_in_silence(place: Workplace) -> None:
    given = with_callback(f"{HERE}:slowing")
    train_member(replace(given, last_epoch=2, folder="alone"), place)
    with pytest.raises(UserError, match="sets the learning rate, and the arm's schedule"):
        train_member(replace(given, last_epoch=2, rates=(1.0, 0.5)), place)
