"""Workflows as pictures: training, halts, matings and champions along the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from analysis.figures.drawing import COLOURS, FRAME, INK, PAPER, panels, settled, shorten, styled
from analysis.figures.numbers import Scheme

GAP: Final = 0.13
"""Width of a halt in the picture, as a share of the epochs, if there are few halts."""

NUMBERED: Final = 16
"""Up to so many members, each has its number and a row of full height."""


def workflows(schemes: Sequence[Scheme], *, columns: int = 2) -> Figure:
    """Draw the workflow of each arm (poster, figures 2a and 2b).

    A bar is a member in training, a diamond a mating with lines from its parents to its children,
    a ring a fresh optimiser, the star the champion.

    Args:
        schemes: as `analysis.figures.numbers.scheme` returns them: a panel each.
        columns: panels side by side; 1 for a narrow page.
    """
    rows = max(_rows(scheme) for scheme in schemes)
    with styled():
        narrow = columns < len(schemes)
        height = 1.25 + (0.3 * rows if rows <= NUMBERED else min(0.3 * NUMBERED + 0.02 * rows, 8))
        # A single wide panel would be all bar: leave the other half to a figure of two.
        side = min(columns, len(schemes))
        figure, axes = panels(len(schemes), side, 4.4 if narrow else 9.8 / max(side, 1.4), height)
        for ax, scheme in zip(axes, schemes, strict=True):
            _workflow(ax, scheme, rows)
        figure.legend(handles=_legend(schemes), loc="outside lower center",
                      ncols=3 if narrow else 6)  # fmt: skip
        return settled(figure)


def _rows(scheme: Scheme) -> int:
    """Return how many rows of members a workflow has."""
    return int(scheme.training["member"].max()) + 1 if len(scheme.training) else 1


def _workflow(ax: Axes, scheme: Scheme, rows: int) -> None:
    """Draw one arm."""
    halts = sorted({int(epoch) for epoch in (*scheme.merges["epoch"], *scheme.restarts["epoch"])})
    edges = np.array([0, *halts, scheme.epochs])
    gap = min(GAP * scheme.epochs, 0.45 * float(np.diff(edges).min())) if halts else 0.0
    thick = 7.0 if rows <= NUMBERED else max(1.0, 7.0 * NUMBERED / rows)
    for epoch in halts:
        ax.axvline(epoch, color=FRAME, linestyle=(0, (2, 2)), linewidth=1.0, zorder=0)
        merges = scheme.merges.loc[scheme.merges["epoch"].eq(epoch)]
        _merges(ax, epoch, gap, merges, thin=rows > NUMBERED or len(halts) > 4)
        for member in scheme.restarts.loc[scheme.restarts["epoch"].eq(epoch), "member"]:
            ax.plot([epoch - gap / 2, epoch + gap / 2], [member, member], color=INK, linewidth=1.1)
            ax.plot([epoch], [member], "o", markersize=6, markerfacecolor=PAPER,
                    markeredgecolor=INK, markeredgewidth=1.3, zorder=3)  # fmt: skip
    for bar in scheme.training.to_dict("records"):
        start = bar["start"] + (gap / 2 if bar["start"] in halts else 0.0)
        end = bar["end"] - (gap / 2 if bar["end"] in halts else 0.0)
        _bar(ax, start, end, bar["member"], thick, failed=bool(bar["failed"]))
    _champion(ax, scheme)
    _labels(ax, scheme, halts)
    if rows <= NUMBERED:
        ax.set_yticks(range(_rows(scheme)), [str(member) for member in range(_rows(scheme))])
        ax.set_ylabel("member")
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{_rows(scheme)} members")
    ax.set_ylim(rows - 0.1, -0.9)
    ax.set_xlim(-0.02 * scheme.epochs, 1.16 * scheme.epochs)
    shown = halts[:: -(-len(halts) // 5)] if halts else []
    ax.xaxis.set_major_locator(FixedLocator([0, *shown, scheme.epochs]))
    ax.set_xlabel("epoch")
    ax.set_title(shorten(scheme.arm))
    ax.grid(visible=False)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _bar(ax: Axes, start: float, end: float, row: int, thick: float, *, failed: bool) -> None:
    """Draw a member in training; one that failed is empty, with a cross."""
    ax.plot([start, end], [row, row], color=COLOURS[0], linewidth=thick, solid_capstyle="butt")
    if failed:
        ax.plot([start, end], [row, row], color=PAPER, linewidth=0.7 * thick,
                solid_capstyle="butt")  # fmt: skip
        ax.plot([(start + end) / 2], [row], "x", color=INK, markersize=0.8 * thick, zorder=4)


def _merges(ax: Axes, epoch: int, gap: float, merges: pd.DataFrame, *, thin: bool) -> None:
    """Draw the matings of one halt, one above the other in the order of their children."""
    ordered = sorted(merges.to_dict("records"), key=lambda merge: float(np.mean(merge["children"])))
    highest = max((max(merge["children"]) for merge in ordered), default=0)
    for place, merge in enumerate(ordered):
        y = (place + 0.5) * (highest + 1) / len(ordered) - 0.5
        for parent in merge["parents"]:
            ax.plot([epoch - gap / 2, epoch], [parent, y], color=COLOURS[1],
                    linewidth=0.6 if thin else 1.6, zorder=2)  # fmt: skip
        for child in merge["children"]:
            ax.plot([epoch, epoch + gap / 2], [y, child], color=INK,
                    linewidth=0.4 if thin else 0.9, zorder=1)  # fmt: skip
        ax.plot([epoch], [y], "D", color=COLOURS[1], markersize=3.5 if thin else 7,
                markeredgecolor=PAPER, markeredgewidth=0.6, zorder=3)  # fmt: skip


def _champion(ax: Axes, scheme: Scheme) -> None:
    """Draw the champion with lines from the members it is made of, and how it was made."""
    if not scheme.champion:
        return
    x, y = 1.06 * scheme.epochs, float(np.mean(scheme.champion))
    for member in scheme.champion:
        ax.plot([scheme.epochs, x], [member, y], color=INK, linewidth=1.4, zorder=2)
    ax.plot([x], [y], "*", color=INK, markersize=13, markeredgecolor=PAPER, zorder=4)
    made = "best" if scheme.how == "best" else f"{scheme.how} of {len(scheme.champion)}"
    # Below the lowest line that leads to the star.
    ax.annotate(made, (x, max(scheme.champion)), xytext=(0, -8), textcoords="offset points",
                va="top", ha="center", fontsize=8)  # fmt: skip


def _labels(ax: Axes, scheme: Scheme, halts: Sequence[int]) -> None:
    """Name what happens at the halts: at each if there are few, at the first if all do alike."""
    texts = {}
    for epoch in halts:
        merges = scheme.merges.loc[scheme.merges["epoch"].eq(epoch)]
        ways = dict.fromkeys(merges["how"])
        parents = {len(parents) for parents in merges["parents"]}
        many = f" of {max(parents)}" if len(ways) == 1 and max(parents, default=0) > 1 else ""
        first, *more = next(iter(ways)).split(",") if ways else ["restart"]
        texts[epoch] = " / ".join(ways) if len(ways) > 1 else ",".join([first + many, *more])
    room = 34 // max(len(halts), 1)
    each = all(len(text) <= room for text in texts.values())
    for place, (epoch, text) in enumerate(texts.items()):
        if each or place == 0:
            more = "" if each or len(halts) == 1 else f", … ({len(halts)} halts)"
            ax.annotate(
                shorten(text, 30) + more, (epoch, 1), xycoords=("data", "axes fraction"),
                xytext=(0 if each else -3, -1), textcoords="offset points", va="top",
                ha="center" if each else "left", fontsize=8,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
            )  # fmt: skip


def _legend(schemes: Sequence[Scheme]) -> list[Line2D]:
    """Return what the marks mean: only those that are there."""
    marks = [Line2D([], [], color=COLOURS[0], linewidth=6, label="training",
                    solid_capstyle="butt")]  # fmt: skip
    if any(len(scheme.merges) for scheme in schemes):
        marks.append(Line2D([], [], marker="D", color=COLOURS[1], label="parents mate"))
        marks.append(Line2D([], [], color=INK, linewidth=0.9, label="children"))
    if any(len(scheme.restarts) for scheme in schemes):
        marks.append(Line2D([], [], marker="o", markerfacecolor=PAPER, markeredgecolor=INK,
                            color=INK, label="fresh optimiser"))  # fmt: skip
    if any(scheme.training["failed"].any() for scheme in schemes):
        marks.append(Line2D([], [], marker="x", linestyle="none", color=INK, label="failed"))
    if any(scheme.champion for scheme in schemes):
        marks.append(Line2D([], [], marker="*", markersize=11, linestyle="none", color=INK,
                            label="champion"))  # fmt: skip
    return marks
