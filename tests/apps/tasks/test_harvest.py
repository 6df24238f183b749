"""A population becomes one network, and the run's champion a file that Keras opens."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.breeding.population import TooFewSurvivors
from apps.messages.fingerprints import fingerprint
from apps.messages.results import CheckpointRef, Failure, HarvestResult, TrainResult
from apps.messages.specs import NO_GENOME
from apps.messages.tasks import HarvestTask, Workplace
from apps.records.checkpoints import Checkpoint, save_checkpoint
from apps.records.result_files import load_result
from apps.tasks.perform import perform
from apps.training.trainer import trainer_for
from tests.support.examples import example
from tests.support.small import ADAM, DATA, PLAIN, SEED


# ------------------------------------------------------------------------------- the best member
def harvest(**changes: Any) -> HarvestTask:
    fields: dict[str, Any] = {
        "seed": SEED,
        "trial": 0,
        "members": 4,
        "fitness": "val_loss",
        "method": "best",
        "align": "none",
        "repair": False,
        "epochs": 4,
        "data": DATA,
        "network": PLAIN,
        "training": ADAM,
        "folder": "harvest",
    }
    return HarvestTask(**fields | changes)


def member(number: int, fitness: float, status: Any = "done") -> TrainResult:
    return replace(
        example(TrainResult),
        member=number,
        status=status,
        final={"val_loss": fitness, "test_loss": 2 * fitness},
        checkpoint=CheckpointRef(f"member-{number}", f"bytes of {number}"),
    )


def test_the_best_finite_member_is_the_champion(tmp_path: Path) -> None:
    population = [
        member(0, math.nan),
        member(1, 0.01, status="diverged"),
        Failure("lost"),
        member(3, 0.5),
    ]
    place = Workplace(str(tmp_path))
    found = perform(harvest(), place, population)
    assert isinstance(found, HarvestResult)
    assert (found.members, found.fitness, found.method) == ((3,), 0.5, "best")
    assert found.checkpoint == CheckpointRef("member-3", "bytes of 3")
    assert found.final == {"val_loss": 0.5, "test_loss": 1.0}
    stored = load_result(tmp_path / "harvest", HarvestResult, fingerprint(harvest(), population))
    assert stored == found


def test_a_population_without_a_survivor_has_no_champion(tmp_path: Path) -> None:
    population = [Failure("lost")] * 3 + [member(3, math.inf)]
    with pytest.raises(TooFewSurvivors, match="the harvest needs 1 member with a finite val_loss"):
        perform(harvest(), Workplace(str(tmp_path)), population)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


# ---------------------------------------------------------------------------------------- a merge
@pytest.mark.parametrize("method", ["mean", "greedy"])
@pytest.mark.parametrize(("loss", "train_loss", "merged"), [(0.0, 99.0, True), (99.0, 0.0, False)])
def test_members_and_merges_are_compared_on_the_whole_training_set(
    place: Workplace, method: Any, loss: float, train_loss: float, merged: bool
) -> None:
    """A merge has no running loss."""
    trainer = trainer_for(DATA, PLAIN, ADAM, SEED, place)
    population = []
    for number in range(2):
        name = f"apart-{number}"
        weights = Checkpoint(trainer.blueprint.initial_weights(number))
        ref = CheckpointRef(name, save_checkpoint(Path(place.root) / name, weights))
        final = {"loss": loss + number, "train_loss": train_loss + number}
        population.append(
            replace(member(number, 0.0), final=final, checkpoint=ref, genome=NO_GENOME)
        )
    task = harvest(members=2, fitness="loss", method=method, folder=f"{method}-{merged}")
    found = perform(task, place, population)
    assert isinstance(found, HarvestResult)
    assert found.method == (method if merged else "best")
    assert found.fitness == found.final["train_loss"]
    assert all(math.isnan(found.final[name]) for name in ("loss", "accuracy") if merged)
    assert math.isfinite(found.final["train_loss"])
