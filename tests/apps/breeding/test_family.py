"""A family is its relatives' mean at every merge, whoever trains them and on how many threads."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.breeding.family import mean_state, parts
from apps.messages.specs import FamilySpec, Genome, OuterSpec, TrainingSpec
from apps.messages.tasks import Continue, TrainTask, Workplace
from apps.records.checkpoints import Checkpoint, load_checkpoint
from apps.seeds import Address, Purpose
from apps.tasks.train import train_member
from apps.training.data_order import epoch_order
from apps.training.outer_momentum import outer_step
from apps.training.trainer import trainer_for
from tests.support.small import ADAM, DATA, PLAIN, RICH, SEED, training


def family(**changes: object) -> TrainTask:
    fields: dict[str, object] = {
        "last_epoch": 2,
        "family": FamilySpec(2, 2),
        "outer": OuterSpec(0.5),
        "member": 0,
    }
    return training(**fields | changes)


def trained(task: TrainTask, root: Path, threads: int = 1) -> tuple[Checkpoint, list[float]]:
    result = train_member(task, Workplace(str(root), threads=threads))
    state = load_checkpoint(root / result.checkpoint.path, result.checkpoint.sha256)
    return state, [record.metrics["loss"] for record in result.epochs]


def equal(one: Checkpoint, other: Checkpoint) -> bool:
    groups = (
        (one.weights, other.weights),
        (one.optimizer, other.optimizer),
        (one.outer, other.outer),
    )
    return all(
        left.keys() == right.keys() and all(np.array_equal(left[n], right[n]) for n in left)
        for left, right in groups
    )


@pytest.mark.parametrize(
    ("samples", "batch", "merges", "ends"),
    [
        (100, 32, 2, [64, 100]),
        (100, 32, 6, [32, 64, 96, 100]),
        (7, 7, 3, [7]),
        (1, 5, 1, [1]),
        (13, 2, 6, [2, 4, 8, 10, 12, 13]),
        (50_000, 128, 6, [8448, 16896, 25344, 33792, 42240, 50_000]),
    ],
)
def test_an_epoch_is_parted_between_steps(
    samples: int, batch: int, merges: int, ends: list[int]
) -> None:
    found = parts(samples, batch, merges)
    assert [part.stop for part in found] == ends
    assert [part.start for part in found] == [0, *ends[:-1]]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("rest", [0, 1])
def test_there_are_as_many_merges_as_are_asked_for_but_one_a_step_at_most(
    batch: int, rest: int
) -> None:
    for steps, merges in itertools.product(range(1, 40), range(1, 45)):
        samples = steps * batch - rest * (batch - 1)
        found = parts(samples, batch, merges)
        assert len(found) == min(merges, steps)
        assert [part.start for part in found] == [0, *(part.stop for part in found[:-1])]
        assert found[-1].stop == samples
        lengths = [-(-part.stop // batch) - part.start // batch for part in found]
        assert all(part.start % batch == 0 for part in found)
        assert min(lengths) >= 1
        assert len(set(lengths)) <= 2
        each = -(-steps // merges)
        if -(-steps // each) == len(found):  # as many parts of equally many steps are enough
            assert lengths[:-1] == [each] * (len(found) - 1)
        else:
            assert max(lengths) - min(lengths) == 1


def test_a_batch_size_that_is_a_gene_parts_the_epoch(tmp_path: Path) -> None:
    by_graph = replace(ADAM, engine="graph")  # in which a search trains anyway
    three = FamilySpec(2, 3)
    genome = Genome(training={"batch_size": 20})
    found, _ = trained(family(family=three, training=by_graph, genome=genome), tmp_path)
    usual = family(family=three, training=replace(by_graph, batch_size=20), folder="usual")
    assert equal(found, trained(usual, tmp_path)[0])


# Of the last two, states stand for weights; the last one does without the outer optimiser.
OPTIMIZERS = {
    "adam": ADAM,
    "average": TrainingSpec(32, "adam", {"use_ema": True, "ema_momentum": 0.8}, engine="graph"),
    "free": TrainingSpec(32, "schedulefreeadamw", {"learning_rate": 0.01}, engine="graph"),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_epoch_is_what_the_relatives_are_by_hand(name: str, tmp_path: Path) -> None:
    outer = {"outer": None} if name == "free" else {}
    task = family(network=PLAIN, training=OPTIMIZERS[name], last_epoch=1, **outer)
    found, _ = trained(task, tmp_path)
    trainer = trainer_for(DATA, PLAIN, OPTIMIZERS[name], SEED, Workplace(str(tmp_path)))
    seed = Address(SEED, 1, 0).seed_integer(Purpose.INITIAL_WEIGHTS)
    trainer.member.load(
        Checkpoint(trainer.blueprint.initial_weights(seed)), np.random.default_rng(0)
    )
    state, momentum = trainer.member.state(), {}
    orders = [epoch_order(replace(task, member=number), 0, trainer) for number in range(2)]
    for begin, end in ((0, 64), (64, 100)):
        after = []
        for order in orders:
            trainer.member.load(state, np.random.default_rng(0))
            trainer.run_epoch(order[begin:end])
            after.append(trainer.member.state())
        mean = mean_state([each.weights for each in after])
        weights = mean
        if task.outer is not None:
            weights, momentum = outer_step(state.weights, mean, momentum, 0.5)
        optimizer = mean_state([each.optimizer for each in after])
        ways = {name: weights[name].astype(np.float64) - mean[name] for name in mean}
        for copy, way in trainer.member.adapted({}, ways).items():
            optimizer[copy] = (optimizer[copy] + way).astype(np.float32)
        state = replace(state, weights=weights, optimizer=optimizer)
    assert equal(found, replace(state, outer=momentum))
    assert not np.array_equal(*orders)


@pytest.mark.slow
def test_threads_change_no_number(tmp_path: Path) -> None:
    one, losses = trained(family(network=RICH), tmp_path / "one")
    two, others = trained(family(network=RICH), tmp_path / "two", threads=2)
    assert equal(one, two)
    assert losses == others


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_halting_changes_no_number(name: str, tmp_path: Path) -> None:
    outer = {"outer": None} if name == "free" else {}
    task = family(network=PLAIN, training=OPTIMIZERS[name], **outer)
    whole, losses = trained(task, tmp_path)
    first = train_member(replace(task, last_epoch=1, folder="first"), Workplace(str(tmp_path)))
    second = replace(task, first_epoch=1, start=Continue(first.checkpoint), folder="second")
    halted, later = trained(second, tmp_path)
    assert equal(whole, halted)
    assert losses == [first.epochs[0].metrics["loss"], *later]
