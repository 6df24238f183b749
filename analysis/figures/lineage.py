"""The lineage of one trial and arm as a picture: who descends from whom, by species."""

from __future__ import annotations

from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.drawing import (
    COLOURS,
    FRAME,
    INK,
    MARKERS,
    PAPER,
    panels,
    settled,
    shorten,
    styled,
)
from analysis.statistics.lineage import Lineage

WIDEST: Final = 14.0
"""Inches: with many halts the columns move closer."""


def lineage_figure(lineage: Lineage, *, width: float = WIDEST) -> Figure:
    """Draw members by segment (left to right) and rank (best on top), with lines from the parents.

    Colour and shape are the species, a ring the champion, a cross a member that failed; the
    champion's ancestry is drawn in ink.

    Args:
        lineage: as `analysis.statistics.lineage.lineage` returns it.
        width: widest figure allowed, in inches.
    """
    nodes, edges = lineage.nodes, lineage.edges
    segments = int(nodes["segment"].max()) + 1
    places = int(nodes["place"].max()) + 1
    with styled():
        width = min(max(4.4, 1.6 + 1.5 * segments), width)
        crowded = segments > 1.6 * width
        figure, (ax,) = panels(1, 1, width, 1.5 + 0.42 * places)
        place_of = {(s, m): p for s, m, p in nodes[["segment", "member", "place"]].to_numpy()}
        for segment, parent, child, ancestor in edges.to_numpy():
            if (segment - 1, parent) in place_of:
                heights = (place_of[segment - 1, parent], place_of[segment, child])
                _descent(ax, segment, heights, bool(ancestor))
        _members(ax, lineage, crowded=crowded)
        epochs = nodes.groupby("segment")["epoch"].max()
        ax.set_xticks(range(segments), [f"epoch {epoch}" if 0.8 * segments < width else str(epoch)
                                        for epoch in epochs])  # fmt: skip
        ax.set_yticks([0, places - 1] if places > 1 else [0], ["best", "last"][:places])
        ax.set_xlim(-0.4, segments - 0.6)
        ax.set_ylim(places - 0.5, -0.6)
        ax.grid(visible=False)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_title(f"{shorten(lineage.arm)}, trial {lineage.trial}")
        figure.legend(handles=_legend(lineage), loc="outside lower center",
                      ncols=3 if width < 6 else 5)  # fmt: skip
        return settled(figure)


def _descent(ax: Axes, segment: int, heights: tuple[int, int], ancestor: bool) -> None:
    """Draw the line from a parent to a child."""
    ax.plot(
        [segment - 1, segment], heights, color=INK if ancestor else FRAME,
        linewidth=1.8 if ancestor else 0.8, alpha=1.0 if ancestor else 0.7,
        zorder=2 if ancestor else 1,
    )  # fmt: skip


def _members(ax: Axes, lineage: Lineage, *, crowded: bool) -> None:
    """Draw the members as numbered marks."""
    size = 7.0 if crowded else 13.0
    for node in lineage.nodes.itertuples():
        x, y = int(str(node.segment)), int(str(node.place))
        colour, marker = _species_look(int(str(node.species)))
        if node.champion:
            ax.plot([x], [y], "o", markersize=size + 5, markerfacecolor="none",
                    markeredgecolor=INK, markeredgewidth=1.6, zorder=3)  # fmt: skip
        ax.plot(
            [x], [y], marker=marker, markersize=size, zorder=4,
            markerfacecolor=PAPER if node.failed else colour,
            markeredgecolor=colour if node.failed else PAPER, markeredgewidth=1.0,
        )  # fmt: skip
        if node.failed:
            ax.plot([x], [y], "x", color=INK, markersize=size * 0.6, zorder=5)
        elif not crowded:
            ax.text(x, y, str(node.member), ha="center", va="center_baseline", fontsize=8,
                    fontweight="bold", color="#fffffe", zorder=5)  # fmt: skip


def _species_look(species: int) -> tuple[str, str]:
    """Return colour and marker of a species."""
    return COLOURS[species % len(COLOURS)], MARKERS[species % len(MARKERS)]


def _legend(lineage: Lineage) -> list[Line2D]:
    """Return what the marks and lines mean."""
    species = sorted({int(number) for number in lineage.nodes["species"]})
    marks = []
    for number in species[:9]:
        colour, marker = _species_look(number)
        marks.append(Line2D([], [], linestyle="none", marker=marker, color=colour,
                            markersize=7, label=f"species {number}"))  # fmt: skip
    marks.append(Line2D([], [], linestyle="none", marker="o", markerfacecolor="none",
                        markeredgecolor=INK, markersize=9, label="champion"))  # fmt: skip
    marks.append(Line2D([], [], color=INK, linewidth=1.8, label="its ancestry"))
    if lineage.nodes["failed"].any():
        marks.append(Line2D([], [], linestyle="none", marker="x", color=INK, label="failed"))
    return marks
