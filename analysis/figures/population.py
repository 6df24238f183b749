"""Figures of the population: members at each halt, distance of parents and gain, species."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.figures.drawing import (
    COLOURS,
    INK,
    PAPER,
    Look,
    looks,
    panels,
    settled,
    shorten,
    stacked,
    styled,
)
from analysis.figures.results import LOG_FROM, TICKS, bottom_legend, far_beyond
from analysis.statistics.scale import FRACTION

MOST_PANELS: Final = 3
MOST_DOTS: Final = 60
"""Up to so many members of one arm at one halt are drawn singly, more as quartiles."""

HATCHES: Final = ("", "////", "....", "\\\\\\\\", "xx", "++")


def shown_epochs(losses: pd.DataFrame, most: int = MOST_PANELS) -> list[int]:
    """Return the epochs with a panel: the last, and those halts at which most arms have members."""
    epochs = sorted({int(epoch) for epoch in losses["epoch"]})
    own = losses.loc[losses["own"]].groupby("epoch")["arm"].nunique()
    by_arms = sorted(epochs[:-1], key=lambda epoch: -int(own.get(epoch, 0)))
    return sorted([*by_arms[: most - 1], *epochs[-1:]])


def members_at_halts(
    losses: pd.DataFrame, arms: Sequence[str], title: str, *, width: float = 9.8
) -> Figure:
    """Draw the members' losses at halts and at K: a dot for each member, a line at the median.

    A panel leaves out the arms whose population is still the control's at its epoch.

    Args:
        losses: as `analysis.figures.numbers.member_losses` returns them.
        arms: the arms in their order.
        title: of the loss, for the axis.
        width: of the figure in inches.
    """
    epochs = shown_epochs(losses)
    last = int(losses["epoch"].max())
    look = looks(arms)
    own = {epoch: losses.loc[losses["epoch"].eq(epoch) & losses["own"]] for epoch in epochs}
    rows = {epoch: [arm for arm in arms if own[epoch]["arm"].eq(arm).any()] for epoch in epochs}
    with styled():
        heights = [0.95 + 0.28 * len(rows[epoch]) for epoch in epochs]
        figure, axes = stacked(width, sum(heights), heights)
        for ax, epoch in zip(axes, epochs, strict=True):
            here = own[epoch]
            for row, arm in enumerate(rows[epoch]):
                _members(ax, row, here.loc[here["arm"].eq(arm)], look[arm])
            _rows(ax, rows[epoch], here)
            _span(ax, here["value"].dropna().to_numpy(dtype=np.float64))
            alike = losses.loc[losses["epoch"].eq(epoch), "arm"].nunique() - len(rows[epoch])
            same = f"; {alike} as the control" if alike else ""
            ax.set_title(f"Epoch {epoch}, {'the end' if epoch == last else 'a halt'}{same}")
        axes[-1].set_xlabel(f"better  ←  {title}")
        return settled(figure)


def kinship_and_gain(merges: pd.DataFrame, arms: Sequence[str], *, columns: int = 2) -> Figure:
    """Draw the children's gain against the parents' distance and barrier: a mark for each merge.

    Args:
        merges: as `analysis.figures.numbers.kinship` returns them; NaNs are left out.
        arms: the arms in their order.
        columns: panels side by side; 1 for a narrow page.
    """
    look = looks(arms)
    with styled():
        narrow = columns == 1
        unit = str(merges["unit"].iloc[0]) if len(merges) else FRACTION
        factor = 100 if unit == FRACTION else 1
        figure, axes = panels(2, columns, 4.4 if narrow else 4.9, 3.1)
        names = {"distance": "parents' distance, aligned", "barrier": "barrier between the parents"}
        for place, (ax, (column, label)) in enumerate(zip(axes, names.items(), strict=True)):
            ax.axhline(0, color=INK, linewidth=1)
            finite = np.isfinite(merges[column]) & np.isfinite(merges["gain"])
            shown = merges.loc[finite]
            for arm in arms:
                own = shown.loc[shown["arm"].eq(arm)]
                if merges["arm"].eq(arm).any():
                    ax.plot(
                        own[column].to_numpy(), factor * own["gain"].to_numpy(), linestyle="none",
                        marker=look[arm].marker, color=look[arm].colour, markersize=5.5,
                        alpha=0.8, markeredgecolor=PAPER, markeredgewidth=0.4,
                        label=shorten(arm, 20),
                    )  # fmt: skip
            if (beyond := far_beyond(shown["gain"].to_numpy(np.float64), unit)) is not None:
                ax.set_yscale("symlog", linthresh=factor * beyond)
            values = shown[column].to_numpy(dtype=np.float64)
            if len(values) and values.min() > 0 and values.max() / values.min() > 8 * LOG_FROM:
                _logarithmic(ax)
            else:
                ax.xaxis.set_major_locator(MaxNLocator(6))
            ax.set_xlabel(label)
            ax.set_title("Distance and gain" if column == "distance" else "Barrier and gain")
            if place % columns == 0:
                ax.set_ylabel(f"children's gain ({'%' if unit == FRACTION else 'loss'})")
            if shown.empty:
                ax.annotate("not measured", (0.5, 0.6), xycoords="axes fraction", ha="center")
        bottom_legend(figure, axes[0])
        return settled(figure)


def species_over_time(
    counts: pd.DataFrame,
    sizes: pd.DataFrame,
    arms: Sequence[str],
    title: str,
    *,
    columns: int = 2,
) -> Figure:
    """Draw the species of one trial at each halt, and how many each arm had.

    Args:
        counts: as `analysis.figures.numbers.species_counts` returns them.
        sizes: rows of the table `species` of one trial and arm.
        arms: the arms in their order.
        title: of the first panel: which trial and arm.
        columns: panels side by side; 1 for a narrow page.
    """
    look = looks(arms)
    with styled():
        narrow = columns == 1
        figure, (left, right) = panels(2, columns, 4.4 if narrow else 4.9, 2.9)
        _species_bars(left, sizes)
        left.set_title(title)
        left.set_ylabel("members")
        for arm in arms:
            own = counts.loc[counts["arm"].eq(arm)].sort_values("epoch")
            if own.empty:
                continue
            x, mean = own["epoch"].to_numpy(), own["mean"].to_numpy()
            right.fill_between(x, own["low"].to_numpy(), own["high"].to_numpy(), linewidth=0,
                               color=look[arm].colour, alpha=0.12)  # fmt: skip
            right.plot(x, mean, color=look[arm].colour, linestyle=look[arm].line,
                       marker="o" if look[arm].marker == "none" else look[arm].marker,
                       label=shorten(arm, 20))  # fmt: skip
        right.set_title("Number of species")
        right.set_ylabel("mean over the trials")
        right.set_ylim(0, float(counts["high"].max()) + 0.5)
        for ax in (left, right):
            ax.set_xlabel("halt after epoch")
        halts = sorted({int(epoch) for epoch in counts["epoch"]})
        right.xaxis.set_major_locator(FixedLocator(halts[:: -(-len(halts) // 8)]))
        for axis in (right.yaxis, left.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        bottom_legend(figure, right)
        return settled(figure)


def _species_bars(ax: Axes, sizes: pd.DataFrame) -> None:
    """Stack the species of each halt, each with its number."""
    halts = sorted({int(epoch) for epoch in sizes["epoch"]})
    for place, epoch in enumerate(halts):
        below = 0
        own = sizes.loc[sizes["epoch"].eq(epoch)].sort_values("species")
        for species, size in own[["species", "size"]].to_numpy():
            ax.bar(
                [place], [size], bottom=below, width=0.72, linewidth=1.0, edgecolor=PAPER,
                facecolor=COLOURS[species % len(COLOURS)], hatch=HATCHES[species % len(HATCHES)],
            )  # fmt: skip
            if len(halts) <= 12 and len(own) <= 12:
                ax.text(
                    place, below + size / 2, str(species), ha="center", va="center", fontsize=8,
                    bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.2},
                )  # fmt: skip
            below += size
    every = -(-len(halts) // 8)
    ax.set_xticks(range(0, len(halts), every), [str(epoch) for epoch in halts[::every]])
    ax.set_xlim(-0.6, max(len(halts) - 0.4, 1.4))
    ax.grid(axis="x", visible=False)


def _members(ax: Axes, row: int, own: pd.DataFrame, look: Look) -> None:
    """Draw the members of one arm at one epoch."""
    values = own["value"].to_numpy(dtype=np.float64)
    shown = np.sort(values[np.isfinite(values)])
    if not shown.size:
        return
    if shown.size > MOST_DOTS:
        low, lower, upper, high = np.quantile(shown, [0, 0.25, 0.75, 1])
        ax.plot([low, high], [row, row], color=look.colour, linewidth=1.2)
        ax.plot([lower, upper], [row, row], color=look.colour, linewidth=6, alpha=0.55)
    else:
        trials = own.loc[own["value"].notna()].sort_values("value")["trial"]
        most = max(int(own["trial"].max()), 1)
        heights = row + 0.5 * (trials.to_numpy() / most - 0.5)
        ax.plot(shown, heights, linestyle="none", color=look.colour, alpha=0.7, markersize=4.2,
                marker="o" if look.marker == "none" else look.marker,
                markeredgecolor=PAPER, markeredgewidth=0.3)  # fmt: skip
    middle = float(np.median(shown))
    ax.plot([middle, middle], [row - 0.36, row + 0.36], color=INK, linewidth=1.8)


def _rows(ax: Axes, arms: Sequence[str], here: pd.DataFrame) -> None:
    """Give each arm a row; its name says how many of its members failed."""
    names = []
    for arm in arms:
        values = here.loc[here["arm"].eq(arm), "value"]
        lost = int(values.isna().sum())
        told = f", {'all' if lost == len(values) else lost} failed" if lost else ""
        names.append(shorten(arm, 12 if lost else 18) + told)
    ax.set_yticks(range(len(arms)), names)
    ax.set_ylim(len(arms) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)


def _span(ax: Axes, values: np.ndarray) -> None:
    """Fit the axis of losses, logarithmic for a wide span."""
    if not values.size:
        ax.set_xticks([])
        return
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > LOG_FROM:
        _logarithmic(ax)
        ax.set_xlim(low / (high / low) ** 0.05, high * (high / low) ** 0.05)
    else:
        air = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        ax.set_xlim(low - air, high + air)
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _logarithmic(ax: Axes) -> None:
    """Make the axis below logarithmic, with plain numbers."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=TICKS, numticks=5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
