"""A run that goes on learns from data that are read as they were when it began."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.messages.tasks import Workplace
from apps.records.run_dir import RunDir
from tests.support.experiments import changed, write
from workflow.driver.trial import build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.file import load_experiment
from workflow.runs.data_notes import noted_data

Begun = tuple[RunDir, Experiment, Workplace]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def begun(tmp_path: Path) -> Begun:
    rows = [f"{code},{n},{n % 2}" for n, code in enumerate(["02139", "2139", "10001"] * 10)]
    (tmp_path / "rows.csv").write_text("\n".join(["zip,size,kind", *rows]))
    params = {"path": "rows.csv", "target": "kind", "task": "classes", "categorical": ["zip"]}
    table = changed(data={"name": "table", "params": params, "validation": 5})
    experiment = load_experiment(write(tmp_path, table))
    run, place = RunDir(tmp_path / "run"), Workplace("", search_path=str(tmp_path))
    run.root.mkdir()
    noted_data(run, experiment, place, True, lambda line: None)
    return run, experiment, place


def as_an_older_version(form: dict[str, Any]) -> None:
    form["columns"][0]["categories"] = ["10001", "2139"]


def less_told(form: dict[str, Any]) -> None:
    del form["dialect"]


def rounded_otherwise(form: dict[str, Any]) -> None:
    form["columns"][1]["mean"] += 1e-15


def go_on(begun: Begun, change: Change) -> None:
    run, experiment, place = begun
    noted = json.loads(run.data_json.read_text())
    change(noted["preparation"]["form"])
    run.data_json.write_text(json.dumps(noted))
    assert noted_data(run, experiment, place, False, lambda line: None) == noted


@pytest.mark.parametrize("change", [less_told, rounded_otherwise])
def test_data_that_are_read_alike_are_gone_on_with(begun: Begun, change: Change) -> None:
    go_on(begun, change)


def test_data_that_are_read_otherwise_are_refused_while_something_is_missing(begun: Begun) -> None:
    with pytest.raises(UserError, match="are read otherwise now") as caught:
        go_on(begun, as_an_older_version)
    assert caught.value.code == "run-differs"
    run, experiment, _ = begun
    for trial in range(experiment.trials):
        for node in build_trial(experiment, trial).nodes.values():
            folder = run.root / node.task.folder
            folder.mkdir(parents=True)
            (folder / "result.json").write_text("{}")
    go_on(begun, as_an_older_version)
