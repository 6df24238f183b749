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
from analysis.tables import CONTROL

MOST_PANELS: Final = 3
MOST_DOTS: Final = 60
"""Up to so many members of one arm at one halt are drawn singly, more as quartiles."""

HATCHES: Final = ("", "////", "....", "\\\\\\\\", "xx", "++")


def at_end(losses: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are at the end of their arm: each arm has epochs of its own."""
    return losses["epoch"].eq(losses.groupby("arm")["epoch"].transform("max"))


def halts_of(losses: pd.DataFrame) -> list[int]:
    """Return the epochs after which an arm was halted."""
    return sorted({int(epoch) for epoch in losses.loc[~at_end(losses), "epoch"]})


def shown_halts(losses: pd.DataFrame, most: int = MOST_PANELS - 1) -> list[int]:
    """Return the halts with a panel: those at which most arms have members of their own."""
    arms = {epoch: _apart(_at_halt(losses, epoch))["arm"].nunique() for epoch in halts_of(losses)}
    return sorted(sorted(arms, key=lambda epoch: -arms[epoch])[:most])


def members_at_halts(
    losses: pd.DataFrame, arms: Sequence[str], title: str, *, width: float = 9.8
) -> Figure:
    """Draw the members' losses at halts and at the end: a dot a member, a line at the median.

    A panel leaves out the arms whose population is still the control's at its epoch. The last panel
    has each arm at its own end.

    Args:
        losses: as `analysis.figures.numbers.member_losses` returns them.
        arms: the arms in their order.
        title: of the loss, for the axis.
        width: of the figure in inches.
    """
    look = looks(arms)
    drawn = [(head, _apart(every), every["arm"].nunique()) for head, every in _panels(losses)]
    trials = max(int(losses["trial"].max()), 1)
    with styled():
        heights = [0.95 + 0.28 * own["arm"].nunique() for _, own, _ in drawn]
        figure, axes = stacked(width, sum(heights), heights)
        for ax, (head, own, all_arms) in zip(axes, drawn, strict=True):
            rows = [arm for arm in arms if own["arm"].eq(arm).any()]
            for row, arm in enumerate(rows):
                _members(ax, row, own.loc[own["arm"].eq(arm)], look[arm], trials)
            _rows(ax, rows, own)
            _span(ax, own["value"].dropna().to_numpy(dtype=np.float64))
            alike = all_arms - len(rows)
            ax.set_title(head + (f"; {alike} as the control" if alike else ""))
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


def _panels(losses: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the title and the members of each panel: some halts, and the end of each arm."""
    ends = losses.loc[at_end(losses)]
    first, last = ends["epoch"].min(), ends["epoch"].max()
    end = f"Epoch {last}, the end" if first == last else f"The end, epochs {first} to {last}"
    halts = [(f"Epoch {epoch}, a halt", _at_halt(losses, epoch)) for epoch in shown_halts(losses)]
    return [*halts, (end, ends)]


def _at_halt(losses: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return the members of the arms that were halted, and those of the control beside them."""
    compared = ~at_end(losses) | losses["arm"].eq(CONTROL)
    return losses.loc[losses["epoch"].eq(epoch) & compared]


def _apart(here: pd.DataFrame) -> pd.DataFrame:
    """Return the members of the arms whose population is not the control's, the whole of it."""
    arms = here.groupby("arm")
    sizes = arms["member"].nunique()
    apart = arms["own"].any() | sizes.ne(sizes.get(CONTROL, 0))
    return here.loc[here["arm"].map(apart)]


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


def _members(ax: Axes, row: int, own: pd.DataFrame, look: Look, trials: int) -> None:
    """Draw the members of one arm at one epoch; each trial has its height, of `trials`."""
    values = own["value"].to_numpy(dtype=np.float64)
    shown = np.sort(values[np.isfinite(values)])
    if not shown.size:
        return
    if shown.size > MOST_DOTS:
        low, lower, upper, high = np.quantile(shown, [0, 0.25, 0.75, 1])
        ax.plot([low, high], [row, row], color=look.colour, linewidth=1.2)
        ax.plot([lower, upper], [row, row], color=look.colour, linewidth=6, alpha=0.55)
    else:
        each = own.loc[own["value"].notna()].sort_values("value")["trial"]
        heights = row + 0.5 * (each.to_numpy() / trials - 0.5)
        ax.plot(shown, heights, linestyle="none", color=look.colour, alpha=0.7, markersize=4.2,
                marker="o" if look.marker == "none" else look.marker,
                markeredgecolor=PAPER, markeredgewidth=0.3)  # fmt: skip
    middle = float(np.median(shown))
    ax.plot([middle, middle], [row - 0.36, row + 0.36], color=INK, linewidth=1.8)


def _rows(ax: Axes, arms: Sequence[str], here: pd.DataFrame) -> None:
    """Give each arm a row; its name says after which epoch, if they differ, and who failed."""
    names = []
    several = here["epoch"].nunique() > 1
    for arm in arms:
        own = here.loc[here["arm"].eq(arm)]
        told = f", epoch {own['epoch'].iloc[0]}" if several else ""
        if lost := int(own["value"].isna().sum()):
            told += f", {'all' if lost == len(own) else lost} failed"
        names.append(shorten(arm, 12 if lost else 14 if several else 18) + told)
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
