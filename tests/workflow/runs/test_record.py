"""A run that goes on is held to the files, versions and variables that it was begun with."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.files import sha256
from apps.plugins.load import forget_plugins
from apps.records.run_dir import RunDir
from tests.support.experiments import arms, changed, write
from workflow.driver.trial import build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.file import load_experiment, plugin_packages
from workflow.runs import record
from workflow.runs.record import as_begun, described

NETWORK = (
    "from held_blocks import act\n\ndef build(units=4, words=''):\n    return act(words)\n"
    "build.files = ['start.npz']\n"
)
DATA = "import pandas\n\ndef load(path):\n    return path\n"
TURN = "def turn(rng, weights, by=''):\n    import held_angles\n    open(by)\n"


@pytest.fixture(autouse=True)
def _plugins_forgotten() -> Iterator[None]:
    before = list(sys.path)
    yield
    forget_plugins()
    sys.path[:] = before


class Begun:
    """A run of plug-ins in which something is finished."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, source in (
            ("held_net.py", NETWORK),
            ("held_blocks.py", "def act():\n    return 1\n"),
            ("held_data.py", DATA),
            ("numbers.csv", "1"),
            ("words.txt", "one"),
            ("start.npz", "2"),
            ("turns.txt", "4"),
            ("held_turn.py", TURN),
            ("held_angles.py", ""),
        ):
            (folder / name).write_text(source)
        (mean,) = arms("mean")
        self.table = changed(
            trials=1,
            data={"name": "held_data:load", "params": {"path": "numbers.csv"}, "validation": 9},
            network={"builder": "held_net:build", "params": {"words": "words.txt"}},
            arms=[
                *arms("control"),
                mean | {"mutation": {"name": "held_turn:turn", "by": "turns.txt"}},
            ],
        )
        self.run_dir = RunDir(folder / "run")
        self.store(self.experiment(), described(self.run_dir, self.experiment(), folder, True))

    def experiment(self, **tables: Any) -> Experiment:
        return load_experiment(write(self.folder, self.table | tables))

    def store(self, experiment: Experiment, environment: dict[str, Any]) -> None:
        self.run_dir.root.mkdir(exist_ok=True)
        self.run_dir.experiment_toml.write_text(experiment.to_toml())
        self.run_dir.environment_json.write_text(json.dumps(environment))
        self.finish(1)

    def finish(self, count: int | None = None) -> None:
        for node in list(build_trial(self.experiment(), 0).nodes.values())[:count]:
            folder = self.run_dir.root / node.task.folder
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "result.json").write_text("{}")

    def go_on(self, other_versions: bool = False, **tables: Any) -> Experiment:
        return as_begun(self.run_dir, self.experiment(**tables), self.folder, other_versions)


@pytest.fixture
def begun(tmp_path: Path) -> Begun:
    return Begun(tmp_path)


def test_a_run_goes_on_when_nothing_has_changed(begun: Begun) -> None:
    assert begun.go_on() == begun.experiment()


@pytest.mark.parametrize(
    "name",
    [
        "held_net.py",
        "held_blocks.py",
        "held_data.py",
        "numbers.csv",
        "words.txt",
        "start.npz",
        "turns.txt",
        "held_angles.py",
    ],
)
def test_a_file_that_results_depend_on_is_told_by_name(begun: Begun, name: str) -> None:
    file = begun.folder / name
    file.write_text(f"{file.read_text()}\n")
    with pytest.raises(UserError, match=f"begun with another {name}: .* --fresh") as caught:
        begun.go_on()
    assert caught.value.code == "run-differs"


@pytest.mark.parametrize("name", ["numbers.csv", "words.txt", "turns.txt"])
def test_a_file_that_is_gone_is_told_with_its_folder(begun: Begun, name: str) -> None:
    (begun.folder / name).rename(begun.folder / "elsewhere")
    with pytest.raises(UserError) as caught:
        begun.go_on()
    said = str(caught.value)
    assert f"was begun with {name}, which is not in {begun.folder} any more: " in said
    assert "another numbers" not in said
    assert caught.value.code == "run-differs"


def test_a_file_that_is_gone_and_one_that_changed_are_both_told(begun: Begun) -> None:
    (begun.folder / "numbers.csv").unlink()
    (begun.folder / "words.txt").write_text("two")
    gone = "with numbers.csv, which is not in .* any more, and with another words.txt: "
    with pytest.raises(UserError, match=gone):
        begun.go_on()


def test_a_file_that_a_choice_of_a_search_names_is_told(begun: Begun) -> None:
    network = {"builder": "held_net:build"}
    begun.table |= {"network": network, "space": {"words": ["words.txt", "none"]}}
    begun.store(
        begun.experiment(), described(begun.run_dir, begun.experiment(), begun.folder, True)
    )
    (begun.folder / "words.txt").write_text("two")
    with pytest.raises(UserError, match=r"begun with another words\.txt"):
        begun.go_on()


def test_a_file_that_an_older_run_did_not_look_at_is_free(begun: Begun) -> None:
    environment = json.loads(begun.run_dir.environment_json.read_text())
    assert environment["sources"].pop("words.txt")
    begun.run_dir.environment_json.write_text(json.dumps(environment))
    assert begun.go_on() == begun.experiment()


def test_a_file_beside_them_is_free(begun: Begun) -> None:
    (begun.folder / "other.py").write_text("")
    assert begun.go_on() == begun.experiment()


def test_another_experiment_is_left_to_its_keys(begun: Begun) -> None:
    (begun.folder / "held_blocks.py").write_text("act = int")
    assert begun.go_on(seed=99).seed == 99


def test_added_trials_are_computed_by_what_computed_the_rest(begun: Begun) -> None:
    assert begun.go_on(trials=2).trials == 2
    (begun.folder / "held_blocks.py").write_text("act = int")
    with pytest.raises(UserError, match=r"begun with another held_blocks\.py"):
        begun.go_on(trials=2)


def test_trials_that_were_added_are_written_down(begun: Begun) -> None:
    more = begun.experiment(trials=2)
    assert described(begun.run_dir, more, begun.folder, False)["trial_counts"] == [1, 2]
    begun.store(more, described(begun.run_dir, more, begun.folder, False))
    assert described(begun.run_dir, more, begun.folder, False)["trial_counts"] == [1, 2]
    assert "trial_counts" not in described(begun.run_dir, more, begun.folder, True)


def test_files_and_packages_of_an_added_arm_are_held_once_it_has_a_result(begun: Begun) -> None:
    (begun.folder / "held_other.py").write_text(
        "import safetensors\n\ndef turn(rng, weights):\n    pass\n"
    )
    mine = {"name": "mine", "halts": [0.5], "mutation": "held_other:turn"}
    more_arms = [*begun.table["arms"], mine]
    more = begun.experiment(arms=more_arms)
    record = described(begun.run_dir, more, begun.folder, False)
    assert record["added_arms"] == ["mine"]
    assert "safetensors" in record["begun_with"]["packages"]
    assert record["added_sources"] == {"mine": ["held_other.py"]}
    begun.store(more, record)
    for held in (False, True):
        (begun.folder / "held_other.py").write_text(f"def turn(rng, weights):\n    return {held}\n")
        if held:
            harvest = begun.run_dir.root / "trial-000" / "mine" / "harvest"
            harvest.mkdir(parents=True)
            (harvest / "result.json").write_text("{}")
            with pytest.raises(UserError, match=r"begun with another held_other\.py"):
                begun.go_on(arms=more_arms)
        else:
            assert [arm.name for arm in begun.go_on(arms=more_arms).arms][-1] == "mine"
            assert begun.go_on().arms == begun.experiment().arms
            bare = described(begun.run_dir, begun.experiment(), begun.folder, False)
            assert not {"added_arms", "added_sources"} & bare.keys()


def test_a_run_without_results_is_held_to_nothing(begun: Begun) -> None:
    for path in begun.run_dir.results():
        path.unlink()
    (begun.folder / "held_blocks.py").write_text("act = int")
    assert begun.go_on() == begun.experiment()


def test_an_older_run_keeps_its_digests(begun: Begun) -> None:
    now = begun.experiment()
    older = now.model_copy(
        update={
            "network": replace(now.network, digest=sha256(NETWORK.encode())),
            "data": replace(now.data, digest=sha256(DATA.encode())),
        }
    )
    assert older.network.digest != now.network.digest
    assert older.data.digest != now.data.digest
    begun.store(older, {"packages": record.versions()})
    assert begun.go_on() == older
    (begun.folder / "held_net.py").write_text(f"{NETWORK}\n")
    assert begun.go_on().network.digest != older.network.digest  # its keys differ


@pytest.mark.parametrize("key", [None, "packages", "begun_with"])
def test_other_versions_are_told_while_something_is_missing(
    begun: Begun, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = json.loads(begun.run_dir.environment_json.read_text())
    ours = dict(record.versions())
    if key == "packages":  # an older run
        recorded = {"packages": {**ours, "keras": "3.0.1", "parsl": "0"}}
    elif key == "begun_with":
        recorded["begun_with"]["packages"]["keras"] = "3.0.1"
    begun.run_dir.environment_json.write_text(json.dumps(recorded))
    if key is None:
        assert begun.go_on() == begun.experiment()
        return
    with pytest.raises(UserError, match=rf"begun with keras 3\.0\.1 \(here {ours['keras']}\)"):
        begun.go_on()
    assert begun.go_on(other_versions=True) == begun.experiment()
    begun.finish()
    assert begun.go_on() == begun.experiment()
    kept = described(begun.run_dir, begun.experiment(), begun.folder, False)["begun_with"]
    assert kept["packages"]["keras"] == "3.0.1"


def test_another_version_of_what_the_experiments_own_code_imports_is_told(begun: Begun) -> None:
    recorded = json.loads(begun.run_dir.environment_json.read_text())
    assert recorded["begun_with"]["packages"]["pandas"] == version("pandas")
    recorded["begun_with"]["packages"]["pandas"] = "1.0.1"
    begun.run_dir.environment_json.write_text(json.dumps(recorded))
    with pytest.raises(UserError, match=r"begun with pandas 1\.0\.1 \(here "):
        begun.go_on()
    assert begun.go_on(other_versions=True) == begun.experiment()
    del recorded["begun_with"]["packages"]["pandas"]  # an older run, which did not look
    begun.run_dir.environment_json.write_text(json.dumps(recorded))
    assert begun.go_on() == begun.experiment()


def test_what_reads_tables_and_pictures_is_written_down(begun: Begun) -> None:
    found = {
        kind: plugin_packages(
            begun.experiment(data={"name": kind, "params": params, "validation": 9}),
            str(begun.folder),
        )
        for kind, params in (("friedman", {}), ("table", {"path": "numbers.csv", "target": "1"}))
    }
    assert [("pandas" in packages) for packages in found.values()] == [False, True]


def test_other_variables_are_told(begun: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with pytest.raises(UserError, match=r"NVIDIA_TF32_OVERRIDE unset \(here 0\)") as caught:
        begun.go_on()
    assert caught.value.code == "environment"
