"""Loss and optimiser: the experiment's, or the model's own."""

from __future__ import annotations

from copy import deepcopy

import pytest

from apps.errors import UserError
from apps.messages.specs import TrainingSpec
from tests.support.built import RICH, made


def test_a_model_that_is_not_compiled_is_compiled_as_the_experiment_says() -> None:
    training = TrainingSpec(8, "sgd", {"learning_rate": 0.5, "momentum": 0.25})
    model = made("uncompiled", training=training)
    assert type(model.optimizer).__name__ == "SGD"
    assert float(model.optimizer.learning_rate) == 0.5
    assert model.optimizer.momentum == 0.25
    assert type(made("uncompiled").optimizer).__name__ == "Adam"


def test_a_compiled_model_keeps_its_own_loss_and_optimiser() -> None:
    model = made("compiled")
    assert (type(model.optimizer).__name__, model.optimizer.nesterov) == ("SGD", True)
    assert type(model.loss).__name__ == "SparseCategoricalCrossentropy"
    other = made("compiled", training=TrainingSpec(8, "rmsprop"))
    assert type(other.optimizer).__name__ == "RMSprop"
    assert type(other.loss).__name__ == "SparseCategoricalCrossentropy"


def test_a_message_is_not_changed_by_keras() -> None:
    schedule = {
        "module": "keras.optimizers.schedules",
        "class_name": "ExponentialDecay",
        "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
        "registered_name": None,
    }
    training = TrainingSpec(8, "sgd", {"learning_rate": schedule})
    before = deepcopy(training)
    for _ in range(2):
        assert type(made("uncompiled", training=training).optimizer).__name__ == "SGD"
        assert training == before


@pytest.mark.parametrize(
    "training",
    [
        TrainingSpec(32, "addam"),
        TrainingSpec(32, "adam", {"learning_rat": 0.1}),
        TrainingSpec(32, "adam", {"learning_rate": "fast"}),
    ],
)
def test_an_optimiser_that_keras_does_not_know_is_named(training: TrainingSpec) -> None:
    with pytest.raises(UserError, match=rf"training\.optimizer '{training.optimizer}' with"):
        made(RICH, training=training)
