"""Running statistics are measured over the data, whoever was in the model before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.datasets.load import load_dataset
from apps.messages.specs import NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.records.checkpoints import Checkpoint
from apps.training.data_parts import EVALUATION_BATCH
from apps.training.trainer import new_trainer, trainer_for
from tests.support.few_trainers import equal, fresh, samples
from tests.support.small import ADAM, DATA, MOMENTUM, SEED, net


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


def test_running_statistics_are_measured_alike_whoever_was_there_before(place: Workplace) -> None:
    """What the normalisation sees depends on what the dropout before it draws."""
    network = net("dropout_before_normalization")
    trainer = fresh(new_trainer(DATA, network, MOMENTUM, SEED, place))
    weights = trainer.blueprint.initial_weights(9)
    states = []
    for seed in (1, 2):
        trainer.member.load(
            Checkpoint(trainer.blueprint.initial_weights(seed)), np.random.default_rng(seed)
        )
        before = trainer.member.state()
        states.append(trainer.measures.refreshed(weights))
        assert equal(trainer.member.state(), before)
    first, again = states
    assert all(np.array_equal(first[name], again[name]) for name in first)
    changed = {name for name in first if not np.array_equal(first[name], weights[name])}
    assert changed == trainer.member.statistics
    assert trainer.remarks == []


def moments(inputs: NDArray[Any], size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and variance of every batch, averaged over the batches by their sizes."""
    batches = [inputs[start : start + size] for start in range(0, len(inputs), size)]
    sizes = [len(batch) for batch in batches]
    means = np.average([batch.mean(axis=0) for batch in batches], axis=0, weights=sizes)
    np.testing.assert_allclose(means, inputs.mean(axis=0), rtol=1e-4, atol=1e-5)
    return means, np.average([batch.var(axis=0) for batch in batches], axis=0, weights=sizes)


@pytest.mark.parametrize(("size", "fused"), [(25, True), (32, True), (101, True), (32, False)])
def test_running_statistics_are_the_means_over_all_batches(
    place: Workplace, size: int, fused: bool
) -> None:
    """The first layer's are known; the nested one's follow from what it is shown."""
    training = TrainingSpec(size, "sgd", engine="auto" if fused else "fit")
    trainer = new_trainer(DATA, net("normalized"), training, SEED, place)
    weights = trainer.blueprint.initial_weights(9)
    found = trainer.measures.refreshed(weights)
    x = samples("train")[0].reshape(100, -1)
    mean, variance = moments(x @ weights["dense/kernel"] + weights["dense/bias"], size)
    np.testing.assert_allclose(found["first/moving_mean"], mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["first/moving_variance"], variance, rtol=1e-4, atol=1e-5)
    nested = {name for name in found if "nested" in name and name in trainer.member.statistics}
    assert len(nested) == 2
    assert all(not np.array_equal(found[name], weights[name]) for name in nested)
    assert trainer.remarks == []


@pytest.mark.parametrize("name", ["normalized", "renormalized"])
@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_running_statistics_do_not_depend_on_what_they_were(
    place: Workplace, name: str, value: float
) -> None:
    trainer = trainer_for(DATA, net(name), ADAM, SEED, place)
    weights = trainer.blueprint.initial_weights(9)
    other = {
        key: np.full_like(array, value) if key in trainer.member.statistics else array
        for key, array in weights.items()
    }
    one, two = trainer.measures.refreshed(weights), trainer.measures.refreshed(other)
    assert all(np.array_equal(one[key], two[key]) for key in one)
    assert all(np.isfinite(array).all() for array in one.values())
    assert {layer.momentum for layer in trainer.model.layers if hasattr(layer, "momentum")} == {
        0.99
    }


def test_a_frozen_normalisation_keeps_its_statistics(place: Workplace) -> None:
    trainer = trainer_for(DATA, net("normalized", frozen=True), ADAM, SEED, place)
    weights = trainer.blueprint.initial_weights(9)
    weights["first/moving_mean"][:] = 3.0
    found = trainer.measures.refreshed(weights)
    assert np.array_equal(found["first/moving_mean"], weights["first/moving_mean"])
    assert np.array_equal(found["first/moving_variance"], weights["first/moving_variance"])


def test_statistics_of_another_kind_of_layer_go_on_from_where_they_are(place: Workplace) -> None:
    trainer = trainer_for(DATA, net("spectral"), ADAM, SEED, place)
    weights = trainer.blueprint.initial_weights(9)
    (name,) = trainer.member.statistics
    found = trainer.measures.refreshed(weights)
    assert {key for key in weights if not np.array_equal(found[key], weights[key])} == {name}
    elsewhere = trainer.measures.refreshed(weights | {name: np.ones_like(weights[name])})
    assert not np.array_equal(elsewhere[name], found[name])


@pytest.mark.parametrize("network", ["dropout", "one_lstm", "two_convolutions", "residual"])
def test_teachers_predict_to_the_bit_what_keras_predicts(place: Workplace, network: str) -> None:
    """The last batch is a part of one."""
    data = replace(DATA, validation=20, train_limit=EVALUATION_BATCH + 30)
    spec = NetworkSpec(f"tests.benchmarks.networks:{network}")
    trainer = new_trainer(data, spec, ADAM, SEED, place)
    made = trainer.measures.training_predictions(trainer.blueprint.initial_weights(9))
    found = load_dataset(data, SEED)
    x = np.asarray(found.train.x, np.float32) * np.float32(found.input_scale)
    expected = trainer.model.predict(x, batch_size=EVALUATION_BATCH, verbose=0)
    np.testing.assert_array_equal(made, expected)
    assert len(expected) == EVALUATION_BATCH + 30
    assert np.ptp(expected[:, 0]) > 0
