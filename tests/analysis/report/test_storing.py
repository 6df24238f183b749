"""Published runs: the numbers of their reports are made again, and they name no machine."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from PIL import Image

from analysis.figures import chosen
from analysis.report.storing import store
from analysis.report.write import write_report
from apps.records.run_dir import RunDir

RESULTS = Path(__file__).parents[3] / "analysis" / "results"
RUNS = sorted(path.parent for path in RESULTS.glob("*/tables"))
DRAWN = ("poster", "search_mlp", "taught")
"""Runs that have every figure there is, networks that were crossed, searched and taught."""

RASTERED = "poster"
"""The run whose figures are drawn as PNG, too: they are the figures of the SVG files."""


def test_there_are_published_runs():
    assert "poster" in [run.name for run in RUNS]


@pytest.mark.slow
@pytest.mark.parametrize("stored", RUNS, ids=lambda run: run.name)
def test_the_report_of_a_published_run_is_made_again(stored, tmp_path, monkeypatch):
    """Numbers to the byte; the pictures of `DRAWN` are drawn, whatever the version that draws."""
    if stored.name not in DRAWN:
        monkeypatch.setattr(chosen, "pictures", lambda *given: [])
    copy = RunDir(tmp_path / stored.name)
    shutil.copytree(stored, copy.root, ignore=shutil.ignore_patterns("report"))
    write_report(copy, png=stored.name == RASTERED)
    kept = sorted(path.relative_to(stored) for path in (stored / "report").rglob("*.*"))
    assert {".csv", ".svg", ".png"} == {path.suffix for path in kept}
    numbers = [path for path in kept if path.suffix == ".csv"]
    differing = [p for p in numbers if (stored / p).read_bytes() != (copy.root / p).read_bytes()]
    assert differing == []
    for path in kept:
        if path.suffix == ".svg" and stored.name in DRAWN:
            shown, again = (_drawn(root / path) for root in (stored, copy.root))
            assert again == shown, path
        if path.suffix == ".png" and stored.name == RASTERED:
            with Image.open(copy.root / path) as image:
                colours = image.convert("RGB").getcolors(maxcolors=2**24)
            assert colours is not None
            assert len(colours) > 8, path


def _drawn(path):
    """Return how many of each element an SVG draws."""
    elements = ElementTree.parse(path).iter()
    return Counter(element.tag.rpartition("}")[2] for element in elements)


def test_every_figure_of_a_published_run_is_drawn_again():
    def names(runs):
        return {path.name for run in runs for path in (run / "report/figures").glob("*.svg")}

    assert names(RUNS) == names(RESULTS / name for name in DRAWN)


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
