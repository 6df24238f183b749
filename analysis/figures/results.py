"""The figures of a report. Each draws numbers it is given and returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    SymmetricalLogLocator,
)

from analysis.figures.drawing import (
    FRAME,
    INK,
    PAPER,
    Look,
    legend_columns,
    looks,
    panels,
    settled,
    shorten,
    styled,
)
from analysis.numerals import MINUS
from analysis.statistics.curves import CURVE_KINDS
from analysis.statistics.scale import FRACTION, size_text
from analysis.tables import CONTROL

TITLES: Final = {
    "loss": "Running training loss",
    "val_loss": "Held-out loss",
    "train_loss": "Training loss",
    "test_loss": "Test loss",
}

LOG_FROM: Final = 4.0
"""Largest over smallest mean loss from which the axis is logarithmic."""

CUT_AT: Final = 1.25
"""The loss axis ends at the control's largest mean loss times this, if an arm goes far beyond."""

FAR: Final = 1.0
"""The axis is logarithmic beyond `FOLD` if an improvement (a fraction, either way) exceeds this."""

FOLD: Final = 0.2

FAR_OF_MEDIAN: Final = 20.0
"""The same for improvements in the loss's own unit: `FAR` in sizes of their median."""

TICKS: Final = (1, 2, 5)


def loss_curves(
    bands: pd.DataFrame,
    arms: Sequence[str],
    halts: Mapping[str, Sequence[int]],
    departures: Mapping[str, int],
    *,
    kinds: Sequence[str] = CURVE_KINDS,
    columns: int = 2,
    along: Literal["epoch", "network_epochs"] = "epoch",
) -> Figure:
    """Draw the best member's loss over the epochs: mean and band over trials (poster, figure 4).

    Args:
        bands: as `analysis.statistics.curves.band` returns them.
        arms: the arms in their order; those without a curve are left out.
        halts: epochs after which each arm was halted: a dashed line each.
        departures: the epoch from which each arm has a curve of its own; before, it is the
            control's and drawn once.
        kinds: a panel each.
        columns: panels side by side; 1 for a narrow page.
        along: what the losses are drawn over: epochs, or what all members together spent, where no
            halt is shown, since arms halt at other places.
    """
    drawn = [arm for arm in arms if bands["arm"].eq(arm).any()]
    look = looks(arms)
    narrow = columns < len(kinds)
    with styled():
        legend = 0.19 * -(-len(drawn) // (2 if narrow else 4))
        height = (2.75 if narrow else 3.35) + legend * columns / len(kinds)
        figure, axes = panels(len(kinds), columns, 4.4 if narrow else 4.9, height)
        for place, (ax, kind) in enumerate(zip(axes, kinds, strict=True)):
            own = bands.loc[bands["kind"].eq(kind)]
            if along == "epoch":
                _halt_lines(ax, sorted({epoch for arm in drawn for epoch in halts.get(arm, ())}))
            for arm in drawn:
                curve = own.loc[own["arm"].eq(arm)]
                own_from = departures.get(arm, 0)
                _curve(ax, arm, curve, look[arm], own_from, len(drawn), along)
            loss_axis(ax, own)
            ax.set_title(TITLES.get(kind, kind))
            ax.set_xlabel("epoch" if along == "epoch" else "network-epochs of a trial")
            ax.xaxis.set_major_locator(
                MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
            )
            if place % columns == 0:
                ax.set_ylabel("loss (best member)")
        bottom_legend(figure, axes[0])
        return settled(figure)


def improvements(
    paired: pd.DataFrame,
    summary: pd.DataFrame,
    arms: Sequence[str],
    *,
    kinds: Sequence[str] = ("train_loss", "val_loss"),
    columns: int = 2,
) -> Figure:
    """Draw each trial's improvement as a dot, and their mean with its interval.

    A trial stands at the same height within every arm and panel.

    Args:
        paired: as `analysis.statistics.paired.pair_trials` returns it.
        summary: as `analysis.statistics.paired.summarize` returns it.
        arms: the arms in their order; the control is the zero line.
        kinds: a panel each.
        columns: panels side by side; 1 for a narrow page.
    """
    rows = [arm for arm in arms if arm != CONTROL]
    look = looks(arms)
    narrow = columns < len(kinds)
    with styled():
        height = 1.15 + 0.46 * max(len(rows), 1)
        figure, axes = panels(len(kinds), columns, 4.4 if narrow else 4.9, height)
        for place, (ax, kind) in enumerate(zip(axes, kinds, strict=True)):
            own = paired.loc[paired["kind"].eq(kind)]
            unit = str(own["unit"].iloc[0]) if len(own) else FRACTION
            ax.axvline(0, color=INK, linewidth=1)
            for row, arm in enumerate(rows):
                dots = own.loc[own["arm"].eq(arm)]
                numbers = summary.loc[summary["arm"].eq(arm) & summary["kind"].eq(kind)]
                _dots(ax, row, dots, look[arm], unit)
                _interval(ax, row, numbers, unit)
            ends = summary.loc[summary["kind"].eq(kind), ["low", "high"]].to_numpy(np.float64)
            each = np.append(own["improvement"].to_numpy(np.float64), ends)
            measure = _improvement_axis(ax, each, unit)
            labels = [shorten(arm, 18) for arm in rows]
            ax.set_yticks(range(len(rows)), labels if place % columns == 0 else [""] * len(rows))
            ax.set_ylim(len(rows) - 0.5, -0.5)
            ax.tick_params(axis="y", length=0)
            ax.grid(axis="y", visible=False)
            ax.spines["left"].set_visible(False)
            ax.set_title(TITLES.get(kind, kind))
            ax.set_xlabel(f"worse  ←  improvement{measure}  →  better")
        return settled(figure)


def _curve(
    ax: Axes, arm: str, curve: pd.DataFrame, look: Look, own_from: int, arms: int, along: str
) -> None:
    """Draw one arm's mean and band from the epoch on where it leaves the control."""
    epochs = curve["epoch"].to_numpy()
    if len(epochs) and own_from >= epochs.max():  # it never leaves: show that it is there
        own_from = 0
    curve = curve.loc[curve["epoch"].ge(own_from)]
    x, mean = curve[along].to_numpy(), curve["mean"].to_numpy()
    every = max(1, round(len(x) / 6))
    ax.fill_between(
        x, curve["low"].to_numpy(), curve["high"].to_numpy(),
        color=look.colour, alpha=0.16 if arms <= 6 else 0.07, linewidth=0,
    )  # fmt: skip
    ax.plot(
        x, mean, label=shorten(arm, 20), color=look.colour, linestyle=look.line,
        linewidth=2.0 if arm == CONTROL else 1.6,
        marker="o" if look.marker == "none" and len(x) == 1 else look.marker,
        markevery=(every // 2, every), markeredgecolor=PAPER, markeredgewidth=0.5,
        zorder=3 if arm == CONTROL else 4,
    )  # fmt: skip


def _halt_lines(ax: Axes, epochs: Sequence[int]) -> None:
    """Draw a line at each halt and name the first."""
    for epoch in epochs:
        few = len(epochs) <= 4
        ax.axvline(
            epoch, color=FRAME, linestyle=(0, (2, 2)), linewidth=1.1 if few else 0.6, zorder=1.5
        )
    if epochs:
        word = "halt" if len(epochs) == 1 else "halts"
        ax.annotate(
            word, (epochs[0], 1), xycoords=("data", "axes fraction"), xytext=(3, -2),
            textcoords="offset points", va="top", fontsize=8, color=INK, zorder=2,
        )  # fmt: skip


def loss_axis(ax: Axes, own: pd.DataFrame) -> None:
    """Fit the loss axis: logarithmic for a wide span, cut where an arm is far above the control.

    An arm whose curve leaves the panel is named in it.

    Args:
        ax: with the curves drawn.
        own: their losses, `arm` and `mean`.
    """
    means = own["mean"].to_numpy(dtype=np.float64)
    control = own.loc[own["arm"].eq(CONTROL), "mean"].to_numpy(dtype=np.float64)
    if control.size and control.min() <= 0:  # no true zero to reckon from
        cut = control.max() + (CUT_AT - 1) * np.ptp(control) or np.inf
    else:
        cut = CUT_AT * control.max(initial=0.0) or np.inf
    shown = means[means <= cut]
    if not shown.size:
        return
    low, high = float(shown.min()), float(shown.max())
    if low > 0 and high / low > LOG_FROM:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=TICKS, numticks=12))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set_ylim(low / (high / low) ** 0.08, high * (high / low) ** 0.08)
    elif (means > cut).any() and high > low:
        ax.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    if (means > cut).any():
        gone = [shorten(str(arm), 18) for arm in own.loc[own["mean"].gt(cut), "arm"].unique()]
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        ax.annotate(
            f"↑ {gone[0]}{more} up to {means.max():.3g}", (1, 1), xycoords="axes fraction",
            xytext=(-3, -2), textcoords="offset points", ha="right", va="top", fontsize=8,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def bottom_legend(figure: Figure, ax: Axes) -> None:
    """Put one legend below all panels, in as many columns as the names allow."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        columns = legend_columns(labels, figure.get_figwidth())
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _dots(ax: Axes, row: int, dots: pd.DataFrame, look: Look, unit: str) -> None:
    """Draw the trials of one arm, each at its own height."""
    trials = dots["trial"].to_numpy(dtype=np.float64)
    highest = trials.max(initial=0.0)
    heights = row + (0.3 * (2 * trials / highest - 1) if highest else 0 * trials)
    ax.plot(
        _drawn(unit) * dots["improvement"].to_numpy(), heights, linestyle="none",
        marker=look.marker, markersize=4.5, color=look.colour, alpha=0.75, markeredgecolor=PAPER,
        markeredgewidth=0.4,
    )  # fmt: skip


def _interval(ax: Axes, row: int, numbers: pd.DataFrame, unit: str) -> None:
    """Draw one arm's mean, its interval if there is one, and the mean in figures at the edge."""
    found = numbers.iloc[0] if len(numbers) else None
    some = found is not None and found["n"] > 0
    text = "no trial"
    if found is not None and some:
        text = size_text(found["mean"], unit)
        low, mean, high = _drawn(unit) * found[["low", "mean", "high"]].to_numpy(np.float64)
        if np.isfinite(low):
            ax.plot([low, high], [row, row], color=INK, linewidth=2.2)
        ax.plot([mean], [row], marker="D", markersize=6.5, color=INK,
                markeredgecolor=PAPER, markeredgewidth=0.9)  # fmt: skip
    ax.annotate(
        text, (1, row), xycoords=("axes fraction", "data"), xytext=(4, 0),
        textcoords="offset points", va="center", fontsize=8.5, annotation_clip=False,
    )  # fmt: skip


def far_beyond(values: np.ndarray, unit: str) -> float | None:
    """Return beyond which improvement an axis is logarithmic; None if it is linear throughout.

    Args:
        values: improvements, shape (n,); those that are not finite are left out.
        unit: of all.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    far = FAR if unit == FRACTION or not sizes.size else FAR_OF_MEDIAN * float(np.median(sizes))
    return far * FOLD if sizes.max(initial=0.0) > far else None


def _drawn(unit: str) -> float:
    """Return what an improvement is multiplied with on an axis."""
    return 100.0 if unit == FRACTION else 1.0


def _improvement_axis(ax: Axes, values: np.ndarray, unit: str) -> str:
    """Add margins; make the axis logarithmic far out if one bad arm would flatten all others.

    Returns:
        The unit, for the axis's label.
    """
    finite = _drawn(unit) * values[np.isfinite(values)]
    beyond = far_beyond(values, unit)
    least = 1.0 if unit == FRACTION or not finite.any() else 0.0
    low, high = finite.min(initial=-least), finite.max(initial=least)
    if beyond is None:
        ax.set_xlim(low - 0.08 * (high - low), high + 0.08 * (high - low))
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        return " on the control (%)" if unit == FRACTION else " on the control (loss)"
    if unit != FRACTION:
        ax.set_xscale("symlog", linthresh=beyond, linscale=1.5)
        locator = SymmetricalLogLocator(base=10.0, linthresh=beyond)
        locator.numticks = 6
        ax.xaxis.set_major_locator(locator)
        ax.set_xlim(1.3 * low, 1.3 * high)
        return f" (loss, log beyond ±{beyond:.2g})"
    ax.set_xscale("symlog", linthresh=100 * FOLD, linscale=1.5)
    ticks = [sign * tick for tick in (10, 20, 100, 1000, 10_000, 100_000) for sign in (-1, 1)]
    ax.xaxis.set_major_locator(FixedLocator([0, *ticks]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", MINUS)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(1.3 * low if low < -20 else low - 5, 1.3 * high if high > 20 else high + 5)
    return f" (%, log beyond ±{100 * FOLD:.0f})"
