"""Published runs: their reports are made again, to the byte, and name no machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from analysis.report.storing import store
from analysis.report.write import write_report
from apps.records.run_dir import RunDir

RESULTS = Path(__file__).parents[3] / "analysis" / "results"
RUNS = sorted(path.parent for path in RESULTS.glob("*/tables"))


def test_there_are_published_runs():
    assert "poster" in [run.name for run in RUNS]


@pytest.mark.parametrize("stored", RUNS, ids=lambda run: run.name)
def test_the_report_of_a_published_run_is_made_again(stored, tmp_path):
    copy = RunDir(tmp_path / stored.name)
    shutil.copytree(stored, copy.root, ignore=shutil.ignore_patterns("report"))
    write_report(copy)
    kept = sorted(path.relative_to(stored) for path in (stored / "report").rglob("*.*"))
    assert {".csv", ".svg", ".png"} == {path.suffix for path in kept}
    differing = [p for p in kept if (stored / p).read_bytes() != (copy.root / p).read_bytes()]
    assert differing == []


@pytest.mark.parametrize("stored", RUNS, ids=lambda run: run.name)
def test_a_published_run_names_no_machine(stored):
    environment = json.loads((stored / "environment.json").read_text())
    assert not {"host", "interpreter"} & environment.keys()
    assert all("/" not in word for word in environment["command"])
    members = pd.read_parquet(RunDir(stored).table("members"))
    assert members["host"].str.fullmatch(r"node \d+").all()
    assert members["log"].eq("").all()


def test_storing_leaves_out_places(tables_of, run_of, tmp_path):
    words = ["heterosis", "run", "x", "--runs", "my/runs", "--workers", "2"]
    environment = {"command": words, "host": "mine", "interpreter": "python", "cores": 2}
    run = run_of(tables_of(arms=("control", "mean")), environment=environment)
    run.experiment_toml.write_text('name = "x"\n')
    kept = RunDir(tmp_path / "kept")
    page = store(run, kept)
    assert json.loads(kept.environment_json.read_text()) == {
        "command": ["heterosis", "run", "x", "--workers", "2"],
        "cores": 2,
    }
    assert page == kept.report_html
    assert page.is_file()
    assert kept.experiment_toml.read_text() == 'name = "x"\n'
