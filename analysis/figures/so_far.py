"""Losses of a run that is not finished: a line for each trial of an arm, as far as it is."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.drawing import looks, panels, settled, shorten, styled
from analysis.figures.results import TITLES, bottom_legend, loss_axis
from analysis.statistics.curves import CURVE_KINDS


def losses_so_far(
    lines: pd.DataFrame,
    arms: Sequence[str],
    *,
    kinds: Sequence[str] = CURVE_KINDS,
    columns: int = 2,
) -> Figure:
    """Draw the best member's loss over the epochs, trial by trial.

    Args:
        lines: as `analysis.statistics.curves.best_member_curves` returns them.
        arms: the arms in their order; those without a line are left out.
        kinds: a panel each.
        columns: panels side by side; 1 for a narrow page.
    """
    look = looks(arms)
    drawn = [arm for arm in arms if lines["arm"].eq(arm).any()]
    narrow = columns < len(kinds)
    with styled():
        height = (2.75 if narrow else 3.35) + 0.19 * -(-len(drawn) // (2 if narrow else 4))
        figure, axes = panels(len(kinds), columns, 4.4 if narrow else 4.9, height)
        for place, (ax, kind) in enumerate(zip(axes, kinds, strict=True)):
            own = lines.loc[lines["kind"].eq(kind)]
            for arm in drawn:
                trials = own.loc[own["arm"].eq(arm)].groupby("trial")
                for number, (_, line) in enumerate(trials):
                    ax.plot(
                        line["epoch"].to_numpy(), line["value"].to_numpy(), linewidth=1.1,
                        color=look[arm].colour, linestyle=look[arm].line, alpha=0.75,
                        marker="o" if len(line) == 1 else "none", markersize=3,
                        label=shorten(arm, 20) if number == 0 else None,
                    )  # fmt: skip
            loss_axis(ax, own.rename(columns={"value": "mean"}))
            ax.set_title(TITLES.get(kind, kind))
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
            if place % columns == 0:
                ax.set_ylabel("loss (best member)")
        bottom_legend(figure, axes[0])
        return settled(figure)
