"""The figure of the metrics beside the loss: a panel each, over the epochs."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from analysis.figures.picture import Picture
from analysis.figures.results import loss_curves
from analysis.numerals import number
from analysis.statistics.metrics import Measured
from analysis.statistics.overview import Overview


def metric_pictures(metrics: Measured, numbers: Overview) -> list[Picture]:
    """Draw the metrics that every epoch recorded; nothing where none did."""
    bands = metrics.bands
    kinds = [name for name in metrics.names if bands["kind"].eq(name).any()]
    if not kinds:
        return []

    def draw(columns: int) -> Figure:
        side_by_side = min(columns, len(kinds))
        return loss_curves(
            bands,
            numbers.arms,
            numbers.halts,
            numbers.departures,
            kinds=kinds,
            columns=side_by_side,
            of="held-out value",
        )

    unknown = [name for name in kinds if not metrics.modes[name]]
    mean = f" Of {', '.join(unknown)} it is the members' mean." if unknown else ""
    return [
        Picture(
            "metrics",
            "Metrics over the epochs",
            "On held-out data, of the population's best member at each epoch by that metric: the "
            f"line is the mean over the trials, the band one standard deviation either way.{mean}",
            f"Line chart of {', '.join(kinds)} on held-out data over the epochs. At the end: "
            f"{'; '.join(_ends(metrics, name) for name in kinds)}.",
            draw(2),
            draw(1),
            "metrics",
        )
    ]


def _ends(metrics: Measured, name: str) -> str:
    own = metrics.bands.loc[metrics.bands["kind"].eq(name)]
    last: Any = own.loc[own["epoch"].eq(own.groupby("arm")["epoch"].transform("max"))]
    ends = ", ".join(f"{row.arm} {number(row.mean, 3)}" for row in last.itertuples())
    return f"{name} {ends}"
