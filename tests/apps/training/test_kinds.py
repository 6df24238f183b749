"""Data and networks of every kind train, halt, go on and are refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.breeding.merge import align_parents
from apps.datasets.batches import Batches
from apps.datasets.load import load_dataset, prepare
from apps.errors import UserError
from apps.messages.specs import NetworkSpec, TrainingSpec
from apps.messages.tasks import Continue, Workplace
from apps.seeds import Address
from apps.tasks.train import train_member
from tests.support.kind_tasks import BY_NAME, HERE, data, task, trainer_of
from tests.support.small import SEED, training

KINDS = ("dataset", "indexed", "seeded")


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


# --------------------------------------------------------------------------- arrays by name
def test_several_inputs_and_outputs_are_fused_and_learn(place: Workplace) -> None:
    given = task(
        data("two_inputs", two_outputs=True), "functional", training=BY_NAME, last_epoch=12
    )
    result = train_member(given, place)
    assert result.log == ()
    assert result.epochs[-1].metrics["loss"] < 0.95 * result.epochs[0].metrics["loss"]
    assert {"label_accuracy", "val_sum_loss"} < set(result.epochs[0].metrics)


def test_networks_with_inputs_by_name_are_aligned_by_their_activations(place: Workplace) -> None:
    given = task(data("two_inputs"), "functional")
    trainer = trainer_of(given, place)
    parents = [trainer.blueprint.initial_weights(seed) for seed in (1, 2)]
    _, aligned = align_parents(trainer, parents, "activations", Address(SEED))
    name = next(name for name, array in aligned.items() if array.shape == (8, 8))
    assert not np.array_equal(aligned[name], parents[1][name])
    one, other = (
        trainer.measures.loss_of(weights, "test")["loss"] for weights in (aligned, parents[1])
    )
    assert np.isclose(one, other, rtol=1e-5)
    assert trainer.measures.predictions(aligned).shape == (96, 3)


# ------------------------------------------------------------------------------------ weights
def test_samples_of_weight_0_teach_nothing(place: Workplace) -> None:
    results = [
        train_member(task(data("weighted", zero=zero), folder=str(zero)), place)
        for zero in (False, True)
    ]
    one, other = (result.epochs[-1].metrics["loss"] for result in results)
    assert one == other
    assert results[0].log == ()


# ------------------------------------------------------------------------------------ batches
@pytest.mark.parametrize("kind", KINDS)
def test_data_in_batches_are_fused_and_halting_is_invisible(kind: str, place: Workplace) -> None:
    whole = train_member(task(data("streamed", kind=kind), folder="whole"), place)
    assert whole.log == ()
    assert (whole.engine, whole.engine_reason) == ("graph", "the data come in batches")
    first = train_member(task(data("streamed", kind=kind), folder="first", last_epoch=2), place)
    rest = task(
        data("streamed", kind=kind), folder="rest", first_epoch=2, start=Continue(first.checkpoint)
    )
    assert train_member(rest, place).final == whole.final
    again = train_member(task(data("streamed", kind=kind), folder="again"), place)
    assert again.checkpoint.sha256 == whole.checkpoint.sha256


@pytest.mark.parametrize(("kind", "orders"), [("dataset", 1), ("indexed", 2), ("seeded", 2)])
def test_members_have_orders_of_their_own_where_there_are_any(
    kind: str, orders: int, place: Workplace
) -> None:
    given = task(data("streamed", kind=kind))
    epochs = []
    for seed in (1, 2):
        train = load_dataset(given.data, SEED).train
        assert isinstance(train, Batches)
        source = train.epoch(train.order(np.random.default_rng(seed)))
        batches = source if kind != "indexed" else (source[i] for i in range(len(source)))
        epochs.append(np.concatenate([np.asarray(y) for _, y in batches]))
    assert len({epoch.tobytes() for epoch in epochs}) == orders
    assert np.array_equal(np.sort(epochs[0]), np.sort(epochs[1]))


def test_batches_are_evaluated_as_the_same_arrays_are(place: Workplace) -> None:
    given = task(data("streamed", kind="dataset"))
    trainer = trainer_of(given, place)
    found = trainer.evaluate("test")
    held_out = trainer.evaluate("validation")  # the same samples, as arrays
    assert found["loss"] == pytest.approx(held_out["loss"], rel=1e-5)


def test_statistics_are_measured_over_batches(place: Workplace) -> None:
    given = task(data("streamed", kind="indexed"))
    trainer = trainer_of(given, place)
    refreshed = trainer.measures.refreshed(trainer.blueprint.initial_weights(1))
    assert any(np.abs(refreshed[name]).sum() > 0 for name in trainer.member.statistics)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("endless", r"train never ends.*leave out .repeat\(\) or say .take"),
        ("drained", "train can be read once only: its second pass.*must begin anew"),
        ("reshuffled", "train can be read once only.*reshuffle_each_iteration = False"),
        ("generator", "train is a generator, which can be read only once: return arrays"),
        ("single", r"a batch must be \(x, y\) or \(x, y, weights\)"),
    ],
)
def test_batches_that_cannot_be_repeated_are_refused(kind: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(data("streamed", kind=kind))


def test_batches_without_any_are_refused(place: Workplace) -> None:
    with pytest.raises(UserError, match="train must have at least one batch, got none"):
        trainer_of(task(data("streamed", kind="empty")), place)


def test_batches_need_validation_data_of_their_own() -> None:
    with pytest.raises(UserError, match="in batches cannot be split: return validation data too"):
        prepare(data("unsplit"))


def test_limiting_batches_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.train_limit is for arrays"):
        prepare(replace(data("streamed", kind="dataset"), train_limit=5))


# ------------------------------------------------------------------------- targets and losses
def test_a_number_is_learnt_and_has_no_accuracy(place: Workplace) -> None:
    given = training(
        data=data("regression"),
        network=NetworkSpec(f"{HERE}:net", {"output": "linear"}),
        training=TrainingSpec(32, loss="mse", metrics=("mae",)),
    )
    result = train_member(given, place)
    assert trainer_of(given, place).model.output_shape == (None, 1)
    assert set(result.epochs[0].metrics) == {"loss", "mae", "val_loss", "val_mae"}


def test_loss_optimizer_and_metrics_may_be_the_users_own(place: Workplace) -> None:
    own = TrainingSpec(
        32,
        f"{HERE}:own_optimizer",
        {"learning_rate": 0.3},
        f"{HERE}:own_loss",
        (f"{HERE}:own_metric",),
    )
    usual = TrainingSpec(32, "sgd", {"learning_rate": 0.6}, metrics=())
    results = [
        train_member(task(data("weighted"), training=each, folder=str(n), last_epoch=1), place)
        for n, each in enumerate((own, usual))
    ]
    assert results[0].final["loss"] == pytest.approx(2 * results[1].final["loss"], rel=1e-5)
    assert "own_metric" in results[0].final
    assert results[0].log == ()


def test_a_model_whose_call_is_python_trains(place: Workplace) -> None:
    result = train_member(task(data("weighted"), "subclassed"), place)
    assert result.status == "done"
    assert result.log == ()
