"""A run opened again, whole or with something missing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import heterosis
from apps.errors import HeterosisError, UserError
from apps.messages.results import Failure
from apps.messages.tasks import ExportTask
from apps.records.run_dir import RunDir
from apps.records.tables_schema import TABLES
from heterosis import Run
from tests.support.experiments import TINY, answering, copied, serial, write
from tests.support.reports import without_pictures
from tests.workflow.conftest import Mishap

run = partial(heterosis.run, engine=serial)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


def test_a_run_is_opened_again(finished: Path) -> None:
    opened = Run.open(finished)
    assert opened.failed == ()
    assert opened.report == RunDir(finished).report_html
    assert opened.tables.keys() == TABLES.keys()
    assert opened.arms["arm"].tolist() == [arm["name"] for arm in TINY["arms"]]
    champion = opened.champion()
    pixels = opened.trained_champion.data.test.x
    theirs = champion.predict(pixels.astype(np.float32) / np.float32(255), verbose=0)
    np.testing.assert_allclose(opened.predict(pixels), theirs, atol=1e-6)


def test_failed_arms_are_told(mishap: Mishap) -> None:
    opened = Run.open(mishap.root)
    trials = opened.tables["trials"]
    assert len(opened.failed) == (trials["status"] != "done").sum()


def test_what_is_missing_is_told_when_it_is_asked_for(
    finished: Path, tiny_file: Path, tmp_path: Path
) -> None:
    copied(finished, tmp_path)
    full = answering(ExportTask, lambda: Failure("no space left"))
    done = run(tiny_file, runs=tmp_path, engine=full)
    assert done.report.is_file()
    with pytest.raises(HeterosisError, match="no space left"):
        done.champion()


def test_a_damaged_champion_is_not_opened(finished: Path, tmp_path: Path) -> None:
    root = copied(finished, tmp_path)
    RunDir(root).champion_keras.write_bytes(b"0")
    with pytest.raises(HeterosisError, match="SHA-256"):
        Run.open(root).champion()


def test_an_unfinished_run_has_neither_tables_nor_champion(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run directory"):
        Run.open(tmp_path)
    write(tmp_path, TINY, "experiment.toml")
    opened = Run.open(tmp_path)
    assert opened.state == "not begun"
    with pytest.raises(UserError, match="tables"):
        _ = opened.tables
    with pytest.raises(HeterosisError, match="the run is not finished"):
        opened.champion()
    with pytest.raises(UserError, match="nothing is finished yet"):
        _ = opened.report
