"""Data that do not fit their loss are refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.errors import UserError
from apps.messages.specs import TrainingSpec
from apps.messages.tasks import Workplace
from tests.support.kind_tasks import BY_NAME, data, own_step, task, trainer_of


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


def test_weights_that_are_none_are_refused() -> None:
    from tests.support.kinds import weighted

    parts = weighted()
    x, y, w = parts["train"]
    from apps.datasets.checks import checked

    for bad in (-w, w[:5], 0 * w):
        with pytest.raises(UserError, match="the weights of train must be one number from 0"):
            checked(parts | {"train": (x, y, bad)})


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


def test_bytes_that_are_looked_up_are_no_pixels(place: Workplace) -> None:
    with pytest.raises(UserError, match="looks whole numbers up and is given fractions"):
        trainer_of(task(data("looked_up"), "embedding"), place)
    for params in ({"scale": 1.0}, {"dtype": "int32"}, {"dtype": "float32"}):
        trainer_of(task(data("looked_up", **params), "embedding"), place)


def test_a_model_whose_weights_come_late_is_refused(place: Workplace) -> None:
    with pytest.raises(UserError, match=r"makes 'dense_1/.*' at its first call only"):
        trainer_of(task(data("weighted"), "unbuilt"), place)


def test_a_metric_of_several_numbers_is_refused(place: Workplace) -> None:
    spec = TrainingSpec(32, loss="mse", metrics=("f1_score",))
    with pytest.raises(UserError, match="'f1_score' is of 3 numbers"):
        trainer_of(task(data("one_hot"), training=spec), place)


def test_a_metric_of_several_by_name_is_each_of_these(place: Workplace) -> None:
    spec = TrainingSpec(32, loss="mse", metrics=("tests.support.extremes:Extremes",))
    trainer = trainer_of(task(data("one_hot"), training=spec), place)
    found = trainer.evaluate("validation")
    assert found.keys() == {"loss", "lowest", "highest"}
    assert found["lowest"] < found["highest"]
    both = replace(spec, metrics=(*spec.metrics, "tests.support.metrics:lowest"))
    with pytest.raises(UserError, match="has a value 'lowest', which another metric is called"):
        trainer_of(task(data("one_hot"), training=both), place)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("loss", "test_step does not update its metric 'loss'"),
        ("total_loss", "whose metrics total_loss have no 'loss'"),
    ],
)
def test_a_train_step_of_ones_own_whose_held_out_loss_would_be_0_is_refused(
    name: str, message: str, place: Workplace
) -> None:
    with pytest.raises(UserError, match=message):
        trainer_of(own_step(tracked=name), place)


def test_a_loop_of_ones_own_is_gone_through_by_fit(place: Workplace) -> None:
    usual, own = (
        trainer_of(own_step(evaluated=True, looped=looped), place) for looped in (False, True)
    )
    assert usual.engine.engine == "xla"
    assert own.engine.engine == "fit"
    assert own.run_epoch(np.arange(76))["loss"] == 7.0
    assert own.remarks == [
        "trained by keras.Model.fit: the model has a make_train_function of its own"
    ]
