"""The run's champion becomes a file that Keras opens."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.load import load_dataset
from apps.errors import HeterosisError
from apps.files import DamagedFile, sha256_file
from apps.messages.results import CheckpointRef, ExportResult, TrainResult
from apps.messages.specs import AverageSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import ExportTask, Workplace
from apps.networks.build import named_optimizer_states, named_weights, read
from apps.records.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from apps.runtime import load_keras
from apps.tasks.export import export
from apps.tasks.perform import perform
from apps.tasks.train import train_member
from apps.training.trainer import trainer_for
from tests.support.small import ADAM, DATA, MOMENTUM, PLAIN, RICH, SEED, net, training

RATE = "learning_rate"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def champion(place: Workplace) -> TrainResult:
    return train_member(training(last_epoch=2, folder="champion's"), place)


def task_of(
    champion: TrainResult,
    network: NetworkSpec = RICH,
    trained: TrainingSpec = ADAM,
    **changes: Any,
) -> ExportTask:
    task = ExportTask(
        seed=SEED,
        data=DATA,
        network=network,
        training=trained,
        checkpoint=champion.checkpoint,
        expected=champion.final,
        folder="champion",
    )
    return replace(task, **changes)


@pytest.fixture(scope="module")
def exported(champion: TrainResult, place: Workplace) -> ExportResult:
    trainer = trainer_for(DATA, RICH, ADAM, SEED, place)
    trainer.member.load(
        Checkpoint(trainer.blueprint.initial_weights(99)), np.random.default_rng(0)
    )  # somebody else
    trainer.run_epoch(np.arange(100))
    found = perform(task_of(champion), place, [])
    assert isinstance(found, ExportResult)
    return found


_OPEN = """
import json, sys
import keras, numpy as np
path, data = sys.argv[1:]
arrays = np.load(data)
model = keras.models.load_model(path)
x = arrays["x"].astype("float32") / 255
found = model.evaluate(x, arrays["y"], verbose=0, return_dict=True)
right = np.mean(np.argmax(model.predict(x, verbose=0), axis=1) == arrays["y"])
print(json.dumps({**found, "right": float(right)}))
"""


def test_the_champion_opens_elsewhere_and_reproduces_its_record(
    champion: TrainResult, exported: ExportResult, place: Workplace, tmp_path: Path
) -> None:
    data = load_dataset(DATA, SEED)
    np.savez(tmp_path / "test.npz", x=data.test.x, y=data.test.y)
    path = Path(place.root) / exported.path
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, str(path), str(tmp_path / "test.npz")],
        cwd=tmp_path,  # without the project: Keras alone
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["accuracy"] == pytest.approx(champion.final["test_accuracy"], abs=1e-6)
    assert found["right"] == pytest.approx(champion.final["test_accuracy"], abs=1e-6)
    assert found["loss"] == pytest.approx(champion.final["test_loss"], rel=1e-4)


def test_an_export_says_what_it_wrote(
    champion: TrainResult, exported: ExportResult, place: Workplace
) -> None:
    path = Path(place.root) / exported.path
    assert path.name == "champion.keras"
    assert exported.sha256 == sha256_file(path)
    assert exported.final["test_loss"] == pytest.approx(champion.final["test_loss"], rel=1e-4)
    assert {found.name for found in path.parent.iterdir()} == {"champion.keras", "result.json"}


def test_the_file_holds_the_champion_and_not_who_was_in_the_program_before(
    champion: TrainResult, exported: ExportResult, place: Workplace
) -> None:
    opened = load_keras().models.load_model(Path(place.root) / exported.path)
    stored = load_checkpoint(Path(place.root) / champion.checkpoint.path)
    weights = read(named_weights(opened))
    assert all(np.array_equal(weights[name], array) for name, array in stored.weights.items())
    states = read(named_optimizer_states(opened))
    assert all(np.array_equal(states[name], array) for name, array in stored.optimizer.items())


@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [("schedulefreeadamw", {RATE: 0.01}), ("adam", {"use_ema": True, "ema_momentum": 0.5})],
)
def test_an_averages_optimiser_keeps_no_copies_of_other_weights(
    optimizer: str, settings: dict[str, Any], averaged: bool, place: Workplace
) -> None:
    """Who trains the champion on would else be led back to the weights that were averaged."""
    trained = TrainingSpec(32, optimizer, settings, engine="graph")
    folder = f"{optimizer}-{averaged}"
    average = AverageSpec("swa", 0) if averaged else None
    task = training(
        network=PLAIN, training=trained, last_epoch=2, folder=f"{folder}-member", average=average
    )
    champion = train_member(task, place)
    made = export(task_of(champion, PLAIN, trained, folder=folder), place)
    opened = load_keras().models.load_model(Path(place.root) / made.path)
    weights, states = read(named_weights(opened)), read(named_optimizer_states(opened))
    stored = load_checkpoint(Path(place.root) / champion.checkpoint.path)
    held = trainer_for(DATA, PLAIN, trained, SEED, place).member.adapted({}, weights)
    assert len(held) == len(weights)
    latest = optimizer == "schedulefreeadamw" and not averaged
    expected = {**stored.optimizer, **({} if latest else held)}
    assert all(np.array_equal(states[name], array) for name, array in expected.items())
    assert all(np.array_equal(weights[name], array) for name, array in stored.network.items())


def test_a_champion_of_other_bytes_than_recorded_is_refused(
    champion: TrainResult, place: Workplace, tmp_path: Path
) -> None:
    content = bytearray((Path(place.root) / champion.checkpoint.path).read_bytes())
    content[-9] ^= 1
    path = tmp_path / champion.checkpoint.path
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="differ from the recorded SHA-256"):
        export(task_of(champion), Workplace(str(tmp_path)))


def test_a_fresh_optimiser_has_the_champions_rate_and_not_another_members(
    place: Workplace,
) -> None:
    """One trainer serves members of several rates; a merged champion has no state of its own."""

    def of(rate: float) -> TrainingSpec:
        return replace(MOMENTUM, optimizer_params={**MOMENTUM.optimizer_params, **{RATE: rate}})

    trainer = trainer_for(DATA, RICH, of(0.125), SEED, place)
    merged = Checkpoint(trainer.blueprint.initial_weights(3))
    digest = save_checkpoint(Path(place.root) / "merged", merged)
    task = ExportTask(
        seed=SEED,
        data=DATA,
        network=RICH,
        training=of(0.25),
        checkpoint=CheckpointRef("merged", digest),
        expected={},
        folder="merged-champion",
    )
    path = Path(place.root) / export(task, place).path
    assert load_keras().models.load_model(path).optimizer.get_config()[RATE] == 0.25


@pytest.mark.parametrize("name", ["test_accuracy", "test_loss"])
def test_a_champion_that_does_not_reach_its_record_is_refused(
    champion: TrainResult, place: Workplace, name: str
) -> None:
    expected = champion.final | {name: champion.final[name] + 0.01}
    task = task_of(champion, expected=expected, folder=f"refused-{name}")
    with pytest.raises(HeterosisError, match=rf"opened again, its {name} is .*left for inspection"):
        perform(task, place, [])
    assert {found.name for found in (Path(place.root) / task.folder).iterdir()} == {
        ".new-champion.keras",
        "error.txt",
    }


def test_a_network_that_keras_cannot_open_again_is_told_plainly(place: Workplace) -> None:
    network = net("unregistered")
    trainer = trainer_for(DATA, network, MOMENTUM, SEED, place)
    digest = save_checkpoint(
        Path(place.root) / "local", Checkpoint(trainer.blueprint.initial_weights(0), {}, {})
    )
    task = ExportTask(
        seed=SEED,
        data=DATA,
        network=network,
        training=MOMENTUM,
        checkpoint=CheckpointRef("local", digest),
        expected={},
        folder="local-champion",
    )
    with pytest.raises(HeterosisError, match=r"keras\.saving\.register_keras_serializable"):
        export(task, place)
