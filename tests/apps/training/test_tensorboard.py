"""What is written for TensorBoard."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.messages.results import TrainResult
from apps.messages.tasks import Workplace
from apps.tasks.train import train_member
from tests.support.kind_tasks import data, task


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


def test_every_epoch_is_written_for_tensorboard_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    place = Workplace(str(tmp_path), tensorboard=True)
    given = task(data("weighted"), folder="trial-000/a")
    for _ in range(2):
        result: TrainResult = train_member(given, place)
    (file,) = (tmp_path / "tensorboard" / given.folder).iterdir()
    events = EventAccumulator(str(file)).Reload()
    found = [(each.step, each.tensor_proto) for each in events.Tensors("val_loss")]
    assert [step for step, _ in found] == [1, 2, 3, 4]
    values = [proto.float_val[0] for _, proto in found]
    assert values == pytest.approx([each.metrics["val_loss"] for each in result.epochs])
