"""Halts in small: whatever would fail at one is told before anything is stored."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.genetics.domains import Choice
from apps.genetics.genes import Gene, Space
from apps.messages.specs import (
    CrossoverSpec,
    DataSpec,
    Genome,
    NetworkSpec,
    OperatorSpec,
    SearchSpec,
    TrainingSpec,
)
from apps.messages.tasks import Lesson, MateTask, TrainTask, Workplace
from apps.preflight import rehearsed_halts
from apps.preflight.rehearsal import rehearse
from apps.preflight.rehearsed_halts import HaltRehearsal, go_through, stored_networks
from tests.support.rehearsals import HERE, SPECIES, halt, refused, task


def test_a_large_population_is_rehearsed_with_few_members(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    plan_mating = rehearsed_halts.plan_mating

    def count(mate: MateTask, population: Any, *others: Any) -> Any:
        sizes.append(len(population))
        return plan_mating(mate, population, *others)

    monkeypatch.setattr(rehearsed_halts, "plan_mating", count)
    first = task()
    parents = [halt(first, members=500, parents=parents) for parents in (2, 9)]
    rehearse([first], [*parents, halt(first, members=3)], [], place)
    assert sizes == [6, 9, 3]


def test_a_population_grows_or_shrinks_in_the_rehearsal_as_in_its_halt(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    plan_mating = rehearsed_halts.plan_mating

    def count(mate: MateTask, population: Any, *others: Any) -> Any:
        plan = plan_mating(mate, population, *others)
        sizes.append((len(population), len(plan.children)))
        return plan

    monkeypatch.setattr(rehearsed_halts, "plan_mating", count)
    first = task()
    changes = [(2, 4), (500, 1000), (500, 0), (500, 2), (2, 1), (1, 3)]
    rehearse(
        [first],
        [
            halt(first, members=members, offspring=after, parents=min(2, members))
            for members, after in changes
        ],
        [],
        place,
    )
    assert sizes == [(2, 3), (6, 7), (6, 6), (6, 5), (2, 1), (1, 2)]


# ------------------------------------------------------------------------------------ operators
def operator(name: str, **settings: Any) -> OperatorSpec:
    return OperatorSpec(name, settings)


OPERATORS: dict[str, tuple[dict[str, Any], str]] = {
    "crossover": ({"crossover": CrossoverSpec("blend", {"alpha": -1.0})}, "alpha must be"),
    "crossover's setting": ({"crossover": CrossoverSpec("blend", {"alfa": 1.0})}, "'alfa'"),
    "mutation": ({"mutation": operator("gaussian", scale=-1.0)}, "scale must be"),
    "selection": ({"selection": operator("tournament", size=0)}, "size >= 1"),
    "unknown mutation": ({"mutation": operator("gausian")}, "did you mean 'gaussian'"),
    "unknown crossover": ({"crossover": CrossoverSpec("means")}, "did you mean 'mean'"),
    "method of species": (
        {
            "mating": "species",
            "species": replace(SPECIES, method=operator("threshold", threshold=-1.0)),
        },
        "threshold must be >= 0",
    ),
    "distance of species": (
        {"mating": "species", "species": replace(SPECIES, distance=operator("rawe"))},
        "did you mean 'raw'",
    ),
    **{
        f"{what} that {name}": (
            {what: CrossoverSpec(f"{HERE}:{name}") if what == "crossover" else own},
            f"{told} \\(.*rehearsals.py, line",
        )
        for name, told in (
            ("refuses", "ArithmeticError: no such number"),
            ("exits", "SystemExit: no more"),
        )
        for own in [operator(f"{HERE}:{name}")]
        for what in ("crossover", "mutation", "selection")
    },
}


@pytest.mark.parametrize(("settings", "message"), OPERATORS.values(), ids=OPERATORS.keys())
def test_what_is_wrong_with_an_operator_is_told_with_its_halt(
    place: Workplace, settings: dict[str, Any], message: str
) -> None:
    first = task()
    told = refused(first, [halt(first), halt(first, **settings)], [], place)
    assert told.startswith("arms.mean, halt after epoch 2: ")
    assert re.search(message, told)


# --------------------------------------------------------------------------------------- searches
WIDTHS = Space((Gene("width", Choice((4, 5))),))
NUMBERS = DataSpec("tests.support.kinds:regression")
OF_CLASSES = DataSpec("tests.support.kinds:labels_from", {"lowest": 0}, validation=16)
IN_BATCHES = DataSpec("tests.support.kinds:streamed", {"kind": "dataset"})
PLAIN_LESSON = Lesson(0.5, 1.0)


def of_search(
    data: DataSpec, how: str = "", loss: str = "mse", optimizer: str | None = None
) -> TrainTask:
    """The task of a network whose width is searched."""
    params = {"how": how} if how else {}
    training = TrainingSpec(32, optimizer, loss=loss, metrics=())
    return replace(task(NetworkSpec(f"{HERE}:searched", params), training), data=data)


SPARSE = "sparse_categorical_crossentropy"
OF_HALTS: dict[str, tuple[TrainTask, dict[str, Any], str]] = {
    **{
        f"taught {what}": (first, {"lesson": PLAIN_LESSON}, f"teach: .*{said}")
        for what, first, said in (
            ("by hinge", of_search(NUMBERS, loss="hinge"), "of the loss hinge"),
            ("by a loss of one's own", of_search(NUMBERS, loss=f"{HERE}:distance"), "distance"),
            ("by a step of one's own", of_search(NUMBERS, "train_step"), "train_step of its own"),
            (
                "without a class",
                of_search(OF_CLASSES, "ignore_class", SPARSE),
                "leaves a class out",
            ),
            ("in batches", of_search(IN_BATCHES, loss=SPARSE), "come in batches"),
        )
    },
    "taught numbers with a temperature": (
        of_search(NUMBERS),
        {"lesson": Lesson(0.5, 2.0)},
        "teach: a temperature is of classes",
    ),
    "optimiser's setting": (
        of_search(NUMBERS, optimizer="adam"),
        {"training": TrainingSpec(32, "adam", {"lr": 0.1}, loss="mse", metrics=())},
        "training.optimizer 'adam' .*'lr'",
    ),
    "what only a step tells": (
        of_search(NUMBERS, optimizer="adam"),
        {"training": TrainingSpec(32, "adam", {"beta_1": "big"}, loss="mse", metrics=())},
        "first step .*'adam' .*'big'",
    ),
    "rate beside a schedule": (
        of_search(NUMBERS, "falling"),
        {"training": TrainingSpec(32, None, {"learning_rate": 0.1}, metrics=())},
        "compiled with a schedule",
    ),
}


@pytest.mark.parametrize(("first", "settings", "said"), OF_HALTS.values(), ids=OF_HALTS.keys())
def test_what_a_halt_asks_for_is_no_childs_fault_in_a_search(
    tmp_path: Path, first: TrainTask, settings: dict[str, Any], said: str
) -> None:
    """What is refused without a space is refused with one, in the same words."""
    here = Workplace(str(tmp_path))
    told = []
    for among in (None, WIDTHS):
        search = None if among is None else SearchSpec(space=among, inherit=True)
        each = halt(first, search=search, members=2)
        each = replace(each, child=replace(each.child, **settings))
        members = [replace(first, genome=Genome({"width": width})) for width in (4, 5)]
        networks = stored_networks([first] if among is None else members, here, tmp_path)
        with pytest.raises(UserError) as caught:
            go_through(each, networks, here, None if among is None else members[0])
        told.append((str(caught.value), caught.value.code))
    assert told[0] == told[1]
    assert re.search(said, told[0][0])


def searching(
    builder: str, space: Space, genome: dict[str, int], **settings: Any
) -> tuple[list[TrainTask], HaltRehearsal]:
    """The members of one genome, and a halt whose children have others."""
    whole = task(NetworkSpec(f"{HERE}:{builder}"))
    first = [replace(whole, member=n, genome=Genome(dict(genome))) for n in range(3)]
    given = halt(whole, search=SearchSpec(space=space, inherit=True))
    return first, replace(given, child=replace(given.child, **settings))


BOTH = Space((Gene("width", Choice((4, 5))), Gene("depth", Choice((1, 2)))))


@pytest.mark.parametrize(
    ("builder", "space", "genome", "said"),
    [
        ("narrow", BOTH, {"width": 4, "depth": 2}, "too many twice"),
        ("stumbles", WIDTHS, {"width": 4}, ""),
    ],
    ids=["not built", "not trained"],
)
def test_a_child_that_cannot_be_built_is_passed_over(
    place: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    builder: str,
    space: Space,
    genome: dict[str, int],
    said: str,
) -> None:
    failed: list[str] = []
    made: list[Genome] = []
    trainer_of = rehearsed_halts.trainer_of

    def watched(asked: TrainTask, where: Workplace) -> Any:
        try:
            return trainer_of(asked, where)
        except UserError as error:
            failed.append(str(error))
            raise

    plan_mating = rehearsed_halts.plan_mating

    def planned(*given: Any) -> Any:
        plan = plan_mating(*given)
        made.extend(child.genome for child in plan.children)
        return plan

    first, given = searching(builder, space, genome)
    monkeypatch.setattr(rehearsed_halts, "trainer_of", watched)
    monkeypatch.setattr(rehearsed_halts, "plan_mating", planned)
    rehearse(first, [given], [], place, space)
    assert any(each.network["width"] == 5 for each in made)
    assert bool(said) == bool(failed)
    assert all(said in each for each in failed)


def test_a_halt_is_rehearsed_where_none_of_its_children_can_be_built(place: Workplace) -> None:
    wrong = TrainingSpec(32, "adam", {"lr": 0.1})
    first, given = searching("stumbles", WIDTHS, {"width": 4}, training=wrong)
    with pytest.raises(UserError, match=r"^arms\.mean, halt after epoch 2: .*'lr'"):
        rehearse(first, [given], [], place, WIDTHS)
