"""Data in batches train as one `keras.Model.fit` does, and go on as if never interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.batches import Batches
from apps.datasets.load import load_dataset, prepare
from apps.datasets.preparation import Example, Preparation
from apps.errors import UserError
from apps.messages.results import TrainResult
from apps.messages.specs import DataSpec, EngineName, NetworkSpec, TrainingSpec
from apps.messages.tasks import Continue, TrainTask, Workplace
from apps.records.checkpoints import Checkpoint, open_checkpoint
from apps.tasks.train import train_member
from apps.training.data_order import epoch_order
from apps.training.trainer import Trainer, trainer_for
from tests.support.small import SEED, training

HERE = "tests.support.batches"
KINDS = "tests.support.kinds"


def data(name: str, module: str = HERE, **params: Any) -> DataSpec:
    return DataSpec(f"{module}:{name}", params, validation=20)


def task(source: DataSpec, network: str = f"{KINDS}:net", **changes: Any) -> TrainTask:
    return training(data=source, network=NetworkSpec(network), **changes)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


def trainer_of(given: TrainTask, place: Workplace) -> Trainer:
    return trainer_for(given.data, given.network, given.training, SEED, place)


def iter_of(batches: list[Any]) -> Iterator[Any]:
    yield from batches


def train_part(source: DataSpec) -> Batches:
    part = load_dataset(source, SEED).train
    assert isinstance(part, Batches)
    return part


def halted(given: DataSpec, place: Workplace, **changes: Any) -> tuple[TrainResult, TrainResult]:
    """Train at once, and in two segments with another member between."""
    whole = train_member(task(given, folder="whole", **changes), place)
    first = train_member(task(given, folder="first", last_epoch=2, **changes), place)
    train_member(task(given, folder="other", member=5, last_epoch=1, **changes), place)
    rest = task(
        given,
        folder="rest",
        first_epoch=2,
        start=Continue(first.checkpoint),
        last_epoch=4,
        **changes,
    )
    return whole, train_member(rest, place)


# ------------------------------------------------------------------------------- as fit does it
@pytest.mark.parametrize(
    ("source", "optimizer"),
    [
        (data("streamed", KINDS, kind="seeded"), "sgd"),
        (data("hooked", what="counting"), "adam"),
    ],
)
def test_an_epoch_is_one_of_keras_fit_on_the_same_batches(
    source: DataSpec, optimizer: str, place: Workplace
) -> None:
    given = task(source, training=TrainingSpec(32, optimizer))
    trainer = trainer_of(given, place)
    part = train_part(source)
    start = Checkpoint(trainer.blueprint.initial_weights(3))
    trainer.member.load(start, np.random.default_rng(0))
    ours, batches = [], []
    for epoch in range(3):
        order = epoch_order(given, epoch, trainer)
        ours.append(trainer.run_epoch(order))
        with part.reading(order) as read:
            batches.append(list(read.as_numpy_iterator()))
    assert trainer.engine.engine == "graph"
    assert trainer.remarks == []
    model = trainer.blueprint.build(3)
    for mine, epoch_batches in zip(ours, batches, strict=True):
        steps = len(epoch_batches)
        given_as = {"steps_per_epoch": steps, "shuffle": False, "verbose": 0}
        theirs = model.fit(iter_of(epoch_batches), **given_as).history
        assert {name: values[-1] for name, values in theirs.items()} == pytest.approx(
            mine, rel=1e-4, abs=1e-5
        )


# --------------------------------------------------------------------------- through interruptions
@pytest.mark.parametrize(
    ("engine", "what"),
    [
        *(("auto", what) for what in ("shuffled", "augmented", "counting", "shrinking")),
        *(("fit", what) for what in ("shuffled", "shrinking")),
    ],
)
def test_halting_is_invisible_whatever_happens_between_epochs(
    what: str, engine: EngineName, place: Workplace
) -> None:
    whole, rest = halted(data("hooked", what=what), place, training=TrainingSpec(32, engine=engine))
    assert whole.engine == ("fit" if engine == "fit" else "graph")
    assert rest.final == whole.final
    assert rest.checkpoint.sha256 == whole.checkpoint.sha256


def test_threads_read_the_same_numbers(place: Workplace) -> None:
    results = [
        train_member(
            task(data("hooked", what="shuffled", workers=workers), folder=str(workers)), place
        )
        for workers in (1, 3)
    ]
    weights = [open_checkpoint(each.checkpoint, place).weights for each in results]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("reads", [0, 6], ids=["before the loop", "within it"])
def test_a_batch_that_could_not_be_read_is_an_error_and_no_reason_for_another_engine(
    reads: int, place: Workplace, tmp_path: Path
) -> None:
    """The numbers of another engine are others in their last bits: they must not depend on it."""
    failing = tmp_path / "failing"
    given = task(data("hooked", what="plain", failing=str(failing)))
    trainer = trainer_of(given, place)
    trainer.member.load(Checkpoint(trainer.blueprint.initial_weights(3)), np.random.default_rng(0))
    failing.write_text(str(reads))
    with pytest.raises(Exception, match="the disk is away"):
        trainer.run_epoch(epoch_order(given, 0, trainer))
    failing.unlink()
    trainer.run_epoch(epoch_order(given, 0, trainer))
    assert trainer.engine.engine == "graph"
    assert trainer.remarks == []


# ----------------------------------------------------------------------------------------- texts
@pytest.mark.parametrize(
    ("network", "form"),
    [
        ("vectorization", "arrays"),
        ("lookup", "arrays"),
        ("lookup", "batches"),
        ("vectorization", "indexed"),
    ],
)
def test_a_network_that_begins_with_words_trains(form: str, network: str, place: Workplace) -> None:
    given = training(
        data=data("texts", form=form),
        network=NetworkSpec(f"{HERE}:reads_texts", {"layer": network}),
        training=TrainingSpec(24, "adam", {"learning_rate": 0.05}),
    )
    result = train_member(given, place)
    assert result.engine == "graph"
    assert result.log == ()
    losses = [record.metrics["loss"] for record in result.epochs]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"targets": "texts"}, "y_train must be numeric, got texts: number the classes"),
        ({"form": "odd"}, "x_train must be numeric, or texts .* got things of several kinds"),
    ],
)
def test_texts_where_none_are_taken_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(data("texts", **params))


def test_texts_before_a_network_of_numbers_are_refused(place: Workplace) -> None:
    with pytest.raises(UserError, match="inputs of the data are texts: let it begin"):
        trainer_of(task(data("texts")), place)


def test_a_champion_that_learnt_from_texts_is_asked_texts() -> None:
    from apps.champion import Champion
    from tests.support.batches import reads_texts

    prepared = Preparation(1.0, {"": Example((), np.dtype(object))}, {})
    champion = Champion(reads_texts(), prepared, lambda: pytest.fail("no data are needed"))
    assert np.shape(champion.predict(["red red", "blue"])) == (2, 5)
    with pytest.raises(UserError, match="inputs must be texts, got dtype int64"):
        champion.predict([1, 2])
