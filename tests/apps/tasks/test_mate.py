"""At a halt: who is ranked where, who becomes a parent, what every child is told.

Species, alignment and what is measured between parents need networks; here results are made up.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.breeding.fitness import fitness_of
from apps.breeding.population import TooFewSurvivors
from apps.errors import UserError
from apps.genetics.domains import Integer
from apps.genetics.genes import Gene, Space
from apps.messages.fingerprints import fingerprint
from apps.messages.objective import Objective
from apps.messages.results import CheckpointRef, Failure, MatingPlan, TrainResult
from apps.messages.specs import CrossoverSpec, Genome, OperatorSpec, SearchSpec, SpeciesSpec
from apps.messages.tasks import MateTask, Workplace
from apps.records.result_files import load_result
from apps.tasks.perform import perform
from tests.support.examples import example
from tests.support.small import ADAM, DATA, PLAIN, SEED

NAN = math.nan


def halt(**changes: Any) -> MateTask:
    fields: dict[str, Any] = {
        "seed": SEED,
        "trial": 0,
        "epoch": 3,
        "members": 4,
        "fitness": "val_loss",
        "mating": "all",
        "parents": 2,
        "selection": OperatorSpec("truncation"),
        "optimizer": "fresh",
        "first_unmutated": False,
        "species": None,
        "crossover": CrossoverSpec("mean"),
        "measure": False,
        "data": DATA,
        "network": PLAIN,
        "training": ADAM,
        "folder": "halt",
    }
    return MateTask(**fields | changes)


def member(number: int, fitness: float, status: Any = "done", key: str = "val_loss") -> TrainResult:
    return replace(
        example(TrainResult),
        fingerprint=f"of member {number}",
        member=number,
        status=status,
        final={key: fitness, "loss": 1.0 - fitness},
        checkpoint=CheckpointRef(f"member-{number}", f"bytes of {number}"),
    )


def plan(task: MateTask, population: list[Any], root: Path) -> MatingPlan:
    found = perform(task, Workplace(str(root)), population)
    assert isinstance(found, MatingPlan)
    return found


def members(*fitness: float) -> list[TrainResult]:
    return [member(number, value) for number, value in enumerate(fitness)]


def test_the_best_become_parents_of_every_child(tmp_path: Path) -> None:
    found = plan(halt(), members(0.4, 0.1, 0.3, 0.2), tmp_path)
    assert found.order == (1, 3, 2, 0)
    assert [child.child for child in found.children] == [0, 1, 2, 3]
    for child in found.children:
        assert child.members == (1, 3)
        assert child.fitness == (0.1, 0.2)
        assert [ref.sha256 for ref in child.parents] == ["bytes of 1", "bytes of 3"]
        assert (child.optimizer, child.merge, child.mutate) == ((), 0, True)


def test_the_experiment_says_what_is_minimised(tmp_path: Path) -> None:
    found = plan(halt(fitness="loss"), members(0.4, 0.1, 0.3, 0.2), tmp_path)
    assert found.order == (0, 2, 3, 1)


def test_averages_have_no_running_loss_and_are_ranked_on_the_whole_training_set(
    tmp_path: Path,
) -> None:
    averages = [
        replace(each, final={"loss": NAN, "train_loss": each.final["val_loss"]})
        for each in members(0.4, 0.1, 0.3, 0.2)
    ]
    found = plan(halt(fitness="loss"), averages, tmp_path)
    assert found.order == (1, 3, 2, 0)
    assert found.children[0].fitness == (0.1, 0.2)


def test_a_plan_is_stored_under_its_fingerprint(tmp_path: Path) -> None:
    task, population = halt(), members(0.4, 0.1, 0.3, 0.2)
    found = plan(task, population, tmp_path)
    assert load_result(tmp_path / "halt", MatingPlan, fingerprint(task, population)) is not None
    assert found.fingerprint == fingerprint(task, population)


def test_the_failed_rank_last_and_are_never_parents(tmp_path: Path) -> None:
    population = [
        Failure("lost", member=0),
        member(1, 0.01, status="diverged"),
        member(2, NAN),
        member(3, 0.9),
        member(4, math.inf),
        member(5, 0.8),
        member(6, 0.0, key="another"),
    ]
    for selection in ("truncation", "tournament", "proportional"):
        task = halt(members=7, selection=OperatorSpec(selection))
        found = plan(task, population, tmp_path / selection)
        assert found.order == (5, 3, 0, 1, 2, 4, 6)
        assert {parent for child in found.children for parent in child.members} == {3, 5}
        assert [label == -1 for label in found.species] == [
            number not in (3, 5) for number in range(7)
        ]


@pytest.mark.parametrize(
    "population",
    [
        [Failure("lost")] * 4,
        [member(0, 0.1), *[Failure("lost")] * 3],
        [member(0, 0.1), member(1, NAN), member(2, 0.2, status="diverged"), Failure("lost")],
    ],
)
def test_too_few_survivors_are_told_plainly(population: list[Any], tmp_path: Path) -> None:
    finite = sum(isinstance(found, TrainResult) and found.member == 0 for found in population)
    with pytest.raises(
        TooFewSurvivors,
        match=f"the halt after epoch 3 needs 2 members with a finite val_loss, {finite} of 4 have",
    ):
        plan(halt(), population, tmp_path)
    assert load_result(tmp_path / "halt", MatingPlan, fingerprint(halt(), population)) is None
    assert "TooFewSurvivors" in (tmp_path / "halt" / "error.txt").read_text()


def test_as_many_survivors_as_parents_are_enough(tmp_path: Path) -> None:
    found = plan(halt(), [member(0, 0.1), Failure("a"), member(2, 0.2), Failure("b")], tmp_path)
    assert len(found.children) == 4


@pytest.mark.parametrize("left", [1, 3])
def test_all_as_parents_are_all_that_are_left(left: int, tmp_path: Path) -> None:
    population = [member(n, 0.1 * n) if n < left else Failure("lost") for n in range(4)]
    for mating in ("all", "pairs"):
        found = plan(halt(parents=4, mating=mating), population, tmp_path / mating)
        assert {n for child in found.children for n in child.members} == {*range(left)}
        assert len(found.children) == 4
    lost = [Failure("lost") for _ in range(4)]
    with pytest.raises(TooFewSurvivors, match=r"needs 1 member .*, 0 of 4 have one"):
        plan(halt(parents=4), lost, tmp_path)


def test_a_population_of_one(tmp_path: Path) -> None:
    found = plan(halt(members=1, parents=1), members(0.5), tmp_path)
    assert (found.order, found.children[0].members) == ((0,), (0,))


def test_pairs_share_the_children_out(tmp_path: Path) -> None:
    task = halt(mating="pairs", parents=3, members=5)
    found = plan(task, members(0.5, 0.1, 0.2, 0.3, 0.4), tmp_path)
    assert [child.members for child in found.children] == [(1, 2), (1, 3), (2, 3), (1, 2), (1, 3)]
    assert [child.merge for child in found.children] == [0, 1, 2, 0, 1]


def test_the_first_child_of_a_merge_may_stay_the_merge(tmp_path: Path) -> None:
    population = members(0.4, 0.1, 0.3, 0.2)
    all_in_one = plan(halt(first_unmutated=True), population, tmp_path / "all")
    assert [child.mutate for child in all_in_one.children] == [False, True, True, True]
    pairs = plan(
        halt(first_unmutated=True, mating="pairs", parents=3), population, tmp_path / "pairs"
    )
    assert [child.mutate for child in pairs.children] == [False, False, False, True]


@pytest.mark.parametrize(
    ("optimizer", "donors"),
    [
        ("fresh", [[], [], [], []]),
        ("inherit", [[1], [1], [1], [1]]),
        ("average", [[1, 3], [1, 3], [1, 3], [1, 3]]),
        ("own", [[0], [1], [], [3]]),
    ],
)
def test_where_a_childs_optimiser_state_comes_from(
    optimizer: Any, donors: list[list[int]], tmp_path: Path
) -> None:
    population = [member(0, 0.4), member(1, 0.1), Failure("lost"), member(3, 0.2)]
    found = plan(halt(optimizer=optimizer), population, tmp_path)
    assert [[ref.path for ref in child.optimizer] for child in found.children] == [
        [f"member-{number}" for number in numbers] for numbers in donors
    ]


UNITS = Space((Gene("units", Integer(1, 100)),))
SPECIES = {"species": SpeciesSpec(), "search": SearchSpec(space=UNITS, inherit=True)}


@pytest.mark.parametrize("children", [2, 4, 7])
@pytest.mark.parametrize("optimizer", ["fresh", "inherit", "own", "average"])
@pytest.mark.parametrize("mating", ["all", "pairs", "species", "survivors"])
def test_a_population_may_grow_or_shrink_at_a_halt(
    mating: Any, optimizer: Any, children: int, tmp_path: Path
) -> None:
    population = [
        replace(each, genome=Genome({"units": 10 * (1 + each.member)}))
        for each in members(0.4, 0.1, 0.3, 0.2)
    ]
    if mating == "survivors":
        children = min(children, len(population))
    settings = SPECIES if mating == "species" else {}
    task = halt(mating=mating, optimizer=optimizer, offspring=children, **settings)
    found = plan(task, population, tmp_path)
    assert [child.child for child in found.children] == [*range(children)]
    for child in found.children:
        own = [ref.path for ref in child.optimizer] == [f"member-{child.child}"]
        assert optimizer != "own" or own == (child.child < len(population))
        assert bool(child.optimizer) == (optimizer in ("inherit", "average") or own)


@pytest.mark.parametrize(
    ("optimizer", "donors"),
    [("inherit", [[1]] * 4), ("average", [[]] * 4), ("own", [[], [1], [], [3]])],
)
def test_the_state_of_another_optimizer_is_not_inherited(
    optimizer: Any, donors: list[list[int]], tmp_path: Path
) -> None:
    kinds = ["sgd", "adam", "sgd", "adam"]
    fitness = [0.15, 0.1, 0.3, 0.2]
    population = [
        replace(member(number, value), genome=Genome(training={"optimizer": kind}))
        for number, (value, kind) in enumerate(zip(fitness, kinds, strict=True))
    ]
    # Without a mutation of genes children have the first parent's: Adam.
    found = plan(halt(optimizer=optimizer), population, tmp_path)
    assert [child.genome.training["optimizer"] for child in found.children] == ["adam"] * 4
    assert [[int(ref.path[-1]) for ref in child.optimizer] for child in found.children] == donors


def test_choices_by_chance_have_an_address_and_are_common_to_the_arms(tmp_path: Path) -> None:
    population = members(*[0.1 + number / 1000 for number in range(40)])
    chance = halt(members=40, parents=5, selection=OperatorSpec("tournament", {"size": 3}))

    def parents(task: MateTask) -> tuple[int, ...]:
        return plan(task, population, tmp_path).children[0].members

    first = parents(chance)
    other_arm = replace(chance, folder="arm/halt", crossover=CrossoverSpec("random"))
    assert parents(other_arm) == first
    others = [replace(chance, **change) for change in ({"seed": 1}, {"trial": 1}, {"epoch": 4})]
    assert all(parents(other) != first for other in others)


def test_an_unknown_selection_is_the_users_error(tmp_path: Path) -> None:
    task = halt(selection=OperatorSpec("truncatoin"))
    with pytest.raises(UserError, match="did you mean 'truncation'"):
        plan(task, members(0.4, 0.1, 0.3, 0.2), tmp_path)


def test_the_fitness_of_the_failed_is_no_number() -> None:
    assert fitness_of(member(0, 0.5), Objective("val_loss")) == 0.5
    for failed in (Failure("x"), member(0, 0.5, status="diverged"), member(0, 0.5, key="other")):
        assert math.isnan(fitness_of(failed, Objective("val_loss")))


# ------------------------------------------------------------------------------ nearest parents
@pytest.mark.parametrize("nearest", [False, True])
def test_the_first_parent_is_the_nearest_where_it_is_asked_for(
    nearest: bool, tmp_path: Path
) -> None:
    sizes = [10, 30, 50, 90]
    halted = [
        replace(member(number, 0.1 * (1 + number)), genome=Genome({"units": size}))
        for number, size in enumerate(sizes)
    ]
    search = SearchSpec(space=UNITS, inherit=True, nearest=nearest, mutation_rate=1.0)
    found = plan(halt(search=search, parents=3, optimizer="inherit"), halted, tmp_path)
    for child in found.children:
        assert set(child.members) == {0, 1, 2}
        apart = [abs(sizes[number] - child.genome.network["units"]) for number in child.members]
        assert child.fitness == tuple(halted[number].final["val_loss"] for number in child.members)
        assert child.optimizer == child.parents[:1]
        assert child.parents[0].path == f"member-{child.members[0]}"
        if nearest:
            assert apart == sorted(apart)
        else:
            assert child.members == (0, 1, 2)
    firsts = {child.members[0] for child in found.children}
    assert (len(firsts) > 1) is nearest
