"""The benchmark against other searches: what it compares is the same, and each starts from nothing.

The peers themselves are not installed here: what stands for them has their names and answers.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from apps.messages.specs import OperatorSpec, OuterSpec
from workflow.experiment.arms import Arm, Average, Schedule
from workflow.experiment.config import Experiment, Training
from workflow.experiment.file import find_experiment, read_experiment
from workflow.experiment.halts import Halt
from workflow.experiment.space import GeneSettings

PEERS = Path(__file__).parent / "benchmarks" / "peers"

NOT_OF_THE_PEERS: Mapping[str, Mapping[str, Any]] = {
    "training": {
        "loss": "mse",
        "metrics": ("accuracy", "auc"),
        "class_weight": "balanced",
        "callbacks": (OperatorSpec("reduce_lr_on_plateau"),),
        "digest": "ab",
        "fitness": "val_accuracy",
        "fitness_mode": "max",
    },
    "gene": {"step": 2, "when": {"depth": (1,)}},
    "arm": {
        "learning_rate": 0.002,
        "weight_decay": 0.1,
        "outer": OuterSpec(0.7),
        "average": Average(kind="swa", window=3),
        "schedule": Schedule(kind="cosine"),
    },
    "halt": {
        "learning_rate_factor": 0.5,
        "learning_rate": 0.002,
        "weight_decay": 0.1,
        "outer": OuterSpec(0.7),
    },
}
"""A value for every key that the peers' scripts leave out, by its table."""


def _module(patch: pytest.MonkeyPatch, name: str, **stubs: Any) -> ModuleType:
    """Import a script of the peers as Python does that runs it."""
    patch.syspath_prepend(str(PEERS))
    for each in ("search", name):
        patch.delitem(sys.modules, each, raising=False)
    for stub, has in stubs.items():
        module = ModuleType(stub)
        vars(module).update(has)
        patch.setitem(sys.modules, stub.replace("__", "."), module)
    if name != "__main__":
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location("peers_main", PEERS / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, "peers_main", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    yield _module(monkeypatch, "__main__")
    sys.modules.pop("search", None)


def _job(search: Any, scratch: Path, **given: Any) -> Any:
    named: dict[str, Any] = {
        **dict.fromkeys(search.Job.__dataclass_fields__, 1),
        **{"params": {}, "space": {}, "optimizer": "adam", "optimizer_params": {}},
        **{"scratch": str(scratch), "stream": str(scratch / "stream.jsonl")},
    }
    return search.Job(**named | given)


def _changed(experiment: Experiment, table: str, key: str, value: Any) -> Experiment:
    arm = experiment.arms[-1]
    match table:
        case "training":
            update: dict[str, Any] = {"training": replace(experiment.training, **{key: value})}
        case "gene":
            space = dict(experiment.space or {})
            update = {"space": space | {"units": space["units"].model_copy(update={key: value})}}
        case "arm":
            update = {"arms": (*experiment.arms[:-1], arm.model_copy(update={key: value}))}
        case _:
            halts = (*arm.halts[:-1], replace(arm.halts[-1], **{key: value}))
            update = {"arms": (*experiment.arms[:-1], arm.model_copy(update={"halts": halts}))}
    return experiment.model_copy(update=update)


# ------------------------------------------------------------------------------ what is compared
def test_every_key_is_one_that_the_peers_do_too_or_has_a_value_here(peers: ModuleType) -> None:
    known = {
        "training": (Training, peers.OF_TRAINING),
        "gene": (GeneSettings, peers.OF_GENE),
        "arm": (Arm, peers.OF_ARM),
        "halt": (Halt, peers.OF_HALT),
    }
    for table, (kind, done) in known.items():
        assert set(kind.known_keys()) - set(done) == NOT_OF_THE_PEERS[table].keys(), table


@pytest.mark.parametrize(
    ("table", "key"), [(table, key) for table, keys in NOT_OF_THE_PEERS.items() for key in keys]
)
def test_what_the_peers_would_leave_out_is_refused(peers: ModuleType, table: str, key: str) -> None:
    experiment = read_experiment(find_experiment("search_mlp"), [])
    changed = _changed(experiment, table, key, NOT_OF_THE_PEERS[table][key])
    with pytest.raises(SystemExit, match=rf"would leave out \S*\.{key}$"):
        peers._check(changed, "heterosis")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("data.name=csv", "data.name"),
        ("data.name=mine:arrays", "data.name"),
        ("network.builder=mine:build", "network.builder"),
        ("training.optimizer=mine:optimizer", "training.optimizer"),
        ("space.batch_size={values=[32, 64], of='training'}", "space.batch_size"),
    ],
)
def test_what_a_user_brings_is_refused(peers: ModuleType, setting: str, named: str) -> None:
    experiment = read_experiment(find_experiment("search_mlp"), [setting])
    with pytest.raises(SystemExit, match=f"would leave out {named}"):
        peers._check(experiment, "heterosis")


def test_the_ready_searches_are_compared_without_a_falling_learning_rate(
    peers: ModuleType,
) -> None:
    peers._check(read_experiment(find_experiment("search_mlp"), []), "heterosis")
    search_cnn = read_experiment(find_experiment("search_cnn"), [])
    peers._check(search_cnn, "heterosis")
    with pytest.raises(SystemExit, match=r"arms\.heterosis-decay\.schedule"):
        peers._check(search_cnn, "heterosis-decay")
    with pytest.raises(SystemExit, match="no arm 'other'"):
        peers._check(search_cnn, "other")


# ----------------------------------------------------------------------------------- how they run
STUB = """
import json, pathlib, sys
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
scratch = pathlib.Path(job["scratch"])
found = sorted(path.name for path in scratch.iterdir())
assert found == ["job.json", "log.txt"], found
(scratch / "search").mkdir()
(scratch / "search" / "oracle.json").touch()
for name in ("journal.log", "stream.jsonl"):
    (scratch / name).touch()
sys.exit(job["classes"])
"""


def test_a_search_that_was_interrupted_begins_anew(
    peers: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    monkeypatch.setattr(peers, "HERE", tmp_path)
    scratch = tmp_path / "peer"
    with pytest.raises(SystemExit, match="ended with 7"):
        peers._search(sys.executable, "stub.py", scratch, _job(peers, scratch, classes=7))
    peers._search(sys.executable, "stub.py", scratch, _job(peers, scratch, classes=0))
    assert (scratch / "search" / "oracle.json").exists()


class Pruned(Exception):
    """Stands for Optuna's."""


class LosingTrial:
    """A trial whose pruner says once that it is behind, as Optuna's do."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)

    def report(self, value: float, step: int) -> None:
        assert value == 1.0

    def should_prune(self) -> bool:
        return self.answers.pop(0) if self.answers else False


@pytest.mark.parametrize(
    ("answers", "epochs"), [((True,), 1), ((False, True), 2), ((False, False, False), 3)]
)
def test_a_trial_that_optuna_ends_counts_as_pruned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answers: tuple[bool, ...], epochs: int
) -> None:
    by_optuna = _module(
        monkeypatch,
        "by_optuna",
        optuna={"TrialPruned": Pruned, "Trial": LosingTrial, "study": SimpleNamespace()},
        optuna__storages={"JournalStorage": None},
        optuna__storages__journal={"JournalFileBackend": None},
    )
    done = []

    def fit(job: Any, data: Any, values: Any, after: Callable[[int, float], bool]) -> float:
        for epoch in range(1, 4):
            done.append(epoch)
            if after(epoch, 1.0):
                break
        return 1.0

    monkeypatch.setattr(by_optuna, "fit", fit)
    job = _job(by_optuna, tmp_path)
    if any(answers):
        with pytest.raises(Pruned):
            by_optuna.tried(LosingTrial(*answers), job, {})
    else:
        assert by_optuna.tried(LosingTrial(*answers), job, {}) == 1.0
    assert len(done) == epochs


# ----------------------------------------------------------------------------- what they train
def test_a_network_has_all_its_parameters_and_the_optimizer_its_own_rate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    search = _module(monkeypatch, "search")
    space = {
        "units": {"values": [8, 16], "of": "network"},
        "activation": {"values": ["relu", "tanh"]},
        "momentum": {"low": 0.0, "high": 0.9, "of": "optimizer"},
    }
    job = _job(
        search,
        tmp_path,
        **{"builder": "mlp", "space": space, "input_shape": (4,), "classes": 3},
        optimizer="sgd",
    )
    model = search.network(job, {"units": 16, "activation": "tanh", "momentum": 0.5})
    assert model.layers[1].units == 16
    assert model.layers[1].activation.__name__ == "tanh"
    found = model.optimizer.get_config()
    assert found["learning_rate"] == pytest.approx(0.01)  # Keras's, as for heterosis
    assert found["momentum"] == 0.5


def test_processes_draw_other_weights_each_the_same_every_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    search = _module(monkeypatch, "search")
    job = _job(search, tmp_path, builder="mlp", input_shape=(4,), classes=3, seed=5)

    def weights(process: int, seed: int = 5) -> Any:
        search.seeded(replace(job, seed=seed), process)
        return search.network(job, {}).get_weights()[0]

    assert np.array_equal(weights(0), weights(0))
    assert not np.array_equal(weights(0), weights(1))
    assert not np.array_equal(weights(0), weights(0, seed=6))


def test_keras_tuner_evaluates_as_many_at_once_as_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    class Hyperband:
        def __init__(self, build: Any, **settings: Any) -> None:
            assert settings["seed"] == 4

        def search(self, *args: Any, **settings: Any) -> None:
            asked.update(settings)

    by_keras_tuner = _module(
        monkeypatch,
        "by_keras_tuner",
        keras_tuner={"Hyperband": Hyperband, "HyperParameters": object},
        keras_tuner__errors={"FatalError": RuntimeError},
    )
    search = sys.modules["search"]

    class Fitted:
        def fit(self, *args: Any, **settings: Any) -> Any:
            asked["fit"] = settings
            return SimpleNamespace(history={"val_loss": [1.0]})

    job = _job(search, tmp_path, seed=4, workers=2)
    data = dict.fromkeys(("x", "y", "val_x", "val_y"))
    begun = []
    for module in (search, by_keras_tuner):
        monkeypatch.setattr(module, "network", lambda *_: Fitted())
        monkeypatch.setattr(module, "recorder", lambda *_: None)
    monkeypatch.setattr(by_keras_tuner, "load", lambda _: data)
    monkeypatch.setattr(by_keras_tuner, "one_core", lambda: None)
    monkeypatch.setattr(by_keras_tuner, "seeded", lambda _, process: begun.append(process))
    for process in by_keras_tuner.processes(job):
        by_keras_tuner.search(job, process)
    vars(search)["fit"](job, data, {}, lambda *_: False)
    for key in ("batch_size", "validation_batch_size", "validation_data"):
        assert asked[key] == asked["fit"][key], key
    assert sorted(set(begun)) == [0, 1, 2]
