"""Teachers: who they are, what they say together, and that architectures do not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.errors import HeterosisError
from apps.files import DamagedFile
from apps.messages.results import (
    CheckpointRef,
    ChildPlan,
    Failure,
    MatingPlan,
    TeachResult,
    TrainResult,
)
from apps.messages.specs import NO_GENOME, Genome
from apps.messages.tasks import Lesson, TeachTask, Workplace, resolve_lesson
from apps.records.checkpoints import Checkpoint, save_checkpoint
from apps.records.lessons import load_predictions, save_predictions
from apps.tasks.perform import perform
from apps.tasks.teach import teach
from apps.training.trainer import Trainer, trainer_for
from tests.support.small import ADAM, DATA, PLAIN, SEED, training

WIDER = Genome({"units": 12})


def trainer(place: Workplace, genome: Genome = NO_GENOME) -> Trainer:
    return trainer_for(DATA, PLAIN, ADAM, SEED, place, genome)


def member(place: Workplace, number: int, genome: Genome = NO_GENOME, loss: float = 0.5) -> Any:
    weights = trainer(place, genome).blueprint.initial_weights(number + 1)
    path = f"member-{number}.safetensors"
    digest = save_checkpoint(Path(place.root) / path, Checkpoint(weights))
    return TrainResult(
        member=number,
        status="done",
        reason="",
        epochs=(),
        final={"val_loss": loss},
        start={},
        checkpoint=CheckpointRef(path, digest),
        genome=genome,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def population(place: Workplace) -> list[Any]:
    return [
        member(place, 0),
        member(place, 1, WIDER),
        Failure("it was lost", "", 2),
        member(place, 3, loss=0.4),
        member(place, 4, loss=float("nan")),
    ]


def plan(*parents: tuple[int, ...]) -> MatingPlan:
    children = tuple(
        ChildPlan(child, child, (), members, tuple(0.5 for _ in members))
        for child, members in enumerate(parents)
    )
    return MatingPlan(order=(0, 1, 3, 2), species=(0,) * 4, children=children)


def task(**changes: Any) -> TeachTask:
    fields: dict[str, Any] = {
        "seed": SEED,
        "data": DATA,
        "network": PLAIN,
        "training": ADAM,
        "folder": "teachers",
        "trial": 0,
        "epoch": 2,
        "members": 4,
        "fitness": "val_loss",
        "teachers": "parents",
        "temperature": 1.0,
    }
    return TeachTask(**fields | changes)


@pytest.mark.parametrize(
    ("teachers", "groups", "of_child", "passes"),
    [
        ("parents", [(0, 1), (0,)], (0, 1, 0), 2),
        ("survivors", [(0, 1)], (0, 0, 0), 2),
        ("all", [(0, 1, 3)], (0, 0, 0), 3),
        (1, [(3,)], (0, 0, 0), 1),
        (2, [(0, 3)], (0, 0, 0), 2),
        (9, [(0, 1, 3)], (0, 0, 0), 3),
    ],
)
def test_teachers_are_who_was_asked_for(
    teachers: Any, groups: Any, of_child: Any, passes: int, place: Workplace, population: Any
) -> None:
    found = teach(task(teachers=teachers), population, plan((1, 0), (0,), (0, 1)), place)
    assert [lesson.teachers for lesson in found.lessons] == groups
    assert (found.of_child, found.passes) == (of_child, passes)
    assert found.network_epochs == pytest.approx(passes / 3)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_they_say_the_mean_of_what_each_predicts(
    temperature: float, place: Workplace, population: Any
) -> None:
    found = teach(task(temperature=temperature), population, plan((0, 1)), place)
    said = load_predictions(found.lessons[0].predictions, place)
    each = []
    for number in (0, 1):
        made = trainer(place, population[number].genome)
        weights = made.blueprint.initial_weights(number + 1)
        made.member.put(weights)
        x = made._parts.samples("train").x
        powers = np.asarray(made.model(x), np.float64) ** (1 / temperature)
        each.append(powers / powers.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(said, np.mean(each, axis=0), rtol=1e-5)


def test_whose_teachers_failed_has_no_lesson(place: Workplace, population: Any) -> None:
    found = teach(task(), population, plan((0, 2), (0, 3)), place)
    assert found.of_child == (-1, 0)
    pupil = training(lesson=Lesson(0.5, 1.0), member=0)
    with pytest.raises(HeterosisError, match="teachers"):
        resolve_lesson(pupil, found)
    learning = resolve_lesson(replace(pupil, member=1), found)
    assert learning.lesson == Lesson(0.5, 1.0, found.lessons[0].predictions)


def test_a_mating_that_failed_is_why_nobody_teaches(place: Workplace, population: Any) -> None:
    failed = Failure("the halt needs 2 members", "halt/error.txt")
    found = perform(task(folder="no-teachers"), place, [*population[:4], failed])
    assert found == failed


def test_predictions_are_stored_whole(place: Workplace) -> None:
    path = Path(place.root) / "said.safetensors"
    several = {"size": np.ones((2, 1), np.float32), "kind": np.zeros((2, 3), np.float32)}
    for predictions in (several, several["kind"]):
        ref = CheckpointRef(path.name, save_predictions(path, predictions))
        found = load_predictions(ref, place)
        if isinstance(predictions, dict):
            assert isinstance(found, dict)
            assert all(np.array_equal(found[name], predictions[name]) for name in several)
        else:
            assert np.array_equal(found, predictions)
    path.write_bytes(b"else")
    with pytest.raises(DamagedFile, match="differ"):
        load_predictions(ref, place)
    with pytest.raises(DamagedFile, match="needed"):
        load_predictions(CheckpointRef("nowhere", "0"), place)
    assert TeachResult(lessons=(), of_child=(), passes=0).network_epochs == 0
