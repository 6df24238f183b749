from __future__ import annotations

import pandas as pd
import pytest

from analysis.statistics import KINDS
from analysis.tables import ReportError
from analysis.versus import versus


def trials() -> pd.DataFrame:
    losses = {"control": 1.0, "swa": 0.8, "mean": 0.6}
    rows = [
        {"trial": trial, "arm": arm, "status": "done", **dict.fromkeys(KINDS, loss + 0.01 * trial)}
        for trial in range(4)
        for arm, loss in losses.items()
    ]
    return pd.DataFrame(rows)


def test_the_yardstick_takes_the_controls_place() -> None:
    table = versus(trials(), ["swa"])
    mean = table[(table["arm"] == "mean") & (table["kind"] == "val_loss")]
    assert mean["mean"].item() == pytest.approx(0.2 / 0.8, rel=0.05)
    assert set(table["against"]) == {"swa"}
    assert "control" in set(table["arm"])


def test_an_arm_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ReportError, match="no arm 'ema'"):
        versus(trials(), ["ema"])
