"""An average of a member's weights took no step itself: what that means for its metrics."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from apps.breeding.fitness import fitness_of
from apps.messages.objective import Objective
from apps.messages.results import TrainResult
from apps.messages.specs import AverageSpec
from apps.messages.tasks import Workplace
from apps.tasks.train import train_member
from tests.support.small import training

TASK = training(last_epoch=3)


@pytest.fixture(scope="module")
def plain(place: Workplace) -> TrainResult:
    """The same member without an average."""
    return train_member(TASK, place)


@pytest.mark.parametrize("kind", ["swa", "ema"])
def test_an_average_has_no_metrics_of_a_training_it_did_not_have(
    plain: TrainResult, place: Workplace, kind: Any
) -> None:
    average = AverageSpec(kind, after_epoch=1, decay=0.5)
    result = train_member(replace(TASK, average=average, folder=kind), place)
    assert result.status == "done"
    metrics = [record.metrics for record in result.epochs]
    assert metrics == [record.metrics for record in plain.epochs]
    assert list(result.final) == list(plain.final)
    unknown = {name for name, value in result.final.items() if math.isnan(value)}
    assert unknown == {"loss", "accuracy"}
    assert result.final["train_loss"] != plain.final["train_loss"]
    assert fitness_of(result, Objective("loss")) == result.final["train_loss"]
    assert fitness_of(result, Objective("val_loss")) == result.final["val_loss"]


def test_a_member_that_is_not_averaged_yet_has_them(plain: TrainResult, place: Workplace) -> None:
    task = replace(TASK, average=AverageSpec("swa", after_epoch=3), folder="early")
    result = train_member(task, place)
    assert result.final == plain.final
    assert fitness_of(result, Objective("loss")) == plain.epochs[-1].metrics["loss"]
