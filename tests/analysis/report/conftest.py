"""Runs to be reported and compared."""

from __future__ import annotations

import pytest

from apps.records.run_dir import RunDir
from tests.support.pages import SETTINGS
from tests.support.reports import without_pictures


@pytest.fixture
def no_pictures(monkeypatch):
    """The words and numbers of a page are tested."""
    without_pictures(monkeypatch)


@pytest.fixture
def runs(tables_of, run_of) -> list[RunDir]:
    one = run_of(tables_of(), "one", experiment=SETTINGS % ("quick", 128, "mean", 3))
    arms = ("control", "mean", "<b>x</b>")
    other = tables_of(arms=arms, seed=3, epochs=20, failed_trials=[(2, "mean")])
    return [one, run_of(other, "two", experiment=SETTINGS % ("quick", 64, "mean", 4))]
