"""Figure of the crossovers that took part, and of what children gained on their parents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from analysis.figures.drawing import (
    COLOURS,
    FRAME,
    INK,
    PAPER,
    Look,
    looks,
    panels,
    settled,
    shorten,
    styled,
)
from analysis.figures.picture import Picture
from analysis.figures.results import bottom_legend
from analysis.numerals import number
from analysis.statistics.crossings import SHARES, crossings

HATCHES = ("", "////", "....", "xx")


def crossing_pictures(born: pd.DataFrame, arms: Sequence[str]) -> list[Picture]:
    """Draw what took part in the children of each arm; nothing where it was not recorded.

    Args:
        born: as `analysis.statistics.crossings.children` returns them.
        arms: the arms in their order.
    """
    table = crossings(born)
    shown = [arm for arm in arms if table["arm"].eq(arm).any()]
    if not shown:
        return []
    told = "; ".join(
        f"{row['arm']}: children {int(row['children'])}, "
        + ", ".join(f"{words} {int(row[name])}" for name, words in SHARES.items())
        + f", median gain {number(float(row['gain']), 2)}"
        for row in table.set_index("arm", drop=False).loc[shown].to_dict("records")
    )
    return [
        Picture(
            "crossings",
            "Which crossover took part, and what it brought",
            "Children by what they have of their parents, copies of one parent among them, without "
            "members that went on as they were: the share that has two parents, of two species, "
            "weights of several of them (merged, or units selected), and teachers. Right (below "
            "on a narrow page): how much better the fitness of a child is at the next halt, or at "
            "the end, than that of the better of its parents was at the halt: median (line), "
            "middle half (thick), middle nine tenths (thin).",
            f"Bars and ranges for each arm. {told}.",
            crossings_and_gain(table, born, shown),
            crossings_and_gain(table, born, shown, columns=1),
            "search",
        )
    ]


def crossings_and_gain(
    table: pd.DataFrame, born: pd.DataFrame, arms: Sequence[str], *, columns: int = 2
) -> Figure:
    """Draw the shares of children by what took part, and the distribution of their gains.

    Args:
        table: as `analysis.statistics.crossings.crossings` returns it.
        born: as `analysis.statistics.crossings.children` returns them.
        arms: the arms in their order.
        columns: panels side by side; 1 for a narrow page.
    """
    look = looks(arms)
    counts = table.set_index("arm")
    with styled():
        height = 0.95 + 0.42 * len(arms)
        figure, (left, right) = panels(2, columns, 4.4 if columns == 1 else 4.9, height)
        depth = 0.8 / len(SHARES)
        for place, (name, words) in enumerate(SHARES.items()):
            shares = counts.loc[list(arms), name] / counts.loc[list(arms), "children"]
            left.barh(
                np.arange(len(arms)) + (place - (len(SHARES) - 1) / 2) * depth, shares, depth,
                color=COLOURS[place], hatch=HATCHES[place], edgecolor=PAPER, linewidth=0.5,
                label=words,
            )  # fmt: skip
        left.set_xlim(0, 1)
        left.xaxis.set_major_formatter(PercentFormatter(1.0))
        left.set_xlabel("of the children")
        right.axvline(0, color=FRAME, linewidth=1)
        for row, arm in enumerate(arms):
            gains = born.loc[born["arm"].eq(arm), "gain"].to_numpy(np.float64)
            _range(right, row, gains[np.isfinite(gains)], look[arm])
        right.xaxis.set_major_locator(MaxNLocator(5))
        right.set_xlabel("gain on the better parent (fitness)  →  better")
        for ax in (left, right):
            named = ax is left or columns == 1
            ax.set_yticks(range(len(arms)), [shorten(arm, 18) if named else "" for arm in arms])
            ax.set_ylim(len(arms) - 0.5, -0.5)
            ax.tick_params(axis="y", length=0)
            ax.grid(axis="y", visible=False)
        bottom_legend(figure, left)
        return settled(figure)


def _range(ax: Axes, row: int, values: np.ndarray, look: Look) -> None:
    """Draw the middle of some numbers."""
    if not values.size:
        return
    low, lower, middle, upper, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    ax.plot([low, high], [row, row], color=look.colour, linewidth=1.2)
    ax.plot([lower, upper], [row, row], color=look.colour, linewidth=6, alpha=0.55)
    ax.plot([middle, middle], [row - 0.3, row + 0.3], color=INK, linewidth=1.8)
