"""Data and networks of every kind train, halt, go on and are refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.breeding.merge import align_parents
from apps.datasets.batches import Batches
from apps.datasets.load import load_dataset, prepare
from apps.errors import UserError
from apps.messages.results import TrainResult
from apps.messages.specs import DataSpec, NetworkSpec, OperatorSpec, TrainingSpec
from apps.messages.tasks import Continue, TrainTask, Workplace
from apps.records.checkpoints import open_checkpoint
from apps.seeds import Address
from apps.tasks.train import train_member
from apps.training.trainer import Trainer, trainer_for
from tests.support.small import SEED, training

HERE = "tests.support.kinds"
KINDS = ("dataset", "indexed", "seeded")


BY_NAME = TrainingSpec(
    32,
    loss={"label": "sparse_categorical_crossentropy", "sum": "mse"},
    metrics={"label": ("accuracy",), "sum": ()},
)


def data(name: str, **params: Any) -> DataSpec:
    return DataSpec(f"{HERE}:{name}", params, validation=20)


def task(source: DataSpec, network: str = "net", **changes: Any) -> TrainTask:
    return training(data=source, network=NetworkSpec(f"{HERE}:{network}"), **changes)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


def trainer_of(given: TrainTask, place: Workplace) -> Trainer:
    return trainer_for(given.data, given.network, given.training, SEED, place)


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


def test_weights_that_are_none_are_refused() -> None:
    from tests.support.kinds import weighted

    parts = weighted()
    x, y, w = parts["train"]
    from apps.datasets.checks import checked

    for bad in (-w, w[:5], 0 * w):
        with pytest.raises(UserError, match="the weights of train must be one number from 0"):
            checked(parts | {"train": (x, y, bad)})


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


@pytest.mark.parametrize(
    ("lowest", "message"), [(1, "the smallest one is 1; subtract 1"), (-1, "must not be negative")]
)
def test_labels_that_do_not_count_from_0_are_refused(
    lowest: int, message: str, place: Workplace
) -> None:
    with pytest.raises(UserError, match=message):
        trainer_of(task(data("labels_from", lowest=lowest)), place)
    named = data("two_inputs", two_outputs=True, lowest=lowest)
    with pytest.raises(UserError, match=f"labels of 'label' .*{message}"):
        trainer_of(task(named, "functional", training=BY_NAME), place)


def test_numbers_are_no_classes_of_a_named_output_either(place: Workplace) -> None:
    losses = dict.fromkeys(("label", "sum"), "sparse_categorical_crossentropy")
    given = task(
        data("two_inputs", two_outputs=True),
        "functional",
        training=TrainingSpec(32, loss=losses, metrics={"label": (), "sum": ()}),
    )
    told = "of 'sum' is for classes, .* not whole: .* say training.loss = { sum = \"mse\" }"
    with pytest.raises(UserError, match=told):
        trainer_of(given, place)


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


# ---------------------------------------------------------------------------------- callbacks
def with_callback(name: str, **params: Any) -> TrainTask:
    given = TrainingSpec(32, callbacks=(OperatorSpec(name, params),))
    return task(data("weighted"), training=given, last_epoch=6)


def test_early_stopping_ends_a_segment_with_the_weights_of_its_best_epoch(place: Workplace) -> None:
    settings = {"monitor": "val_loss", "mode": "max", "patience": 1, "restore_best_weights": True}
    result = train_member(with_callback("early_stopping", **settings), place)
    plain = train_member(task(data("weighted"), last_epoch=1, folder="plain"), place)
    assert [record.epoch for record in result.epochs] == [1, 2]
    best, first = (open_checkpoint(each.checkpoint, place).weights for each in (result, plain))
    assert all(np.array_equal(best[name], first[name]) for name in best)
    assert result.final["val_loss"] == plain.final["val_loss"]


def test_a_callback_of_ones_own_acts_and_leaves_no_trace_in_the_next_member(
    place: Workplace,
) -> None:
    own = with_callback(f"{HERE}:halving", after=1)
    result = train_member(own, place)
    assert (Path(place.root) / own.folder / "note.txt").read_text().startswith("5 ['accuracy'")
    plain = task(data("weighted"), last_epoch=6, folder="plain")
    after, before = (
        train_member(plain, place),
        train_member(replace(plain, last_epoch=2, folder="two"), place),
    )
    assert result.epochs[1].metrics == before.epochs[1].metrics == after.epochs[1].metrics
    assert result.epochs[2].metrics != after.epochs[2].metrics
    alone = train_member(replace(plain, folder="alone"), place)
    assert alone.checkpoint.sha256 == after.checkpoint.sha256


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("early_stoping", {}, '"early_stoping" is unknown.*did you mean .early_stopping'),
        ("early_stopping", {"patient": 3}, "'early_stopping' with .*patient"),
        (f"{HERE}:by_batch", {}, "on_train_batch_end, which is never called"),
        (f"{HERE}:own_optimizer", {}, "must return a keras.callbacks.Callback, got SGD"),
    ],
)
def test_a_callback_that_cannot_work_is_refused(
    name: str, params: dict[str, Any], message: str, place: Workplace
) -> None:
    with pytest.raises(UserError, match=message):
        train_member(with_callback(name, **params), place)


# -------------------------------------------------------------------------------- TensorBoard
def test_every_epoch_is_written_for_tensorboard_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    place = Workplace(str(tmp_path), tensorboard=True)
    given = task(data("weighted"), folder="trial-000/a")
    for _ in range(2):
        result: TrainResult = train_member(given, place)
    (file,) = (tmp_path / "tensorboard" / given.folder).iterdir()
    events = EventAccumulator(str(file)).Reload()
    found = [(each.step, each.tensor_proto) for each in events.Tensors("val_loss")]
    assert [step for step, _ in found] == [1, 2, 3, 4]
    values = [proto.float_val[0] for _, proto in found]
    assert values == pytest.approx([each.metrics["val_loss"] for each in result.epochs])
