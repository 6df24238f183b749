"""Which engine trains: by the network and the experiment alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.messages.specs import Genome, NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.runtime import load_keras
from apps.training.engine_choice import SMALL_STEP, Profile, choose, profile_of
from apps.training.trainer import trainer_for
from tests.benchmarks import networks
from tests.support.small import ADAM, DATA, PLAIN, SEED, net

X = np.zeros((1, 28, 28), np.float32)

ENGINES = {
    "dropout": ("xla", "a small step: 90 million operations"),
    "wide": ("graph", "large products: 715 million operations"),
    "one_lstm": ("xla", "recurrent"),
    "two_grus": ("xla", "recurrent"),
    "transformer": ("graph", "large products: "),
    "separable": ("graph", "convolutions"),
    "two_convolutions": ("graph", "convolutions"),
    "residual": ("graph", "convolutions"),
}


def test_every_network_of_the_benchmark_is_here() -> None:
    assert ENGINES.keys() == networks.LEAST.keys()


@pytest.mark.parametrize("name", ENGINES)
def test_the_rule_for_the_networks_of_the_benchmark(name: str) -> None:
    load_keras()
    model = getattr(networks, name)((28, 28), 10)
    choice = choose(profile_of(model, X, 64), gpu=False)
    engine, reason = ENGINES[name]
    assert choice.engine == engine
    assert choice.reason.startswith(reason)


def test_loops_of_cudnn_are_not_given_to_xla() -> None:
    """On a GPU Keras calls cuDNN's operation; a graph of it can be made without one."""
    import tensorflow as tf

    def recurrent(inputs: Any, training: bool) -> Any:
        state = tf.zeros((1, inputs.shape[0], 4))
        return tf.raw_ops.CudnnRNN(
            input=inputs, input_h=state, input_c=state, params=tf.zeros(1), is_training=training
        ).output

    profile = profile_of(recurrent, X, 64)
    assert profile.cudnn_loops
    assert choose(profile, gpu=True).engine == "graph"


@pytest.mark.parametrize("batch_size", [32, 128])
def test_the_poster_s_network_is_compiled(batch_size: int) -> None:
    from apps.networks.builders import two_layer_dense

    load_keras()
    profile = profile_of(two_layer_dense(input_shape=(28, 28), classes=10), X, batch_size)
    assert profile == Profile(False, False, 3 * 2 * batch_size * (784 * 128 + 128 * 10))
    assert choose(profile, gpu=False).engine == "xla"


@pytest.mark.parametrize(
    ("profile", "gpu", "engine"),
    [
        (Profile(False, False, SMALL_STEP - 1), False, "xla"),
        (Profile(False, False, SMALL_STEP), False, "graph"),
        (Profile(False, False, SMALL_STEP), True, "xla"),
        (Profile(False, False, 0.0), False, "xla"),
        (Profile(True, True, 0.0), False, "graph"),
        (Profile(True, False, 0.0), True, "graph"),
        (Profile(False, True, 10 * SMALL_STEP), False, "xla"),
    ],
)
def test_the_rule_at_its_edges(profile: Profile, gpu: bool, engine: str) -> None:
    assert choose(profile, gpu).engine == engine


def layered(*layers: Any) -> Any:
    import keras

    return keras.Sequential([keras.layers.Input((28, 28)), *layers])


def test_products_of_any_kind_are_counted() -> None:
    keras = load_keras()
    profiles = [
        profile_of(layered(layer), X, 5)
        for layer in (keras.layers.Dense(7), keras.layers.EinsumDense("abc,cd->abd", (28, 7)))
    ]
    assert profiles == [Profile(False, False, 3 * 2 * 5 * 28 * 28 * 7)] * 2


def test_a_pooling_alone_and_a_convolution_inside_a_layer_are_seen() -> None:
    keras = load_keras()

    class Own(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return keras.ops.conv(x, keras.ops.ones((3, 28, 2)))

    for layer in (keras.layers.MaxPooling1D(), Own(), keras.Sequential([Own()])):
        assert profile_of(layered(layer), X, 5).convolves


# ------------------------------------------------------------------------- what is asked for
@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


@pytest.mark.parametrize("engine", ["xla", "graph", "fit"])
def test_the_experiment_may_say_which(engine: Any, place: Workplace) -> None:
    found = trainer_for(DATA, PLAIN, TrainingSpec(32, engine=engine), SEED, place).engine
    assert (found.engine, found.reason) == (engine, f'training.engine = "{engine}"')


def test_an_architecture_of_a_search_is_not_compiled(place: Workplace) -> None:
    searched = trainer_for(DATA, PLAIN, ADAM, SEED, place, Genome(network={"units": 9}))
    assert searched.engine.engine == "graph"
    assert "search" in searched.engine.reason
    # One architecture, of which rates are searched, is trained for many steps.
    rates = trainer_for(DATA, PLAIN, ADAM, SEED, place, Genome(optimizer={"learning_rate": 0.1}))
    assert rates.engine.engine == "xla"


def test_what_runs_eagerly_is_trained_by_fit(place: Workplace) -> None:
    found = trainer_for(DATA, net("eager"), TrainingSpec(32, engine="xla"), SEED, place).engine
    assert (found.engine, found.reason) == ("fit", "the model was compiled to run eagerly")


def test_a_network_that_cannot_be_looked_into_is_not_compiled(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no graph")

    monkeypatch.setattr("apps.training.epoch_loop.profile_of", fail)
    spec = NetworkSpec("two_layer_dense", {"units": 11})
    found = trainer_for(DATA, spec, ADAM, SEED, place).engine
    assert (found.engine, found.reason) == (
        "graph",
        "its operations are not known: ValueError: no graph",
    )
