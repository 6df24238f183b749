"""What a member stands for when its training ends, and what goes on from there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.breeding.offspring import breed
from apps.messages.results import CheckpointRef, ChildPlan
from apps.messages.specs import (
    AverageSpec,
    CrossoverSpec,
    DataSpec,
    NetworkSpec,
    OperatorSpec,
    TrainingSpec,
)
from apps.messages.tasks import Offspring, Restart, TrainTask, Workplace
from apps.networks.build import named_weights, read
from apps.records.checkpoints import Checkpoint, open_checkpoint
from apps.records.tables_schema import STILL
from apps.tasks.train import train_member
from apps.training.trainer import trainer_for
from tests.support.small import training

HERE = "tests.support.against_keras"
EMA = {"learning_rate": 0.05, "use_ema": True, "ema_momentum": 0.9}


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


def task(
    optimizer: str = "adam", settings: dict[str, Any] = EMA, network: str = "dense", **changes: Any
) -> TrainTask:
    spec = TrainingSpec(16, optimizer, settings, engine="graph")
    given = training(
        data=DataSpec(f"{HERE}:arrays"), network=NetworkSpec(f"{HERE}:{network}"), training=spec
    )
    return replace(given, last_epoch=3, **changes)


def differ(one: Any, other: Any) -> set[str]:
    return {name for name in one if not np.array_equal(one[name], other[name])}


def child(parents: list[CheckpointRef], donors: list[CheckpointRef]) -> Offspring:
    plan = ChildPlan(
        child=0,
        merge=0,
        parents=tuple(parents),
        members=tuple(range(len(parents))),
        fitness=tuple(1.0 for _ in parents),
        optimizer=tuple(donors),
        mutate=False,
    )
    return Offspring(CrossoverSpec("mean"), OperatorSpec("none"), plan)


def test_a_member_stands_for_the_average_and_goes_on_from_its_latest_weights(
    place: Workplace,
) -> None:
    result = train_member(task(), place)
    stored = open_checkpoint(result.checkpoint, place)
    assert differ(stored.network, stored.weights) == set(stored.weights)
    assert stored.averaged == 0
    trainer = trainer_for(*_specs(task()), place)
    for part in ("train", "validation", "test"):
        loss = trainer.measures.loss_of(stored.network, part)["loss"]
        name = {"validation": "val_loss"}.get(part, f"{part}_loss")
        assert result.final[name] == pytest.approx(loss, rel=1e-6)
    assert result.final["loss"] == result.epochs[-1].metrics["loss"]


def test_a_restart_and_a_child_begin_with_the_average(place: Workplace) -> None:
    results = [train_member(task(member=n, folder=str(n)), place) for n in (0, 1)]
    refs = [result.checkpoint for result in results]
    networks = [open_checkpoint(ref, place).network for ref in refs]
    trainer = trainer_for(*_specs(task()), place)
    made = breed(task(first_epoch=3), child(refs, []), place, trainer).state
    for name, array in made.weights.items():
        np.testing.assert_allclose(array, (networks[0][name] + networks[1][name]) / 2, rtol=1e-6)
    again = task(first_epoch=2, start=Restart(refs[0]), settings={**EMA, "learning_rate": 0.0})
    still = open_checkpoint(train_member(again, place).checkpoint, place)
    assert not differ(still.weights, networks[0])


@pytest.mark.parametrize("optimizer", ["adam", f"{HERE}:lookahead"])
def test_a_child_that_inherits_an_optimiser_averages_its_own_weights(
    optimizer: str, place: Workplace
) -> None:
    settings = EMA if optimizer == "adam" else {}
    given = task(optimizer, settings)
    refs = [train_member(replace(given, member=n, folder=str(n)), place).checkpoint for n in (0, 1)]
    trainer = trainer_for(*_specs(given), place)
    made = breed(replace(given, first_epoch=3), child(refs, refs), place, trainer).state
    assert made.optimizer
    held = trainer.member.adapted({}, made.weights)
    assert len(held) == 4
    assert not differ(held, {name: made.optimizer[name] for name in held})


@pytest.mark.parametrize("optimizer", ["schedulefreeadamw", f"{HERE}:lookahead"])
def test_a_fresh_optimiser_begins_at_the_members_own_weights(
    optimizer: str, place: Workplace
) -> None:
    trainer = trainer_for(*_specs(task(optimizer, {})), place)
    for seed in (1, 2):
        weights = trainer.blueprint.initial_weights(seed)
        trainer.member.load(Checkpoint(weights), np.random.default_rng(0))
        kernel = next(array for name, array in weights.items() if name.endswith("kernel"))
        states = trainer.member.state().optimizer.values()
        assert sum(np.array_equal(kernel, state) for state in states) == 1


def test_an_average_of_the_arm_stands_in_place_of_the_optimisers(place: Workplace) -> None:
    averaged = task(average=AverageSpec("swa", 1))
    stored = open_checkpoint(train_member(averaged, place).checkpoint, place)
    assert stored.averaged == 2
    plain = open_checkpoint(train_member(task(folder="plain"), place).checkpoint, place)
    assert not differ(stored.weights, plain.weights)
    assert differ(stored.network, plain.network)


@pytest.mark.parametrize("restored", [True, False])
def test_what_a_callback_puts_in_at_the_end_stays(restored: bool, place: Workplace) -> None:
    settings = {"monitor": "val_loss", "patience": 0, "restore_best_weights": restored}
    given = task(settings={**EMA, "learning_rate": 5.0})
    callbacks = (OperatorSpec("early_stopping", {**settings, "mode": "max"}),)
    given = replace(given, training=replace(given.training, callbacks=callbacks), last_epoch=9)
    result = train_member(given, place)
    assert len(result.epochs) < 9
    stored = open_checkpoint(result.checkpoint, place)
    assert bool(differ(stored.network, stored.weights)) is not restored


# ------------------------------------------------------------------------------- nothing learnt
@pytest.mark.parametrize(
    ("settings", "network", "still"),
    [({"learning_rate": 0.01}, "dense", False), ({"learning_rate": 0.0}, "dense", True)],
)
def test_a_member_that_learns_nothing_is_remarked_on(
    settings: dict[str, Any], network: str, still: bool, place: Workplace
) -> None:
    result = train_member(task("sgd", settings, network), place)
    assert any(remark.startswith(STILL) for remark in result.log) is still


# --------------------------------------------------------------------------- a compiled network
def test_another_optimiser_for_a_compiled_network_is_as_if_compiled_with_it(
    place: Workplace,
) -> None:
    import keras

    given = task("sgd", {"learning_rate": 0.5}, network="compiled")
    trainer = trainer_for(*_specs(given), place)
    assert isinstance(trainer.model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(trainer.model.optimizer.inner_optimizer, keras.optimizers.SGD)
    result = train_member(given, place)
    assert not [remark for remark in result.log if remark.startswith(STILL)]
    path = Path(place.root) / "network.keras"
    trainer.model.save(path)
    opened: Any = keras.models.load_model(path)
    assert isinstance(opened.optimizer.inner_optimizer, keras.optimizers.SGD)
    assert not differ(read(named_weights(opened)), trainer.member.weights())


def _specs(given: TrainTask) -> tuple[Any, ...]:
    return given.data, given.network, given.training, given.seed
