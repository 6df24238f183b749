"""The cost of a network is measured by training it, and nothing is stored."""

from __future__ import annotations

from pathlib import Path

from apps.messages.tasks import Workplace
from apps.preflight.sample import sample_training
from tests.support.one_task import TASK


def test_a_sample_measures_and_stores_nothing(tmp_path: Path) -> None:
    sample = sample_training(TASK, Workplace(str(tmp_path)))
    assert 0 < sample.epoch_s < 60
    assert sample.checkpoint_bytes > 3 * 4 * 784 * 8, "weights, and Adam's two moments"
    assert list(tmp_path.iterdir()) == []
