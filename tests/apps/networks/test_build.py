"""A network depends on its seed alone, and its arrays have names that mean the same everywhere."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from apps.errors import HeterosisError, UserError
from apps.messages.specs import NetworkSpec, TrainingSpec
from apps.networks.build import (
    assign,
    build,
    named_optimizer_states,
    named_random_states,
    named_weights,
    read,
)
from apps.runtime import load_keras
from tests.support.built import RICH, made


def weights(spec: NetworkSpec | str, seed: int = 3) -> dict[str, Any]:
    return read(named_weights(made(spec, seed)))


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[n], other[n]) for n in one)


def test_a_builder_gets_the_facts_it_asks_for_and_the_experiments_word_counts() -> None:
    facts = {"input_shape": (3, 2, 1), "classes": 4}
    for params, outputs in (({}, 4), ({"classes": 7}, 7)):
        model = build(NetworkSpec("two_layer_dense", params), TrainingSpec(32), 0, facts)
        assert model.input_shape == (None, 3, 2, 1)
        assert model.output_shape == (None, outputs)


# --------------------------------------------------------------------------------------- seeds
def test_initial_weights_depend_on_the_seed_alone() -> None:
    first = weights(RICH, 5)
    made("many_layers")
    random.seed(0)
    np.random.seed(0)
    assert same(weights(RICH, 5), first)
    assert not same(weights(RICH, 6), first)


@pytest.fixture
def busy_random() -> Iterator[None]:
    """Another thread that uses Python's and numpy's process-wide generators all the time."""
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            random.random()
            np.random.rand()
            if random.random() < 0.001:
                time.sleep(0)

    thread = threading.Thread(target=draw)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_initial_weights_do_not_depend_on_other_threads(request: pytest.FixtureRequest) -> None:
    quiet = {seed: weights(RICH, seed) for seed in (1, 2)}
    request.getfixturevalue("busy_random")
    for _ in range(2):
        assert all(same(weights(RICH, seed), quiet[seed]) for seed in quiet)


def test_building_leaves_pythons_generator_as_it_was() -> None:
    load_keras()
    random.seed(12)
    expected = [random.random() for _ in range(3)]
    random.seed(12)
    found = [random.random()]
    made(RICH)
    found += [random.random(), random.random()]
    assert found == expected


def test_threads_build_the_same_networks_at_the_same_time() -> None:
    alone = {seed: weights(RICH, seed) for seed in (1, 2)}
    together = threading.Barrier(2)
    wrong: list[Any] = []

    def build_often(seed: int) -> None:
        together.wait()
        for _ in range(6):
            try:
                if not same(weights(RICH, seed), alone[seed]):
                    wrong.append(seed)
            except UserError as error:
                wrong.append(error)

    threads = [threading.Thread(target=build_often, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", ["random_each_time", "random_depth"])
def test_a_builder_that_is_not_reproducible_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="gives other initial weights each time for one seed"):
        made(name)


def test_a_builder_that_returns_one_model_for_all_members_is_refused() -> None:
    with pytest.raises(UserError, match="make the model and its layers anew within the function"):
        made("same_again")


def test_the_precision_of_one_builder_is_not_the_next_ones() -> None:
    def precision(model: Any) -> tuple[str, str]:
        return model.layers[-1].compute_dtype, model.layers[-1].variable_dtype

    for _ in range(2):
        assert precision(made("mixed_precision")) == ("bfloat16", "float32")
        assert precision(made("uncompiled")) == ("float32", "float32")
    load_keras().config.set_dtype_policy("mixed_bfloat16")  # as a module may that is imported
    try:
        assert precision(made("uncompiled")) == ("float32", "float32")
    finally:
        load_keras().config.set_dtype_policy("float32")


# --------------------------------------------------------------------------------------- names
def test_names_do_not_depend_on_what_was_built_before() -> None:
    first = list(weights("many_layers"))
    made(RICH)
    assert list(weights("many_layers")) == first
    assert len(set(first)) == len(first) == len(made("many_layers").weights)


@pytest.mark.parametrize("builder", ["two_layer_dense", "mlp", "cnn", "lstm"])
def test_names_of_the_first_network_of_a_process_are_those_of_the_second(builder: str) -> None:
    import keras

    keras.backend.clear_session()  # what layers are called is counted anew
    facts = {"input_shape": (8, 8, 1) if builder == "cnn" else (8, 8), "classes": 2}
    first, second = (
        list(named_weights(build(NetworkSpec(builder), TrainingSpec(32), 0, facts)))
        for _ in range(2)
    )
    assert first == second


def test_names_are_the_users_or_numbered_within_the_model() -> None:
    names = {name.rsplit("/", 1)[0] for name in weights("many_layers")}
    assert {"mine", "mine_2"} <= names
    assert {"dense", "dense_1", "dense_2", "dense_3"} <= {name.split("/")[-1] for name in names}
    assert "bidirectional/forward_lstm/lstm_cell" in names
    assert "time_distributed/sequential/dense" in names
    assert list(weights(RICH)) == [
        "hidden/kernel",
        "hidden/bias",
        "normalization/gamma",
        "normalization/beta",
        "normalization/moving_mean",
        "normalization/moving_variance",
        "output/kernel",
        "output/bias",
    ]


def test_random_and_optimiser_states_are_numbered() -> None:
    model = made("many_layers")
    assert list(named_random_states(model)) == ["000", "001", "002", "003"]
    model.optimizer.build(model.trainable_variables)
    states = named_optimizer_states(model)
    assert len(states) == len(model.optimizer.variables) == 2 + 2 * len(model.trainable_weights)
    assert list(states) == sorted(states)


def test_reading_copies_and_assigning_brings_back() -> None:
    model = made(RICH)
    before = read(named_weights(model))
    kept = deepcopy(before)
    for variable in model.weights:
        variable.assign(variable + 1)
    assert same(before, kept)
    assign(named_weights(model), before)
    assert same(read(named_weights(model)), kept)


def test_the_state_of_another_architecture_is_refused() -> None:
    model = made(RICH)
    other = weights("uncompiled")
    with pytest.raises(HeterosisError, match="another architecture"):
        assign(named_weights(model), other)
    wider = read(named_weights(model)) | {"output/bias": np.zeros(11)}
    with pytest.raises(HeterosisError, match=r"'output/bias' has shape \(11,\)"):
        assign(named_weights(model), wider)


# --------------------------------------------------------------------------------- bad builders
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (NetworkSpec("two_layer_dens"), "unknown.*did you mean 'two_layer_dense'"),
        (NetworkSpec("tests.support.nets:missing"), "has no missing"),
        (NetworkSpec("tests.apps.missing:net"), "there is no module 'tests.apps.missing'"),
        (NetworkSpec("tests.support.nets:raises"), "raised ValueError: no such luck"),
        (NetworkSpec("tests.support.nets:returns_a_number"), "must return a keras.Model.*'int'"),
        (NetworkSpec("tests.support.nets:unbuilt"), "without weights: give it an Input layer"),
        (NetworkSpec("two_layer_dense", {"unit": 3}), "no setting 'unit'; did you mean 'units'"),
        (NetworkSpec("tests.support.nets:outputs"), "raised TypeError: .*'shape'"),
        (NetworkSpec("two_layer_dense", {"units": -1}), "two_layer_dense' raised ValueError"),
        (NetworkSpec("tests.support.nets:bfloat16"), "weights of dtype bfloat16.*use float32"),
    ],
)
def test_a_bad_builder_is_a_plain_error(spec: NetworkSpec, message: str) -> None:
    with pytest.raises(UserError, match=message):
        made(spec)


def test_a_builders_argument_may_have_any_name() -> None:
    assert made("takes_weights", weights=None).built


def test_a_model_may_have_the_name_of_its_layer() -> None:
    load_keras().utils.clear_session()  # numbers begin anew, as in a new process
    names = []
    for _ in range(2):
        model = made(NetworkSpec("lstm", {"units": 3}))
        names.append([*named_weights(model)])
    assert names[0] == names[1]
    assert names[0][0] == "lstm/lstm_cell/kernel"
