"""Loss and optimiser: the experiment's, or the model's own."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.messages.specs import TrainingSpec
from apps.networks.build import build
from apps.networks.keras_compile import open_network
from tests.support.built import FACTS, RICH, made

OWN = """
import keras

LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
METRIC = keras.metrics.SparseCategoricalAccuracy()


@keras.saving.register_keras_serializable("own")
class Smooth(keras.losses.Loss):
    def __init__(self, share=0.1, **others):
        super().__init__(**others)
        self.share = share

    def call(self, y, output):
        return (1 - self.share) * keras.losses.sparse_categorical_crossentropy(y, output)

    def get_config(self):
        return {**super().get_config(), "share": self.share}


class LossNeeds(Smooth):
    def __init__(self, share):
        super().__init__(share)


class Needs(keras.metrics.Mean):
    def __init__(self, size):
        super().__init__()


class Raises(keras.metrics.Mean):
    def __init__(self):
        raise LookupError("nothing to measure")
"""


def with_own(folder: Path, **parts: Any) -> tuple[Any, TrainingSpec]:
    """Return a network that is compiled with a user's own loss or metrics, and the settings."""
    (folder / "own_parts.py").write_text(OWN)
    training = TrainingSpec(8, **parts)
    return build(RICH, training, 3, FACTS, str(folder)), training


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


@pytest.mark.parametrize(
    ("name", "kind"), [("LOGITS", "SparseCategoricalCrossentropy"), ("Smooth", "Smooth")]
)
def test_a_loss_may_be_an_object_or_a_class(tmp_path: Path, name: str, kind: str) -> None:
    model, training = with_own(tmp_path, loss=f"own_parts:{name}")
    assert type(model.loss).__name__ == kind
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    opened = open_network(tmp_path / "model.keras", training, str(tmp_path))
    assert opened.loss.get_config() == model.loss.get_config()


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"metrics": ("own_parts:Needs",)}, r"metrics 'own_parts:Needs': .*'size'.*without arg"),
        (
            {"metrics": ("own_parts:Raises",)},
            r"metrics 'own_parts:Raises': .*LookupError: nothing to measure .*line.*without arg",
        ),
        ({"metrics": ("own_parts:METRIC",)}, r"metrics 'own_parts:METRIC' is an object.*its class"),
        ({"loss": "own_parts:LossNeeds"}, r"loss 'own_parts:LossNeeds': .*'share'.*without arg"),
    ],
)
def test_a_class_that_cannot_be_made_is_a_plain_error(
    tmp_path: Path, parts: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=rf"^training\.{told}") as raised:
        with_own(tmp_path, **parts)
    assert raised.value.code == "training-setting"
