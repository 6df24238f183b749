"""Running statistics of layers that a pass does not update exactly once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.datasets.load import load_dataset
from apps.messages.specs import EngineName, NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.training.trainer import Trainer, new_trainer
from tests.support.small import DATA, SEED

ENGINES: tuple[EngineName, ...] = ("graph", "fit")


def trainer_of(name: str, engine: EngineName, path: Path) -> Trainer:
    network = NetworkSpec(f"tests.support.normalizing_nets:{name}")
    training = TrainingSpec(32, "sgd", engine=engine)
    return new_trainer(DATA, network, training, SEED, Workplace(str(path)))


def pixels() -> NDArray[Any]:
    data: Any = load_dataset(DATA, SEED)
    return np.asarray(data.train.x / np.float32(255), np.float32)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_in_inference_mode_keeps_its_statistics_and_is_normalised_by_them(
    engine: EngineName, tmp_path: Path
) -> None:
    trainer = trainer_of("frozen_by_its_call", engine, tmp_path)
    weights = trainer.blueprint.initial_weights(9)
    weights["fixed/moving_mean"] = np.arange(6, dtype=np.float32)
    weights["fixed/moving_variance"] = np.full(6, 4, np.float32)
    found = trainer.measures.refreshed(weights)
    for name in ("fixed/moving_mean", "fixed/moving_variance"):
        np.testing.assert_array_equal(found[name], weights[name])
    x = pixels().reshape(100, -1) @ weights["dense/kernel"] + weights["dense/bias"]
    seen = (x - np.arange(6)) / np.sqrt(4 + 1e-3)
    np.testing.assert_allclose(found["usual/moving_mean"], seen.mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_that_is_used_twice_has_the_statistics_of_both_uses(
    engine: EngineName, tmp_path: Path
) -> None:
    trainer = trainer_of("used_twice", engine, tmp_path)
    weights = trainer.blueprint.initial_weights(9)
    weights["never/moving_mean"] = np.full(392, 3, np.float32)
    found = trainer.measures.refreshed(weights)
    halves = pixels().reshape(100, 2, 392)
    batches = np.split(halves, [32, 64, 96])
    means = halves.mean(axis=(0, 1))
    np.testing.assert_allclose(found["twice/moving_mean"], means, rtol=1e-4, atol=1e-6)
    of_batches = [batch.var(axis=0).mean(axis=0) for batch in batches]
    variances = np.average(of_batches, axis=0, weights=[len(batch) for batch in batches])
    np.testing.assert_allclose(found["twice/moving_variance"], variances, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found["never/moving_mean"], weights["never/moving_mean"])


def test_the_statistics_of_one_used_twice_are_what_keras_tends_to(tmp_path: Path) -> None:
    """Many epochs at a learning rate of 0 and a momentum near 1."""
    trainer = trainer_of("used_twice", "graph", tmp_path)
    weights = trainer.blueprint.initial_weights(9)
    model: Any = trainer.blueprint.build(9)
    model.optimizer.learning_rate = 0.0
    (layer,) = (each for each in model.layers if each.name == "twice")
    layer.momentum = 0.98
    data: Any = load_dataset(DATA, SEED)
    model.fit(pixels(), data.train.y, batch_size=25, epochs=60, shuffle=False, verbose=0)
    found = trainer.measures.refreshed(weights)["twice/moving_mean"]
    np.testing.assert_allclose(found, layer.moving_mean.numpy(), atol=0.02)


def test_a_subclass_with_a_way_of_its_own_goes_it(tmp_path: Path) -> None:
    trainer = trainer_of("normalized_its_own_way", "graph", tmp_path)
    weights = trainer.blueprint.initial_weights(9)
    weights["centred/moving_mean"] = np.full(784, 4, np.float32)
    found = trainer.measures.refreshed(weights)
    mean = weights["centred/moving_mean"]
    for batch in np.split(pixels().reshape(100, -1), [32, 64, 96]):
        mean = (mean + batch.mean(axis=0)) / 2
    np.testing.assert_allclose(found["centred/moving_mean"], mean, rtol=1e-4, atol=1e-5)


def test_a_count_stays_as_it_is(tmp_path: Path) -> None:
    trainer = trainer_of("counting", "graph", tmp_path)
    weights = trainer.blueprint.initial_weights(9)
    name = "counting/passes"
    assert name in trainer.member.statistics
    found = trainer.measures.refreshed(weights | {name: np.array(7, np.int32)})
    assert int(found[name]) == 7
    changed = {key for key in found if not np.array_equal(found[key], weights[key])} - {name}
    assert changed == {f"batch_normalization/moving_{each}" for each in ("mean", "variance")}
