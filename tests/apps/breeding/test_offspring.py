"""An offspring is what its plan says: its parents' merge, its own mutation, the optimiser named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.breeding.offspring import breed, givers_of
from apps.errors import HeterosisError, UserError
from apps.files import DamagedFile
from apps.messages.results import CheckpointRef
from apps.messages.specs import NetworkSpec, OperatorSpec
from apps.messages.tasks import Workplace
from apps.records.checkpoints import Checkpoint
from apps.tasks.train import train_member
from apps.training.trainer import trainer_for
from tests.support.offspring import NONE, bred, offspring, parent, put_down, same, trainer
from tests.support.small import ADAM, DATA, PLAIN, RICH, SEED, net, training

GAUSSIAN = OperatorSpec("gaussian", {"scale": 0.1})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def parents(place: Workplace) -> tuple[Checkpoint, Checkpoint]:
    return parent(place, 1), parent(place, 2)


@pytest.fixture(scope="module")
def refs(place: Workplace, parents: tuple[Checkpoint, Checkpoint]) -> tuple[CheckpointRef, ...]:
    return put_down(place, *parents)


# ------------------------------------------------------------------------------------ the merge
def test_the_mean_is_the_mean(
    place: Workplace, parents: Sequence[Checkpoint], refs: Sequence[CheckpointRef]
) -> None:
    child = bred(offspring(refs), place)
    for name, array in child.weights.items():
        values = [each.weights[name].astype(np.float64) for each in parents]
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, np.mean(values, axis=0), rtol=1e-6)
    assert child.optimizer == {}
    assert child.random == {}


def test_a_random_childs_values_are_its_parents(
    place: Workplace, parents: Sequence[Checkpoint], refs: Sequence[CheckpointRef]
) -> None:
    child = bred(offspring(refs, "random"), place).weights["hidden/kernel"]
    one, other = (each.weights["hidden/kernel"] for each in parents)
    assert np.all((child == one) | (child == other))
    assert 0.4 < np.mean(child == one) < 0.6


def test_the_child_of_one_parent_is_its_clone(
    place: Workplace, parents: Sequence[Checkpoint], refs: Sequence[CheckpointRef]
) -> None:
    for crossover in ("mean", "random"):
        assert same(bred(offspring(refs[:1], crossover), place), parents[0])


def test_the_average_of_a_parents_path_stands_for_it(
    place: Workplace, parents: Sequence[Checkpoint]
) -> None:
    average = {name: array.astype(np.float64) + 1 for name, array in parents[0].weights.items()}
    (ref,) = put_down(place, replace(parents[0], average=average, averaged=3))
    child = bred(offspring([ref]), place)
    for name, array in child.weights.items():
        np.testing.assert_allclose(array, parents[0].weights[name] + 1, rtol=1e-6)


# ------------------------------------------------------------------------------- random numbers
def test_children_of_one_merge_are_the_same_merge(
    place: Workplace, refs: Sequence[CheckpointRef]
) -> None:
    first = bred(offspring(refs, "random", child=0), place)
    assert same(bred(offspring(refs, "random", child=3), place, member=3), first)
    assert not same(bred(offspring(refs, "random", merge=1), place), first)


def test_children_are_mutated_each_in_its_own_way(
    place: Workplace, refs: Sequence[CheckpointRef]
) -> None:
    merge = bred(offspring(refs), place)
    children = [
        bred(offspring(refs, mutation=GAUSSIAN, child=child), place, member=child)
        for child in (0, 1, 0)
    ]
    assert same(children[0], children[2])
    assert not same(children[0], children[1])
    assert not same(children[0], merge)
    spared = bred(offspring(refs, mutation=GAUSSIAN, mutate=False), place)
    assert same(spared, merge)


def test_choices_depend_on_their_address_and_not_on_the_arm(
    place: Workplace, refs: Sequence[CheckpointRef]
) -> None:
    start = offspring(refs, "random", GAUSSIAN)
    first = bred(start, place)
    assert same(bred(start, place, folder="another arm"), first)
    for change in ({"seed": 1}, {"trial": 0}):
        assert not same(bred(start, place, **change), first)
    task = training(network=PLAIN, first_epoch=3, start=start)
    assert not same(breed(task, start, place, trainer(place)).state, first)


def test_running_statistics_are_not_mutated(place: Workplace) -> None:
    (ref,) = put_down(place, parent(place, 1, RICH))
    clone = bred(offspring([ref]), place, RICH)
    child = bred(offspring([ref], mutation=GAUSSIAN), place, RICH)
    unchanged = {
        name for name in child.weights if np.array_equal(child.weights[name], clone.weights[name])
    }
    assert unchanged == {"normalization/moving_mean", "normalization/moving_variance"}


def test_a_merge_does_not_depend_on_who_was_in_the_program_before(place: Workplace) -> None:
    network = net("dropout_before_normalization")
    refs = put_down(place, parent(place, 1, network), parent(place, 2, network))
    children = []
    for seed in (1, 2):
        held = trainer(place, network)
        held.member.load(
            Checkpoint(held.blueprint.initial_weights(seed)), np.random.default_rng(seed)
        )
        children.append(bred(offspring(refs), place, network))
    assert same(*children)


# ------------------------------------------------------------------------------------ optimiser
def test_a_state_that_the_childs_optimiser_does_not_keep_is_left_out(
    place: Workplace, parents: Sequence[Checkpoint]
) -> None:
    kept = {f"{number:03d}": np.zeros(3, np.float32) for number in range(2)}  # not Adam's
    (ref,) = put_down(place, replace(parents[0], optimizer=kept))
    assert bred(offspring([ref], optimizer=(ref,)), place).optimizer == {}


def test_optimiser_states_are_inherited_whole_or_averaged(
    place: Workplace, parents: Sequence[Checkpoint]
) -> None:
    kept = trainer(place).member.state().optimizer
    states = [
        {
            name: np.full(array.shape, value if array.dtype.kind == "f" else count, array.dtype)
            for name, array in kept.items()
        }
        for count, value in ((8, 1.0), (10, 4.0))
    ]
    refs = put_down(
        place,
        *(replace(each, optimizer=state) for each, state in zip(parents, states, strict=True)),
    )
    for donors, count, value in ((refs[1:], 10, 4.0), (refs, 8, 2.5)):
        found = bred(offspring(refs, optimizer=donors), place).optimizer
        assert list(found) == list(kept)
        assert {array.dtype.kind for array in found.values()} == {"i", "f"}
        for name, array in found.items():
            assert array.dtype == kept[name].dtype
            expected = value if array.dtype.kind == "f" else count
            assert np.array_equal(array, np.full(array.shape, expected, array.dtype))


# --------------------------------------------------------------------------------------- errors
def test_a_damaged_parent_is_refused(place: Workplace, parents: Sequence[Checkpoint]) -> None:
    refs = put_down(place, *parents)
    path = Path(place.root) / refs[1].path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFile, match=refs[1].path):
        bred(offspring(refs), place)


def test_an_offspring_without_its_plan_is_refused(place: Workplace) -> None:
    with pytest.raises(HeterosisError, match="plan is filled in before"):
        bred(replace(offspring([]), plan=None), place)


@pytest.mark.parametrize(
    ("crossover", "mutation", "message"),
    [
        ("maen", NONE, "you mean 'mean'"),
        ("mean", OperatorSpec("gauss"), "you mean 'gaussian'"),
    ],
)
def test_an_unknown_operator_is_the_users_error(
    place: Workplace,
    refs: Sequence[CheckpointRef],
    crossover: str,
    mutation: OperatorSpec,
    message: str,
) -> None:
    with pytest.raises(UserError, match=message):
        bred(offspring(refs, crossover, mutation), place)


def test_parents_of_another_architecture_are_refused(place: Workplace) -> None:
    refs = put_down(place, parent(place, 1), parent(place, 1, RICH))
    with pytest.raises(HeterosisError):
        bred(offspring(refs), place)


# ------------------------------------------------------------------------------------- training
def test_an_offspring_is_trained_from_what_was_bred(
    place: Workplace, refs: Sequence[CheckpointRef]
) -> None:
    start = offspring(refs, mutation=GAUSSIAN)
    child = bred(start, place)
    task = training(network=PLAIN, first_epoch=2, last_epoch=3, start=start, folder="child")
    result = train_member(task, place)
    held = trainer(place)
    # Of the whole training set nothing is asked before it trains: that takes a third of an epoch.
    assert result.start == {"val_loss": held.measures.loss_of(child.weights, "validation")["loss"]}
    assert [record.epoch for record in result.epochs] == [3]
    assert train_member(replace(task, folder="again"), place).checkpoint.sha256 == (
        result.checkpoint.sha256
    )


# --------------------------------------------------------------------------- in function space
NETWORKS = {
    "dense": PLAIN,
    "batch normalisation": RICH,
    "two layers": NetworkSpec("mlp", {"units": [9, 7]}),
    "convolutions": NetworkSpec("cnn", {"filters": [3, 4], "units": 6}),
    "recurrent": NetworkSpec("lstm", {"units": 5}),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_selected_units_are_near_the_mean_of_what_strangers_predict(
    place: Workplace, network: NetworkSpec
) -> None:
    data = replace(DATA, params={"channels": True}) if network.builder == "cnn" else DATA
    made = trainer_for(data, network, ADAM, SEED, place)
    strangers = [
        Checkpoint(made.measures.refreshed(made.blueprint.initial_weights(seed)))
        for seed in (1, 2, 3)
    ]
    start = offspring(put_down(place, *strangers), "select")
    task = training(network=network, data=data, start=start)
    child = breed(task, start, place, made).state
    measures = made.measures
    aim = np.mean([measures.predictions(each.weights) for each in strangers], axis=0)

    def error(weights: Any) -> float:
        return float(np.mean((measures.predictions(weights) - aim) ** 2))

    nearest = min(error(each.weights) for each in strangers)
    assert error(child.weights) < 0.6 * nearest
    assert list(child.weights) == list(strangers[0].weights)
    assert same(child, breed(task, start, place, made).state)


def test_fresh_children_differ_and_have_nothing_of_their_parents(
    place: Workplace, refs: Sequence[CheckpointRef]
) -> None:
    one = bred(offspring(refs, "fresh"), place, member=0)
    other = bred(offspring(refs, "fresh"), place, member=1)
    assert not same(one, other)
    assert same(one, bred(offspring(refs[:1], "fresh"), place, member=0))


def test_the_best_parent_is_the_child(
    place: Workplace, parents: Sequence[Checkpoint], refs: Sequence[CheckpointRef]
) -> None:
    assert same(bred(offspring(refs, "best"), place), parents[0])


@pytest.mark.parametrize(
    ("crossover", "whose"), [("mean", (0, 1)), ("select", (0, 1)), ("best", (0,)), ("fresh", ())]
)
def test_givers_are_whose_weights_a_child_has(
    crossover: str, whose: tuple[int, ...], place: Workplace, refs: Sequence[CheckpointRef]
) -> None:
    start = offspring(refs, crossover)
    task = training(network=PLAIN, first_epoch=2, start=start)
    for each, given in ((start, whose), (replace(start, inherit=False), ())):
        assert breed(task, each, place, trainer(place)).givers == given
        assert givers_of(task, each, trainer(place)) == given
