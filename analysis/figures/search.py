"""Figures of a search over architectures: best loss at any time, loss against size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.figures.drawing import FRAME, INK, looks, panels, settled, shorten, styled
from analysis.figures.picture import NARROW, Picture
from analysis.figures.results import bottom_legend
from analysis.numerals import number
from analysis.statistics.search import Search

SPENT: Final = {"network_epochs": "network-epochs", "wall_s": "worker time (s)"}


def search_pictures(found: Search, arms: Sequence[str]) -> list[Picture]:
    """Draw the best loss at any time and loss against size, for arms that finished a trial.

    Args:
        found: the numbers.
        arms: the arms in their order.
    """
    shown = [arm for arm in arms if found.bands["arm"].eq(arm).any()]
    if not shown:
        return []
    last = found.bands.groupby("arm")["mean"].last()
    ends = "; ".join(f"{arm} {number(last[arm], 4)}" for arm in shown)
    front = found.networks.loc[found.networks["front"]]
    return [
        Picture(
            "anytime",
            "The best network at any time",
            "The lowest held-out loss of any network so far: mean over the trials (line) and one "
            "standard deviation either way (band), against network-epochs, and against the time "
            "that workers spent in epochs (median). Segments that arms share count in each; what "
            "teachers take is not in it.",
            f"Step chart of the best held-out loss so far. At the end: {ends}.",
            anytime_curves(found.bands, shown),
            anytime_curves(found.bands, shown, columns=1),
            "search",
        ),
        Picture(
            "size",
            "Loss against size",
            "All networks of all trials at the end of each segment, and all merges; the tenth with "
            "the highest losses lies above the frame. The line joins the networks that no other "
            "one beats in size and loss at once.",
            f"Scatter chart of {len(found.networks)} networks. On the front: "
            + "; ".join(
                f"{weights} weights, loss {number(loss, 4)}"
                for weights, loss in zip(front["parameters"], front["val_loss"], strict=True)
            )
            + ".",
            loss_against_size(found.networks, arms),
            loss_against_size(found.networks, arms, width=NARROW),
            "search",
        ),
    ]


def anytime_curves(bands: pd.DataFrame, arms: Sequence[str], *, columns: int = 2) -> Figure:
    """Draw the best validation loss seen so far, against network-epochs and against time.

    Args:
        bands: as `analysis.statistics.search.anytime_bands` returns them.
        arms: the arms in their order.
        columns: panels side by side; 1 for a narrow page.
    """
    look = looks(arms)
    narrow = columns < len(SPENT)
    with styled():
        figure, axes = panels(len(SPENT), columns, 4.4 if narrow else 4.9, 3.5)
        for place, (ax, (spent, label)) in enumerate(zip(axes, SPENT.items(), strict=True)):
            for arm in arms:
                own = bands.loc[bands["arm"].eq(arm)]
                x, mean = own[spent].to_numpy(), own["mean"].to_numpy()
                low, high = own["low"].fillna(own["mean"]), own["high"].fillna(own["mean"])
                ax.fill_between(
                    x, low.to_numpy(), high.to_numpy(), step="post",
                    color=look[arm].colour, alpha=0.12, linewidth=0,
                )  # fmt: skip
                ax.step(
                    x, mean, where="post", color=look[arm].colour, linestyle=look[arm].line,
                    marker=look[arm].marker if look[arm].marker != "none" else "",
                    markevery=max(1, len(x) // 5), markersize=4, label=shorten(arm),
                )  # fmt: skip
            ax.set_xlim(0, None)
            # The first epochs would press all the rest into a line.
            late = bands.loc[bands["epoch"].ge(bands.groupby("arm")["epoch"].transform("max") / 5)]
            ends = late[["mean", "low", "high"]].to_numpy()
            bottom, top = np.nanmin(ends), np.nanmax(ends)
            room = max(top - bottom, 1e-9)
            ax.set_ylim(bottom - 0.06 * room, top + 0.12 * room)
            ax.set_xlabel(label)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            if place % columns == 0:
                ax.set_ylabel("best held-out loss so far")
        bottom_legend(figure, axes[0])
        return settled(figure)


def loss_against_size(networks: pd.DataFrame, arms: Sequence[str], *, width: float = 7.0) -> Figure:
    """Draw every network's held-out loss against its size, with a line along the front.

    Args:
        networks: as `analysis.statistics.search.pareto` returns them.
        arms: the arms in their order.
        width: of the figure in inches.
    """
    look = looks(arms)
    with styled():
        figure, (ax,) = panels(1, 1, width, 3.9)
        for arm in arms:
            own = networks.loc[networks["arm"].eq(arm)]
            marker = look[arm].marker if look[arm].marker != "none" else "x"
            ax.plot(
                own["parameters"], own["val_loss"], marker, color=look[arm].colour, alpha=0.55,
                markersize=4.5, linestyle="none", markeredgewidth=0.8, label=shorten(arm),
            )  # fmt: skip
        front = networks.loc[networks["front"]]
        ax.plot(
            front["parameters"], front["val_loss"], color=INK, linewidth=1.2,
            drawstyle="steps-post", marker="o", markerfacecolor="none", markersize=7,
            label="no other is smaller and better",
        )  # fmt: skip
        _size_axis(ax)
        # Networks that have hardly trained would press all the rest into a line.
        high = float(networks["val_loss"].quantile(0.9))
        ax.set_ylim(None, high + 0.02 * abs(high))
        ax.set_ylabel("held-out loss")
        bottom_legend(figure, ax)
        return settled(figure)


def _size_axis(ax: Axes) -> None:
    """Let the sizes be read on a logarithmic axis."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
    ax.set_xlabel("trained weights")
    ax.grid(color=FRAME, alpha=0.3)


def _thousands(value: float) -> str:
    """Return a number of weights in few signs."""
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"
