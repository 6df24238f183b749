"""One member's task, what it comes to, and what of that is not about where and when."""

from __future__ import annotations

from typing import Any

from apps.messages.results import TrainResult
from apps.messages.tasks import TrainTask, Workplace
from apps.records.checkpoints import Checkpoint, open_checkpoint
from apps.tasks.perform import perform
from tests.support.small import training

TASK = training()


def performed(task: TrainTask, place: Workplace) -> TrainResult:
    """Train a member and store its result."""
    found = perform(task, place, ())
    assert isinstance(found, TrainResult)
    return found


def stored(result: TrainResult, place: Workplace) -> Checkpoint:
    ref = result.checkpoint
    return open_checkpoint(ref, place)


def numbers(result: TrainResult) -> Any:
    """Everything of a result that is not about where and when it was computed."""
    return (
        result.member,
        result.status,
        result.reason,
        [(record.epoch, record.metrics) for record in result.epochs],
        result.final,
        result.start,
        result.checkpoint.sha256,
        result.log,
    )
