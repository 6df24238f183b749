"""A trial in small: whatever would fail on a worker is told before anything is stored."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
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
    TrainingSpec,
)
from apps.messages.tasks import (
    TrainTask,
    Workplace,
)
from apps.preflight.rehearsal import SettingRehearsal, rehearse
from apps.training.trainer import trainer_for
from tests.support.rehearsals import HERE, SPECIES, STRANGE, halt, harvest, refused, task
from tests.support.small import ADAM, DATA, PLAIN, RICH, SEED, net


# -------------------------------------------------------------------------------------- fitness
@pytest.mark.parametrize("fitness", ["val_auc", "train_auc", "auc", "val_val_loss"])
def test_a_fitness_that_nothing_measures_is_refused(place: Workplace, fitness: str) -> None:
    first = task()
    given = harvest(first, fitness=fitness, fitness_mode="max")
    with pytest.raises(UserError, match=r"^training.fitness: .* no metric .* val_accuracy"):
        rehearse([first], [], [given], place)


@pytest.mark.parametrize("fitness", ["val_accuracy", "train_accuracy", "accuracy", "val_auc"])
def test_a_metric_may_be_the_fitness(place: Workplace, fitness: str) -> None:
    how = TrainingSpec(16, loss="categorical_crossentropy", metrics=("acc", "auc"))
    first = replace(
        task(NetworkSpec("tests.support.against_keras:dense"), how),
        data=DataSpec("tests.support.against_keras:one_hot"),
    )
    rehearse([first], [], [harvest(first, fitness=fitness, fitness_mode="max")], place)


# ------------------------------------------------------------------------------ nothing is wrong
@pytest.mark.parametrize("network", [PLAIN, RICH, net("spectral")])
def test_what_is_right_is_gone_through_and_nothing_is_written(
    place: Workplace, network: NetworkSpec
) -> None:
    first = task(network)
    noise = OperatorSpec("gaussian", {"scale": 0.1})
    halts = [halt(first, mutation=noise, rates=(1.0, 0.5))]
    if network == PLAIN:
        halts.append(halt(first, mating="species", species=SPECIES))
    rehearse([first], halts, [harvest(first)], place)
    assert not Path(place.root).exists()


def test_a_network_without_halts_is_tried(place: Workplace) -> None:
    rehearse([task()], [], [harvest(task(), method="best")], place)


def test_the_step_of_the_rehearsal_leaves_the_state_as_it_was(place: Workplace) -> None:
    trainer = trainer_for(DATA, RICH, ADAM, SEED, place)
    before = trainer.member.state()
    trainer.checks.takes_a_step()
    after = trainer.member.state()
    for group in ("weights", "optimizer", "random"):
        kept, found = getattr(before, group), getattr(after, group)
        assert all(np.array_equal(kept[name], found[name]) for name in kept)


def test_a_step_that_wants_a_graph_around_it_is_right(place: Workplace) -> None:
    rehearse([task(net("graph_in_training"))], [], [], place)


# ------------------------------------------------------------------------- network and training
def adam(**settings: Any) -> TrainingSpec:
    return TrainingSpec(32, "adam", settings)


FALLING = {
    "module": "keras.optimizers.schedules",
    "class_name": "ExponentialDecay",
    "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "registered_name": None,
}
BUILDING: dict[str, tuple[TrainTask, str]] = {
    "optimizer": (
        task(how=TrainingSpec(32, "adamm")),
        "training.optimizer 'adamm' .*did you mean 'adam'",
    ),
    "optimizer's setting": (task(how=adam(lr=0.1)), "training.optimizer 'adam' .*'lr'"),
    "learning rate": (
        task(how=adam(learning_rate="fast")),
        "training.optimizer 'adam' .*should be float.*fast",
    ),
    "what only a step tells": (task(how=adam(beta_1="big")), "first step .*'adam' .*'big'"),
    "loss": (
        task(how=TrainingSpec(32, loss="crossentropee")),
        "training.loss 'crossentropee': .*identifier",
    ),
    "loss that does not fit": (
        task(how=TrainingSpec(32, loss="categorical_crossentropy")),
        r"loss 'categorical_crossentropy' do not fit .*outputs \(10,\), targets \(\) .*same rank",
    ),
    "metric": (
        task(how=TrainingSpec(32, metrics=("acuracy",))),
        "training.metrics 'acuracy': .*did you mean 'accuracy'",
    ),
    "builder that is not there": (task(net("not_there")), "has no not_there"),
    "builder that raises": (
        task(net("raises")),
        r"network.builder .* ValueError: no such luck \(.*nets.py, line",
    ),
    "builder that exits": (task(net("exits")), "network.builder .* SystemExit: no more"),
    "builder's setting": (
        task(NetworkSpec("two_layer_dense", {"unit": 3})),
        "network.builder 'two_layer_dense' has no setting 'unit'; did you mean 'units'",
    ),
    "value of it": (task(NetworkSpec("two_layer_dense", {"units": -3})), "units=-3"),
    "layer that does not fit the data": (
        task(NetworkSpec("two_layer_dense", {"input_shape": [28, 27]})),
        r"takes inputs \(28, 27\), and the data have \(28, 28\)",
    ),
    "step that exits": (task(net("exits_in_training")), "first step .*SystemExit: no more"),
    "schedule of rates for an optimizer that has one": (
        replace(task(how=adam(learning_rate=FALLING)), rates=(1.0, 0.5)),
        "a schedule of its own",
    ),
}


@pytest.mark.parametrize(("first", "message"), BUILDING.values(), ids=BUILDING.keys())
def test_what_is_wrong_with_the_network_is_told(
    place: Workplace, first: TrainTask, message: str
) -> None:
    assert re.search(message, refused(first, [], [], place))


# --------------------------------------------------------------------------------------- searches
WIDTHS = Space((Gene("width", Choice((4, 5))),))


def test_a_combination_that_fails_in_its_first_step_is_a_failed_member(place: Workplace) -> None:
    whole = task(NetworkSpec(f"{HERE}:stumbles"))
    first = [
        replace(whole, member=member, genome=Genome({"width": width}))
        for member, width in enumerate((5, 4, 4))
    ]
    (remark,) = rehearse(first, [halt(whole)], [], place, WIDTHS)
    assert remark.startswith("member 0 will fail: network ")
    assert "ValueError: 5 units are too many" in remark
    with pytest.raises(UserError, match="only 1 of 3 members can be built, and a halt takes 2"):
        rehearse([first[0], first[1], first[0]], [halt(whole)], [], place, WIDTHS)


def test_an_arms_settings_are_tried_with_genes_that_make_a_network(place: Workplace) -> None:
    whole = task(NetworkSpec(f"{HERE}:stumbles"))
    first = [
        replace(whole, member=member, genome=Genome({"width": width}))
        for member, width in enumerate((5, 4, 4))
    ]
    own = replace(first[0], training=replace(ADAM, optimizer="adam"))
    (remark,) = rehearse(first, [], [], place, WIDTHS, [SettingRehearsal("arms.own", own)])
    assert remark.startswith("member 0 will fail: ")


# ------------------------------------------------------------------------------------ symmetries
@pytest.mark.parametrize("align", ["weights", "activations"])
def test_a_layer_that_cannot_be_aligned_is_told(place: Workplace, align: Any) -> None:
    merge = CrossoverSpec("mean", align=align)
    told = refused(STRANGE, [halt(STRANGE, crossover=merge)], [], place)
    assert told.startswith("arms.mean, halt after epoch 2: ")
    assert "'strange'" in told
    told = refused(STRANGE, [], [harvest(STRANGE, align=align)], place)
    assert told.startswith("arms.mean, harvest: ")
    assert "'strange'" in told


def test_a_layer_that_cannot_be_repaired_is_told(place: Workplace) -> None:
    told = refused(STRANGE, [], [harvest(STRANGE, repair=True)], place)
    assert told.startswith("arms.mean, harvest: ")


def test_a_layer_that_is_not_known_harms_nobody_who_does_not_align(place: Workplace) -> None:
    rehearse([STRANGE], [halt(STRANGE)], [harvest(STRANGE)], place)
