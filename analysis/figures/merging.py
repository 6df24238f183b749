"""The merging of two networks as a picture: unit by unit as they stand, and aligned first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.drawing import COLOURS, INK, PAPER, panels, settled, styled
from analysis.figures.numbers import Matrix

EXAMPLE: Final = (
    np.array([[2.0, 0.3, -0.2, 1.6], [-0.3, 1.8, 0.2, -1.5], [0.2, -1.4, 2.0, 0.4]]),
    np.array([[0.3, -1.6, 1.8, 0.2], [1.8, 0.1, -0.4, 1.8], [-0.1, 2.0, 0.3, -1.3]]),
)
"""Two networks that learnt nearly the same in different units: a unit a row, two weights in, two
out."""

INPUTS: Final = 2
"""Of the weights of a unit of `EXAMPLE`, those from inputs."""


def merging(
    first: Matrix,
    second: Matrix,
    order: Sequence[int] | np.ndarray,
    *,
    inputs: int = INPUTS,
    width: float = 9.8,
) -> Figure:
    """Draw two networks and their mean, above as they stand, below aligned (poster, figure 3).

    A line is a weight: thick if large, dashed if negative. Colour and letter of a unit say what it
    does; a unit of a mean has the colours of both it is made of.

    Args:
        first: weights of the hidden units, a unit a row: from the inputs, then to the outputs.
        second: the same of the other network.
        order: for each unit of the first the one of the second that resembles it most, as
            `analysis.figures.numbers.matched_units` returns it.
        inputs: weights of a row that come from inputs; the others go to outputs.
        width: of the figure in inches.
    """
    order = np.asarray(order, dtype=np.int64)
    alike = np.argsort(order)  # for each unit of the second, the unit of the first it resembles
    units = np.arange(len(first))
    with styled():
        figure, axes = panels(6, 3, width / 3, 1.9 if width > 6 else 1.5)
        pictures = [
            ("parent A", first, units, units),
            ("parent B", second, alike, alike),
            ("mean", (first + second) / 2, units, alike),
            ("parent A", first, units, units),
            ("parent B, aligned", second[order], units, units),
            ("mean, aligned", (first + second[order]) / 2, units, units),
        ]
        largest = float(max(np.abs(first).max(), np.abs(second).max()))
        for ax, (title, weights, left, right) in zip(axes, pictures, strict=True):
            _network(ax, weights, inputs, largest, left, right)
            ax.set_title(title if width > 6 else title.partition(":")[0], fontsize=9)
        for ax, sign in zip(axes, "+=.+=.", strict=True):
            if sign != ".":
                ax.annotate(sign, (1.02, 0.5), xycoords="axes fraction", fontsize=15,
                            ha="center", va="center", annotation_clip=False)  # fmt: skip
        return settled(figure)


def _network(
    ax: Axes, weights: Matrix, inputs: int, largest: float, left: np.ndarray, right: np.ndarray
) -> None:
    """Draw one network: inputs, hidden units, outputs from left to right."""
    count, outputs = len(weights), weights.shape[1] - inputs
    rows = [np.linspace(0, 1, size + 2)[1:-1] for size in (inputs, count, outputs)]
    for unit in range(count):
        for other, weight in enumerate(weights[unit]):
            here = (1.0, rows[1][unit])
            there = (0.0, rows[0][other]) if other < inputs else (2.0, rows[2][other - inputs])
            size = abs(float(weight)) / largest
            ax.plot([here[0], there[0]], [here[1], there[1]], color=INK, alpha=0.25 + 0.65 * size,
                    linewidth=0.4 + 3.6 * size, zorder=1,
                    linestyle="-" if weight >= 0 else (0, (1.6, 0.9)))  # fmt: skip
    for column, size in ((0, inputs), (2, outputs)):
        ax.plot([column] * size, rows[column], "o", markersize=8, markerfacecolor=PAPER,
                markeredgecolor=INK, zorder=2)  # fmt: skip
    for unit in range(count):
        a, b = int(left[unit]), int(right[unit])
        halves: dict[str, Any] = {}
        if a != b:
            halves = {"fillstyle": "left", "markerfacecoloralt": COLOURS[b % 6]}
        ax.plot([1], [rows[1][unit]], "o", markersize=17, zorder=3,
                markerfacecolor=COLOURS[a % 6], markeredgecolor=PAPER, **halves)  # fmt: skip
        name = _letter(a) if a == b else _letter(a) + _letter(b)
        ax.text(1, rows[1][unit], name, ha="center", va="center_baseline", fontsize=9,
                fontweight="bold", color="#fffffe", zorder=4)  # fmt: skip
    ax.set_xlim(-0.25, 2.25)
    ax.set_ylim(1.02, -0.02)
    ax.set_axis_off()


def _letter(unit: int) -> str:
    """Return a unit's name."""
    return chr(ord("a") + unit % 26)
