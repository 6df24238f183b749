"""A population becomes one network, and the run's champion a file that Keras opens."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.breeding.population import TooFewSurvivors
from apps.datasets.load import load_dataset
from apps.errors import HeterosisError
from apps.files import DamagedFile, sha256_file
from apps.messages.fingerprints import fingerprint
from apps.messages.results import CheckpointRef, ExportResult, Failure, HarvestResult, TrainResult
from apps.messages.specs import NO_GENOME, NetworkSpec, TrainingSpec
from apps.messages.tasks import ExportTask, HarvestTask, Workplace
from apps.networks.build import named_optimizer_states, named_weights, read
from apps.records.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from apps.records.result_files import load_result
from apps.runtime import load_keras
from apps.tasks.harvest import export
from apps.tasks.perform import perform
from apps.tasks.train import train_member
from apps.training.trainer import trainer_for
from tests.support.examples import example
from tests.support.small import ADAM, DATA, MOMENTUM, PLAIN, RICH, SEED, net, training


# ------------------------------------------------------------------------------- the best member
def harvest(**changes: Any) -> HarvestTask:
    fields: dict[str, Any] = {
        "seed": SEED,
        "trial": 0,
        "members": 4,
        "fitness": "val_loss",
        "method": "best",
        "align": "none",
        "repair": False,
        "epochs": 4,
        "data": DATA,
        "network": PLAIN,
        "training": ADAM,
        "folder": "harvest",
    }
    return HarvestTask(**fields | changes)


def member(number: int, fitness: float, status: Any = "done") -> TrainResult:
    return replace(
        example(TrainResult),
        member=number,
        status=status,
        final={"val_loss": fitness, "test_loss": 2 * fitness},
        checkpoint=CheckpointRef(f"member-{number}", f"bytes of {number}"),
    )


def test_the_best_finite_member_is_the_champion(tmp_path: Path) -> None:
    population = [
        member(0, math.nan),
        member(1, 0.01, status="diverged"),
        Failure("lost"),
        member(3, 0.5),
    ]
    place = Workplace(str(tmp_path))
    found = perform(harvest(), place, population)
    assert isinstance(found, HarvestResult)
    assert (found.members, found.fitness, found.method) == ((3,), 0.5, "best")
    assert found.checkpoint == CheckpointRef("member-3", "bytes of 3")
    assert found.final == {"val_loss": 0.5, "test_loss": 1.0}
    stored = load_result(tmp_path / "harvest", HarvestResult, fingerprint(harvest(), population))
    assert stored == found


def test_a_population_without_a_survivor_has_no_champion(tmp_path: Path) -> None:
    population = [Failure("lost")] * 3 + [member(3, math.inf)]
    with pytest.raises(TooFewSurvivors, match="the harvest needs 1 member with a finite val_loss"):
        perform(harvest(), Workplace(str(tmp_path)), population)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


# ---------------------------------------------------------------------------------------- a merge
@pytest.mark.parametrize("method", ["mean", "greedy"])
@pytest.mark.parametrize(("loss", "train_loss", "merged"), [(0.0, 99.0, True), (99.0, 0.0, False)])
def test_members_and_merges_are_compared_on_the_whole_training_set(
    place: Workplace, method: Any, loss: float, train_loss: float, merged: bool
) -> None:
    """A merge has no running loss."""
    trainer = trainer_for(DATA, PLAIN, ADAM, SEED, place)
    population = []
    for number in range(2):
        name = f"apart-{number}"
        weights = Checkpoint(trainer.blueprint.initial_weights(number))
        ref = CheckpointRef(name, save_checkpoint(Path(place.root) / name, weights))
        final = {"loss": loss + number, "train_loss": train_loss + number}
        population.append(
            replace(member(number, 0.0), final=final, checkpoint=ref, genome=NO_GENOME)
        )
    task = harvest(members=2, fitness="loss", method=method, folder=f"{method}-{merged}")
    found = perform(task, place, population)
    assert isinstance(found, HarvestResult)
    assert found.method == (method if merged else "best")
    assert found.fitness == found.final["train_loss"]
    assert all(math.isnan(found.final[name]) for name in ("loss", "accuracy") if merged)
    assert math.isfinite(found.final["train_loss"])


# ---------------------------------------------------------------------------------- its Keras file


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
        SEED, DATA, network, trained, champion.checkpoint, champion.final, folder="champion"
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
    network = net("python_in_training")
    trainer = trainer_for(DATA, network, MOMENTUM, SEED, place)
    digest = save_checkpoint(
        Path(place.root) / "local", Checkpoint(trainer.blueprint.initial_weights(0), {}, {})
    )
    task = ExportTask(
        SEED, DATA, network, MOMENTUM, CheckpointRef("local", digest), {}, folder="local-champion"
    )
    with pytest.raises(HeterosisError, match=r"keras\.saving\.register_keras_serializable"):
        export(task, place)
