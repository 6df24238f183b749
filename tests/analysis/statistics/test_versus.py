from __future__ import annotations

import pandas as pd
import pytest

from analysis.statistics.hypotheses import holm
from analysis.statistics.paired import KINDS
from analysis.statistics.versus import versus
from apps.errors import ReportError


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


def test_one_arm_is_corrected_over_its_yardsticks() -> None:
    table = versus(trials(), ["control", "swa"], of="mean")
    assert set(table["arm"]) == {"mean"}
    assert list(table["against"].unique()) == ["control", "swa"]
    alone = versus(trials(), ["swa"])
    here, there = (
        each[each["against"].eq("swa") & each["arm"].eq("mean") & each["kind"].eq("val_loss")]
        for each in (table, alone)
    )
    assert here["mean"].item() == there["mean"].item()
    assert here["t_p"].item() == there["t_p"].item()
    assert here["t_p_holm"].item() != there["t_p_holm"].item()
    family = table.loc[table["kind"].eq("val_loss"), "t_p"]
    assert list(table.loc[table["kind"].eq("val_loss"), "t_p_holm"]) == list(holm(family))


def test_an_arm_is_not_compared_with_itself() -> None:
    with pytest.raises(ReportError, match="'swa' cannot be compared with itself"):
        versus(trials(), ["control", "swa"], of="swa")
    with pytest.raises(ReportError, match="no arm 'ema'"):
        versus(trials(), ["control"], of="ema")


def test_an_arm_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ReportError, match="no arm 'ema'"):
        versus(trials(), ["ema"])
