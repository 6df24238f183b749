"""Where there is nothing to find, an experiment finds nothing: the error rate that it promises.

The whole way is gone many times with training replaced by noise: from the experiment file through
the driver, mating, harvest, tables and statistics to the sentence that a report opens with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from analysis.report.write import write_report
from analysis.statistics.overview import Overview, overview
from analysis.statistics.wording import ALPHA, is_clear, verdict
from apps.messages.fingerprints import fingerprint
from apps.messages.results import CheckpointRef, Cost, EpochRecord, TrainResult
from apps.messages.tasks import TrainTask, Workplace
from apps.records.run_dir import RunDir
from apps.tasks.kind import kind_of
from apps.tasks.perform import Outcome, perform
from tests.support.experiments import ImmediateEngine, Ran, drive, load
from workflow.runs.tables import write_tables

RUNS = 150
"""Simulated runs, of 8 trials each."""

NOISE = 0.02
"""Relative standard deviation of a network's losses."""

BY_CHANCE = 1e-3
"""How probable it is at most that the test fails when all is right, had it other seeds."""


class Noise:
    """Performs tasks as usual, but for training: losses fall at random, alike in every arm.

    Args:
        gain: by how much smaller, as a fraction, the losses of the arm `again` are.
    """

    def __init__(self, gain: float = 0.0) -> None:
        self._gain = gain

    def __call__(self, task: object, place: Workplace, upstream: Sequence[Outcome]) -> Outcome:
        if not isinstance(task, TrainTask):
            return perform(task, place, upstream)
        settled, below = kind_of(task).settle(task, upstream)
        rng = np.random.default_rng([task.seed, *task.folder.encode()])  # of its own in every arm
        epochs = range(task.first_epoch + 1, task.last_epoch + 1)
        gain = self._gain if "/again/" in task.folder else 0.0
        kinds = ("loss", "val_loss", "train_loss", "test_loss")
        losses = [
            {kind: (1 - gain) / epoch * rng.normal(1.0, NOISE) for kind in kinds}
            for epoch in epochs
        ]
        return TrainResult(
            fingerprint=fingerprint(settled, below),
            member=task.member,
            status="done",
            reason="",
            epochs=tuple(
                EpochRecord(epoch, {kind: each[kind] for kind in kinds[:2]}, 0.0)
                for epoch, each in zip(epochs, losses, strict=True)
            ),
            final=losses[-1],
            start={},
            checkpoint=CheckpointRef(f"{task.folder}/checkpoint.safetensors", task.folder),
            cost=Cost(0.0, 0.0, 0.0, 0.0, "here", "this"),
            genome=task.genome,
        )


def simulated(folder: Path, seed: int, noise: Noise) -> Ran:
    """Run an experiment of the control and an arm that is halted, and goes on as it was."""
    again = {"name": "again", "halts": [0.5], "mating": "self"}
    arms = [{"name": "control"}, again]
    experiment = load(folder, trials=8, population=2, seed=seed, arms=arms)
    root = folder / f"run-{seed}"
    place = Workplace(root=str(root), search_path=str(folder))
    ran = drive(experiment, root, ImmediateEngine(place, noise))
    assert ran.outcomes.failed_arms == []
    return ran


def claims(numbers: Overview) -> bool:
    """Whether the verdict says that the held-out loss differs."""
    lead = verdict(numbers).partition(";")[0]
    claimed = " lowers the held-out loss " in lead or " raises the held-out loss " in lead
    assert claimed == is_clear(numbers.rows("val_loss")[0])
    assert claimed != (" cannot be told from the control " in lead)
    return claimed


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_control_against_control_finds_nothing_in_95_percent_of_cases(tmp_path: Path) -> None:
    """As many false claims as 5 % make probable: not more, nor as few as those of a deaf test."""
    found = sum(claims(overview(simulated(tmp_path, seed, Noise()).tables)) for seed in range(RUNS))
    fewest, most = binom.ppf([BY_CHANCE / 2, 1 - BY_CHANCE / 2], RUNS, ALPHA)
    assert (fewest, most) == (1, 18)
    assert fewest <= found <= most


def test_a_difference_of_three_standard_deviations_is_found_and_told(tmp_path: Path) -> None:
    ran = simulated(tmp_path, 0, Noise(gain=3 * NOISE))
    numbers = overview(ran.tables)
    assert claims(numbers)
    assert verdict(numbers).startswith("again lowers the held-out loss by ")
    run = RunDir(tmp_path / "run-0")
    write_tables(ran.outcomes, run)
    assert "again lowers the held-out loss by" in write_report(run).read_text(encoding="utf-8")
