"""What the workers trained: every training task by worker and time, busy workers, throughput."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from analysis.figures.drawing import (
    COLOURS,
    FRAME,
    INK,
    PAPER,
    legend_columns,
    looks,
    settled,
    shorten,
    stacked,
    styled,
)
from analysis.figures.tasks import SHARED

MOST_BARS: Final = 1_500
"""With more tasks than this, those too close to be told apart are drawn as one bar."""

HATCHES: Final = ("", "////", "\\\\\\\\", "....", "xxxx")
"""With six colours: 30 arms."""


def workers_over_time(
    tasks: pd.DataFrame, utilisation: pd.DataFrame, arms: Sequence[str], *, width: float = 9.8
) -> Figure:
    """Draw a bar for each task in its worker's row, and below them busy workers and throughput.

    Args:
        tasks: as `analysis.figures.tasks.tasks` returns them.
        utilisation: as `analysis.figures.tasks.utilisation` returns it.
        arms: the arms in their order.
        width: of the figure in inches.
    """
    lanes = int(tasks["lane"].max()) + 1
    unit, seconds = _unit(float(tasks["end_s"].max()))
    marks = _legend(tasks, arms)
    side = legend_columns([str(mark.get_label()) for mark in marks], width)
    with styled():
        height = min(max(0.85 + 0.26 * lanes, 1.3), 4.5)
        legend = 0.2 * -(-len(marks) // side)
        figure, (gantt, busy, speed) = stacked(width, height + 2.7 + legend, [height, 1.2, 1.2])
        _gantt(gantt, tasks, arms, seconds)
        gantt.set_title("Training tasks by worker")
        x = np.append(utilisation["start_s"].to_numpy(), utilisation["end_s"].iloc[-1:]) / seconds
        for ax, column in ((busy, "busy"), (speed, "epochs_per_s")):
            factor = 100 if column == "busy" else 1
            y = factor * utilisation[column].to_numpy()
            ax.stairs(y, x, color=COLOURS[0], linewidth=1.4, fill=False, baseline=None)
            ax.stairs(y, x, color=COLOURS[0], alpha=0.18, fill=True)
            ax.set_ylim(0, max(1.12 * y.max(initial=0.0), 110 if column == "busy" else 0.0))
        busy.set_title("Workers training")
        speed.set_title("Throughput")
        speed.yaxis.set_major_locator(MaxNLocator(3))
        busy.yaxis.set_major_locator(FixedLocator([0, 50, 100]))
        busy.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        speed.set_ylabel("epochs / s")
        speed.set_xlabel(f"{unit} since the first task" + _paused(tasks))
        for ax in (gantt, busy, speed):
            ax.set_xlim(0, float(tasks["end_s"].max()) / seconds or 1.0)
            ax.xaxis.set_major_locator(MaxNLocator(7))
            for start in tasks.groupby("session")["start_s"].min().iloc[1:]:
                ax.axvline(start / seconds, color=INK, linewidth=1, linestyle=(0, (2, 2)))
        figure.legend(handles=marks, loc="outside lower center", ncols=side)
        return settled(figure)


def joined(tasks: pd.DataFrame, most: int = MOST_BARS) -> pd.DataFrame:
    """Return the bars to draw; of very many tasks, like ones without a gap become one bar."""
    bars = tasks.sort_values(["lane", "start_s"], kind="stable")
    if len(bars) <= most:
        return bars
    near = float(bars["end_s"].max()) / 500
    same = bars["lane"].eq(bars["lane"].shift()) & bars["arm"].eq(bars["arm"].shift())
    same &= bars["failed"].eq(bars["failed"].shift())
    same &= bars["start_s"].sub(bars["end_s"].shift()).lt(near)
    grouped = bars.groupby((~same).cumsum(), sort=False)
    first = grouped[["arm", "host", "lane", "session", "start_s", "failed"]].first()
    return first.assign(end_s=grouped["end_s"].max()).reset_index(drop=True)


def _gantt(ax: Axes, tasks: pd.DataFrame, arms: Sequence[str], seconds: float) -> None:
    """Draw the tasks; one that failed is empty, with a cross."""
    bars = joined(tasks)
    for (arm, place), own in bars.groupby(["arm", "lane"], sort=False):
        colour, hatch = _fill(str(arm), arms)
        lane = int(str(place))
        for lost, part in own.groupby("failed"):
            start = part["start_s"].to_numpy() / seconds
            spans = list(zip(start, part["end_s"].to_numpy() / seconds - start, strict=True))
            ax.broken_barh(
                spans, (lane - 0.4, 0.8), facecolor=PAPER if lost else colour,
                edgecolor=colour if lost else PAPER, hatch="" if lost else hatch, linewidth=0.5,
            )  # fmt: skip
            if lost:
                middle = [begin + length / 2 for begin, length in spans]
                ax.plot(middle, [lane] * len(middle), "x", color=INK, markersize=5)
    hosts = tasks.groupby("lane")["host"].first()
    names = [f"{shorten(host, 14)} {lane + 1}" if hosts.nunique() > 1 else f"worker {lane + 1}"
             for lane, host in zip(hosts.index, hosts, strict=True)]  # fmt: skip
    every = -(-len(hosts) // 16)
    ax.set_yticks([*hosts.index[::every]], names[::every])
    ax.set_ylim(float(hosts.index.max()) + 0.6, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)


def _fill(arm: str, arms: Sequence[str]) -> tuple[str, str]:
    """Return colour and hatch of an arm's tasks: the arm's colour in all figures."""
    if arm == SHARED and arm not in arms:
        return FRAME, ""
    look = looks(arms)
    place = list(look).index(arm)
    return look[arm].colour, HATCHES[(place // len(COLOURS) + place) % len(HATCHES)]


def _legend(tasks: pd.DataFrame, arms: Sequence[str]) -> list[Patch]:
    """Return what the fills mean: only arms that have a task of their own."""
    used = set(tasks["arm"])
    marks = []
    for arm in [SHARED, *(arm for arm in arms if arm != SHARED)]:
        if arm in used:
            colour, hatch = _fill(arm, arms)
            label = "several arms" if arm == SHARED else shorten(arm, 18)
            marks.append(Patch(facecolor=colour, edgecolor=PAPER, hatch=hatch, label=label))
    return marks


def _unit(total_s: float) -> tuple[str, float]:
    """Return a unit of time that gives numbers to read, and its seconds."""
    if total_s > 3 * 3600:
        return "hours", 3600.0
    return ("minutes", 60.0) if total_s > 180 else ("seconds", 1.0)


def _paused(tasks: pd.DataFrame) -> str:
    """Return what dashed lines are, if there are any."""
    return ", pauses of the run left out" if tasks["session"].max() > 0 else ""
