"""State that no checkpoint holds is seen, and told before a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.errors import UserError
from apps.messages.tasks import Workplace
from apps.networks.hidden_state import hidden_state, moved
from apps.runtime import load_keras
from apps.training.trainer import new_trainer
from tests.support.small import ADAM, DATA, SEED, net


def compiled(model: Any) -> Any:
    model.compile("adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def dense() -> Any:
    keras = load_keras()
    return compiled(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))


def test_a_plain_network_has_none() -> None:
    keras = load_keras()
    model = keras.Sequential(
        [
            keras.Input((4, 2)),
            keras.layers.GaussianNoise(0.1),
            keras.layers.LSTM(3, dropout=0.1),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
    )
    assert hidden_state(compiled(model)) == {}


def test_a_second_optimiser_is_seen_when_it_moves() -> None:
    model = dense()
    model.second = load_keras().optimizers.Adam(0.1)
    states = hidden_state(model)
    assert list(states) == ["Sequential.second"]
    before = {name: reading() for name, reading in states.items()}
    assert moved(states, before) == []
    variable = model.trainable_variables[0]
    model.second.apply([np.ones(variable.shape, np.float32)], [variable])
    assert moved(states, before) == ["Sequential.second"]


@pytest.mark.parametrize("held", ["alone", "in a list", "by name"])
def test_a_variable_that_no_layer_added_is_seen(held: str) -> None:
    import tensorflow as tf

    model, counter, other = dense(), tf.Variable(0.0), tf.Variable(0.0)
    model.layers[0].count = {
        "alone": counter,
        "in a list": [counter, other],
        "by name": {"n": counter, "other": other},
    }[held]
    states = hidden_state(model)
    (name,) = states
    assert name.endswith(".count")
    before = {name: reading() for name, reading in states.items()}
    counter.assign_add(1.0)
    assert moved(states, before) == [name]


@pytest.mark.parametrize("what", ["optimizer", "variable"])
def test_a_network_that_moves_it_is_refused(what: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint holds") as caught:
        new_trainer(DATA, net("with_hidden_state", what=what), ADAM, SEED, Workplace(str(tmp_path)))
    assert caught.value.code == "network-state"


def test_a_network_that_only_has_it_is_trained(tmp_path: Path) -> None:
    trainer = new_trainer(
        DATA, net("with_hidden_state", what="unused"), ADAM, SEED, Workplace(str(tmp_path))
    )
    assert hidden_state(trainer.model)
