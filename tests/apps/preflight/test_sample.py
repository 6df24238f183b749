"""The cost of a network is measured by training it, and nothing is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.messages.results import EpochRecord
from apps.messages.specs import AverageSpec, FamilySpec, OuterSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.preflight import sample
from apps.preflight.sample import sample_training
from apps.records.lessons import save_predictions
from apps.tasks.train import trainer_of
from tests.support.one_task import TASK, performed
from tests.support.small import ADAM, training


def test_a_sample_measures_and_stores_nothing(tmp_path: Path) -> None:
    found = sample_training(TASK, Workplace(str(tmp_path)))
    assert 0 < found.epoch_s < 60
    assert found.sizes.checkpoint(TASK) > 3 * 4 * 784 * 8, "weights, and Adam's two moments"
    assert found.sizes.predictions == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("optimizer", [ADAM, TrainingSpec(32, "adam", {"use_ema": True})])
def test_a_checkpoint_takes_no_more_than_is_told(optimizer: TrainingSpec, tmp_path: Path) -> None:
    place = Workplace(str(tmp_path))
    sizes = sample_training(training(training=optimizer), place).sizes
    swa, ema = AverageSpec("swa", 0, 0.0), AverageSpec("ema", 1, 0.9)
    settings = (
        {},
        {"average": swa},
        {"outer": OuterSpec()},
        {"average": ema, "outer": OuterSpec()},
    )
    for number, each in enumerate(settings):
        changes: dict[str, Any] = {"training": optimizer, "folder": str(number), **each}
        task = training(last_epoch=2, **changes)
        stored = (tmp_path / performed(task, place).checkpoint.path).stat().st_size
        assert 0.6 * sizes.checkpoint(task) < stored <= sizes.checkpoint(task), each


def test_predictions_take_no_more_than_is_told(tmp_path: Path) -> None:
    place = Workplace(str(tmp_path))
    told = sample_training(TASK, place, teaches=True).sizes.predictions
    trainer = trainer_of(TASK, place)
    weights = trainer.blueprint.initial_weights(0)
    path = tmp_path / "lesson"
    save_predictions(path, trainer.measures.training_predictions(weights))
    assert 0.8 * told < path.stat().st_size <= told


def test_the_epoch_of_a_family_is_that_of_all_its_relatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "one_epoch", lambda *_: EpochRecord(1, {}, 6.0))
    monkeypatch.setattr(sample, "final_metrics", lambda *_: {})
    task = training(family=FamilySpec(3, 1))
    assert sample_training(task, Workplace(str(tmp_path))).epoch_s == 2.0
