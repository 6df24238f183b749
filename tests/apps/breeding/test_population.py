"""A population at a halt: who is left, who gives an optimiser, which species are gone on with."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.breeding.population import Halted, TooFewSurvivors, need_survivors
from apps.errors import HeterosisError
from apps.genetics.speciation import Species
from apps.messages.objective import Objective
from apps.messages.results import CheckpointRef, Failure, MatingPlan, Representative
from apps.messages.tasks import Workplace
from tests.support.examples import example
from tests.support.experiments import mating_task, trained

LOST = Failure("lost", "log", member=1)
ASTRAY = trained(2, math.nan, "diverged", "its loss is nan")
POPULATION = [trained(0, 0.3), LOST, ASTRAY, trained(3, 0.1)]


def halted(folder: Path, earlier: MatingPlan | None = None, **changes: Any) -> Halted:
    task = replace(mating_task(folder, 1, how="none"), parents=2, **changes)
    return Halted(task, POPULATION, earlier, Workplace(str(folder)))


@pytest.mark.parametrize("needed", [0, 1, 2])
def test_as_many_survivors_as_needed_are_enough(needed: int) -> None:
    need_survivors(POPULATION, needed, Objective("val_loss"), "the halt")


def test_too_few_are_told_with_who_failed_first_and_why() -> None:
    told = r"the halt needs 3 members with a finite val_loss, 2 of 4 have one \(member 1: lost\)"
    with pytest.raises(TooFewSurvivors, match=told):
        need_survivors(POPULATION, 3, Objective("val_loss"), "the halt")
    with pytest.raises(TooFewSurvivors, match="needs 1 member with a finite val_loss, 0 of 0"):
        need_survivors([], 1, Objective("val_loss"), "the halt")


def test_a_metric_that_is_no_number_is_a_reason() -> None:
    with pytest.raises(
        TooFewSurvivors, match=r"finite val_auc, 0 of 4 .* its val_auc is no number"
    ):
        need_survivors(POPULATION[:1] * 4, 1, Objective("val_auc", "max"), "the halt")


def test_survivors_must_be_as_many_as_are_to_go_on(tmp_path: Path) -> None:
    halted(tmp_path, mating="all", offspring=9)
    halted(tmp_path, mating="survivors", offspring=2)
    with pytest.raises(TooFewSurvivors, match="the halt after epoch 2 needs 3 members"):
        halted(tmp_path, mating="survivors", offspring=3)


def test_the_failed_have_no_fitness_and_no_network(tmp_path: Path) -> None:
    found = halted(tmp_path)
    assert [math.isnan(each) for each in found.fitness] == [False, True, True, False]
    assert found.checkpoint(0) == POPULATION[0].checkpoint
    with pytest.raises(HeterosisError, match="member 1 failed and has no network"):
        found.checkpoint(1)
    assert [len(found.donor(member)) for member in range(4)] == [1, 0, 0, 1]


def test_without_species_all_are_of_one(tmp_path: Path) -> None:
    assert halted(tmp_path, species=None).species() == Species((0, 0, 0, 0), {}, 1)


def test_a_species_remembers_its_best_and_how_long_it_stood_still(tmp_path: Path) -> None:
    ref = CheckpointRef("before", "0")
    before = (Representative(0, ref, best=0.2, stagnant=1), Representative(1, ref, best=0.2))
    earlier = replace(example(MatingPlan), representatives=before)
    found = halted(tmp_path, earlier)
    records = found.records(Species((0, 1, 1, 1), {0: 0, 1: 3}, 2))
    assert [(each.species, each.best, each.stagnant) for each in records] == [
        (0, 0.2, 2),
        (1, 0.1, 0),
    ]
    assert [each.checkpoint for each in records] == [found.checkpoint(0), found.checkpoint(3)]


def test_a_species_that_a_failed_member_stands_for_is_not_gone_on_with(tmp_path: Path) -> None:
    assert halted(tmp_path).records(Species((0, 1, 1, 1), {0: 1, 1: 3}, 2))[0].species == 1
