"""Parents of other architectures: whose weights a child gets, and what is built for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.breeding.offspring import breed, givers_of
from apps.messages.results import CheckpointRef
from apps.messages.specs import Genome, NetworkSpec
from apps.messages.tasks import Workplace
from apps.records.checkpoints import Checkpoint
from apps.tasks.train import train_member
from apps.training.blueprint import Blueprint
from apps.training.trainer import trainer_for
from tests.support.offspring import offspring, put_down, same
from tests.support.small import ADAM, DATA, SEED, training

MLP = NetworkSpec("mlp", {"activation": "relu"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


def of(*units: int) -> Genome:
    return Genome({"depth": len(units), "units": list(units)})


def stranger(place: Workplace, seed: int, genome: Genome) -> CheckpointRef:
    held = trainer_for(DATA, MLP, ADAM, SEED, place, genome)
    (ref,) = put_down(place, Checkpoint(held.blueprint.initial_weights(seed)))
    return ref


def of_strangers(
    place: Workplace, child: Genome, *parents: Genome, nearest: bool = True
) -> tuple[Checkpoint, tuple[int, ...]]:
    refs = [stranger(place, seed, genome) for seed, genome in enumerate(parents)]
    strange = tuple(number for number, genome in enumerate(parents) if genome != parents[0])
    plan = {"genome": child, "genomes": parents, "strange": strange}
    start = replace(offspring(refs, "select", **plan), nearest=nearest)
    task = training(network=MLP, first_epoch=2, start=start, genome=child)
    held = trainer_for(DATA, MLP, ADAM, SEED, place, child)
    made = breed(task, start, place, held)
    assert made.givers == givers_of(task, start, held)
    return made.state, made.givers


def test_units_are_selected_of_parents_that_differ_in_width_alone(place: Workplace) -> None:
    child, given = of_strangers(place, of(6, 5), of(8, 5), of(4, 7), of(3), of(4, 4))
    assert given == (0, 1, 3)
    columns = {tuple(column) for column in child.weights["dense/kernel"].T}
    each = [
        trainer_for(DATA, MLP, ADAM, SEED, place, genome).blueprint.initial_weights(seed)
        for seed, genome in enumerate([of(8, 5), of(4, 7), of(3), of(4, 4)])
    ]
    found = [
        len(columns & {tuple(column) for column in weights["dense/kernel"].T}) for weights in each
    ]
    assert sum(found) == 6
    assert found[2] == 0
    assert sum(number > 0 for number in found) >= 2


def test_each_architecture_is_built_once_for_a_child(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, *genomes = of(6, 5), of(8, 5), of(4, 7), of(3, 2, 4), of(4, 7)
    genomes = [
        replace(genome, optimizer={"learning_rate": 0.01 * number})
        for number, genome in enumerate(genomes, start=1)
    ]
    refs = [stranger(place, seed, genome) for seed, genome in enumerate(genomes)]
    plan = {"genome": child, "genomes": tuple(genomes), "strange": (1, 2, 3)}
    start = replace(offspring(refs, "select", **plan), nearest=True, merge_architectures=True)
    task = training(
        network=MLP, first_epoch=2, last_epoch=3, start=start, genome=child, folder="built"
    )
    trainer_for(DATA, MLP, ADAM, SEED, place, child)
    built = []
    build = Blueprint.build
    monkeypatch.setattr(
        Blueprint,
        "build",
        lambda self, seed: built.append(self.network.params["units"]) or build(self, seed),
    )
    assert train_member(task, place).givers == (0, 1, 2, 3)
    # The child's own initial weights fill up what the parents do not give.
    assert sorted(built) == sorted(genome.network["units"] for genome in [child, *genomes[:3]])


def test_a_child_with_layers_of_its_own_starts_from_its_nearest_parent(place: Workplace) -> None:
    child, given = of_strangers(place, of(6, 5), of(6), of(3, 2, 4))
    alone, _ = of_strangers(place, of(6, 5), of(6))
    assert given == (0,)
    assert same(child, alone)


def test_without_nearest_strangers_give_no_weights(place: Workplace) -> None:
    child, given = of_strangers(place, of(6, 5), of(8, 5), of(4, 7), nearest=False)
    alone, _ = of_strangers(place, of(6, 5), of(8, 5))
    assert given == (0,)
    assert same(child, alone)
