"""Who was crossed with whom: species, descent, distances, and what merging does to networks."""

from __future__ import annotations

import pandas as pd

from analysis.figures import drawing
from analysis.figures.lineage import lineage_figure
from analysis.figures.numbers import kinship
from analysis.figures.population import kinship_and_gain
from analysis.notebook.opening import Results, missing
from analysis.notebook.shown import Picture, Shown, Table, Text
from analysis.statistics import merging, wording
from analysis.statistics.curves import carried_on
from analysis.statistics.lineage import lineage
from analysis.tables import CONTROL


def species(run: Results) -> Shown:
    """Return number and largest size of the species at every halt, means over the trials."""
    table = run.tables["species"]
    if table.empty:
        return missing(run, "the species of every halt", "tables/species.parquet")
    by = ["arm", "epoch", "trial"]
    each = table.groupby(by, sort=False).agg(species=("species", "size"), largest=("size", "max"))
    means = each.groupby(["arm", "epoch"], sort=False).mean().reset_index()
    return Table(means.rename(columns={"epoch": "halt after epoch"}).set_index("arm").round(2))


def family(run: Results, arm: str = "", trial: int | None = None) -> Shown:
    """Draw who descends from whom in one trial and arm.

    Args:
        run: the run.
        arm: by default the verdict's, or the first that was halted.
        trial: by default the first that the arm finished.
    """
    members, trials, halts = run.tables["members"], run.tables["trials"], run.numbers.halts
    halted = [name for name in run.numbers.arms if halts.get(name)]
    headline = wording.headline_arm(run.numbers)
    arm = arm or (headline if headline in halted else None) or next(iter(halted), "")
    own = trials.loc[trials["arm"].eq(arm)]
    done = own.loc[own["status"].eq("done"), "trial"]
    trial = next(iter(done), 0) if trial is None else trial
    if members.loc[members["arm"].eq(arm) & members["trial"].eq(trial)].empty:
        what = (
            f"trial {trial} of the arm {arm!r}" if arm else "the descent in an arm that was halted"
        )
        return missing(run, what, "tables/members.parquet")
    return Picture(lineage_figure(lineage(members, trials, int(trial), arm)))


def gain_by_distance(run: Results) -> Shown:
    """Draw the gain of each merge's children against the distance and barrier of the parents."""
    epochs = carried_on(run.tables["epochs"], run.tables["members"])
    numbers = run.numbers
    merges = kinship(run.tables["matings"], epochs, numbers.halts, numbers.ends, zero=numbers.zero)
    if not merges[["distance", "barrier"]].notna().any(axis=None):
        return missing(run, "distances of parents (measure = true)", "tables/matings.parquet")
    return Picture(kinship_and_gain(merges, numbers.arms))


def damage(run: Results) -> Shown:
    """Return how much worse merges are than their parents, with distances and loss barriers."""
    table = _damage(run)
    if table.empty:
        return missing(run, "merges of several parents", "tables/matings.parquet or damage.csv")
    return Table(_in_words(table))


def damage_by_distance(run: Results) -> Shown:
    """Draw the damage of merges over the distance between the parents, as they were merged."""
    table = _damage(run)
    merged = table["distance_raw"].where(table["align"].eq("none"), table["distance_aligned"])
    table = table.assign(distance=merged).dropna(subset=["distance", "damage"])
    if table.empty:
        return missing(run, "distances of parents (measure = true)", "tables/matings.parquet")
    kinds = table["crossover"] + (", align " + table["align"]).where(table["align"].ne("none"), "")
    look = drawing.looks([CONTROL, *kinds.unique()])
    with drawing.styled():
        figure, (ax,) = drawing.panels(1, 1, 6.4, 3.6)
        for name, own in table.groupby(kinds, sort=False):
            one = look[str(name)]
            ax.plot(
                own["distance"].to_numpy(), own["damage"].to_numpy(), linestyle="none",
                marker=one.marker, color=one.colour, label=drawing.shorten(str(name)),
            )  # fmt: skip
        ax.axhline(0, color=drawing.INK, linewidth=1)
        ax.set_xlabel("distance between the parents, as merged")
        ax.set_ylabel("held-out loss above the parents'")
        ax.set_title("Damage of a merge before it trains")
        figure.legend(loc="outside lower center", ncols=3)
        return Picture(drawing.settled(figure))


def mended(run: Results) -> Shown:
    """Return the share of a crossover's damage that alignment removes."""
    table = _damage(run)
    parts = [merging.mended(own).assign(run=name) for name, own in table.groupby("run", sort=False)]
    if not any(len(part) for part in parts):
        return Text((f"{run.name} has no crossover both with and without alignment.",))
    return Table(_in_words(pd.concat(parts)))


def _damage(run: Results) -> pd.DataFrame:
    """Return `merging.damage`, or the stored table, with the run's name as the first column."""
    if "damage" in run.stored:
        return run.stored["damage"]
    table = merging.damage(run.tables["matings"], run.tables["members"])
    table.insert(0, "run", run.name)
    return table


def _in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table by run, rounded, its columns named in words that can break."""
    return table.set_index("run").round(3).rename(columns=lambda name: str(name).replace("_", " "))
