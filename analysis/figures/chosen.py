"""Which figures a report has, each with caption, alternative text, wide and narrow form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import drawing, results
from analysis.figures.crossings import crossing_pictures
from analysis.figures.lineage import lineage_figure
from analysis.figures.merging import EXAMPLE, merging
from analysis.figures.metrics import metric_pictures
from analysis.figures.numbers import (
    kinship,
    matched_units,
    member_losses,
    scheme,
    species_counts,
)
from analysis.figures.picture import NARROW, Picture
from analysis.figures.population import (
    at_end,
    halts_of,
    kinship_and_gain,
    members_at_halts,
    shown_halts,
    species_over_time,
)
from analysis.figures.scheme import workflows
from analysis.figures.search import search_pictures
from analysis.figures.tasks import most_workers, tasks, utilisation
from analysis.figures.workers import workers_over_time
from analysis.numerals import count, number, percent
from analysis.statistics import wording
from analysis.statistics.curves import carried_on
from analysis.statistics.lineage import lineage
from analysis.statistics.metrics import Measured
from analysis.statistics.overview import Overview
from analysis.statistics.scale import size_text
from analysis.statistics.search import Search
from analysis.tables import CONTROL

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Secondary:
    """The numbers that the figures of population and workers draw; see their makers."""

    members: pd.DataFrame
    kinship: pd.DataFrame
    species: pd.DataFrame
    tasks: pd.DataFrame
    utilisation: pd.DataFrame


def secondary(numbers: Overview, tables: Tables) -> Secondary:
    """Compute what the figures of population and workers draw."""
    each = tasks(tables["members"], tables["epochs"])
    return Secondary(
        members=member_losses(tables["members"], numbers.halts),
        kinship=kinship(
            tables["matings"],
            carried_on(tables["epochs"], tables["members"]),
            numbers.halts,
            numbers.ends,
            zero=numbers.zero,
        ),
        species=species_counts(tables["species"]),
        tasks=each,
        utilisation=utilisation(each),
    )


def pictures(
    numbers: Overview,
    more: Secondary,
    tables: Tables,
    found: Search | None = None,
    metrics: Measured | None = None,
) -> list[Picture]:
    """Draw the figures that the run has the numbers for, in the order of the page."""
    return [
        *_curves(numbers),
        *_improvements(numbers),
        *([] if found is None else search_pictures(found, numbers.arms)),
        *([] if found is None else crossing_pictures(found.born, numbers.arms)),
        *([] if metrics is None else metric_pictures(metrics, numbers)),
        *_members(numbers, more),
        *_kinship(numbers, more),
        *_species(numbers, more, tables),
        *_lineage(numbers, tables),
        *_workflow(numbers, tables),
        *_merging(tables),
        *_workers(numbers, more),
    ]


def shown_run(numbers: Overview, tables: Tables) -> tuple[str, int] | None:
    """Return the arm and trial that figures of a single trial show; None if no trial was halted.

    The arm is the verdict's if it was halted; otherwise, among the arms that finished a trial, the
    one with the most halts. The trial is the first that the arm finished.
    """
    trials = tables["trials"]
    done = trials.loc[trials["status"].eq("done")]
    halted = [arm for arm in numbers.arms if numbers.halts.get(arm) and done["arm"].eq(arm).any()]
    if not halted:
        return None
    headline = wording.headline_arm(numbers)
    most = max(halted, key=lambda arm: len(numbers.halts[arm]))
    arm = headline if headline in halted else most
    return arm, int(done.loc[done["arm"].eq(arm), "trial"].iloc[0])


def two_forms(draw: Callable[[int], Figure]) -> tuple[Figure, Figure]:
    """Draw a figure with its panels side by side and one below the other."""
    return draw(2), draw(1)


def _curves(numbers: Overview) -> list[Picture]:
    """Draw the losses over the epochs."""
    if numbers.bands.empty:
        return []
    drawn = two_forms(lambda columns: results.loss_curves(
        numbers.bands, numbers.arms, numbers.halts, numbers.departures, columns=columns
    ))  # fmt: skip
    return [
        Picture(
            "loss_curves",
            "Loss over the epochs",
            "The loss of the population's best member at each epoch: the line is the mean over the "
            "trials, the band one standard deviation either way. A dashed line is a halt. Until an "
            "arm's line leaves the control's, the two have the same networks.",
            wording.curves_alternative(numbers),
            *drawn,
        ),
        *_by_spent(numbers),
    ]


def _by_spent(numbers: Overview) -> list[Picture]:
    """Draw the losses over what was spent, where arms have epochs of their own."""
    if len(set(numbers.lengths.values())) < 2:
        return []
    drawn = two_forms(lambda columns: results.loss_curves(
        numbers.bands, numbers.arms, numbers.halts, numbers.departures, columns=columns,
        along="network_epochs",
    ))  # fmt: skip
    return [
        Picture(
            "loss_by_spent",
            "Loss over the network-epochs",
            "The same over the epochs of training that all members of a trial together have spent: "
            "what an arm's networks do side by side counts for each. What teachers take is not in "
            "it.",
            f"{wording.curves_alternative(numbers)} Drawn over the network-epochs.",
            *drawn,
        )
    ]


def _improvements(numbers: Overview) -> list[Picture]:
    """Draw the improvement of each trial."""
    kinds = [kind for kind in ("train_loss", wording.held_out_kind(numbers))
             if numbers.of(kind)["n"].gt(0).any()]  # fmt: skip
    if not kinds:
        return []
    bar = " and the bar its 95 % interval" if numbers.summary["low"].notna().any() else ""
    drawn = two_forms(lambda columns: results.improvements(
        numbers.paired, numbers.summary, numbers.arms, kinds=kinds, columns=columns
    ))  # fmt: skip
    return [
        Picture(
            "improvements",
            "Improvement on the control, trial by trial",
            "A dot is a trial, at the same height in every arm and panel; the diamond is the "
            f"mean over the trials{bar}. Compared are the champions at the end of training.",
            wording.improvements_alternative(numbers, kinds),
            *drawn,
        )
    ]


def _members(numbers: Overview, more: Secondary) -> list[Picture]:
    """Draw the members at the halts and at the end."""
    losses = more.members
    if losses["value"].isna().all():
        return []
    arms = [arm for arm in numbers.arms if losses["arm"].eq(arm).any()]
    last = losses.loc[at_end(losses)]
    middle = last.groupby("arm")["value"].median()
    ends = "; ".join(f"{arm} {number(middle[arm], 3)}" for arm in arms if arm in middle.index)
    return [
        Picture(
            "members",
            "The members at each halt and at the end",
            "Held-out loss of every member of every trial, lower is better; the line is the "
            "median, a trial stands at the same height in every arm. An arm has no row at an epoch "
            "at which its population is still the control's." + _of_halts(losses),
            f"Dot chart of all members' held-out loss at halts and at the end. "
            f"Medians at the end: {ends}.",
            members_at_halts(losses, arms, "held-out loss"),
            members_at_halts(losses, arms, "held-out loss", width=NARROW),
            "population",
        )
    ]


def _of_halts(losses: pd.DataFrame) -> str:
    """Return a sentence on the halts that have no panel, "" if all have one."""
    halts, shown = len(halts_of(losses)), len(shown_halts(losses))
    return f" Of {halts} halts {shown} are drawn; members.csv has all." if shown < halts else ""


def _kinship(numbers: Overview, more: Secondary) -> list[Picture]:
    """Draw the children's gain against the parents' distance and loss barrier."""
    merges = more.kinship
    measured = merges[["distance", "barrier"]].notna().any(axis=1) & np.isfinite(merges["gain"])
    if not measured.any():
        return []
    shown = merges.loc[measured]
    drawn = two_forms(lambda columns: kinship_and_gain(shown, numbers.arms, columns=columns))
    means = shown.groupby("arm", sort=False)[["barrier", "gain"]].mean()
    unit = str(shown["unit"].iloc[0])
    told = "; ".join(
        f"{arm} {size_text(row['gain'], unit)} at a mean barrier of {number(row['barrier'], 2)}"
        for arm, row in means.iterrows()
    )
    longer = any(numbers.ends[arm] > numbers.epochs for arm in shown["arm"].unique())
    later = ", or at the control's end where that is earlier" if longer else ""
    return [
        Picture(
            "kinship",
            "Do similar parents have better children?",
            "A mark is a merge. Its children's gain is how much lower their mean held-out loss is "
            "than that of the control's members of the same trial, at the next halt or at the "
            f"end{later}. The barrier is the rise of the loss on the straight line between the "
            "parents, after alignment where the arm aligns.",
            f"Scatter chart of {count(len(shown), 'merge')}. Mean gain of the children, {told}.",
            *drawn,
            "population",
            folded=True,
        )
    ]


def _species(numbers: Overview, more: Secondary, tables: Tables) -> list[Picture]:
    """Draw the species over the halts, if any arm ever had two."""
    counts = more.species
    if counts.empty:
        return []
    shown = shown_run(numbers, tables)
    arms = [arm for arm in numbers.arms if counts["arm"].eq(arm).any()]
    most = str(counts.groupby("arm", sort=False)["mean"].max().idxmax())
    arm = shown[0] if shown and shown[0] in arms else most
    own = tables["species"].loc[tables["species"]["arm"].eq(arm)]
    trial = shown[1] if shown and shown[0] == arm else int(own["trial"].iloc[0])
    sizes = own.loc[own["trial"].eq(trial)]
    title = f"Members by species: {drawing.shorten(arm, 18)}, trial {trial}"
    drawn = two_forms(lambda columns: species_over_time(
        counts, sizes, arms, title, columns=columns
    ))  # fmt: skip
    ends = counts.groupby("arm", sort=False)["mean"].agg(["first", "last"])
    told = "; ".join(
        f"{name} {row['first']:.1f} at its first halt, {row['last']:.1f} at its last"
        for name, row in ends.iterrows()
    )
    return [
        Picture(
            "species",
            "Species over time",
            "Left (above on a narrow page): how many members each species, numbered, has at each "
            "halt of one trial. Right: the number of species, its mean over the trials and its "
            "range from the fewest to the most.",
            f"Bars of the species' sizes and lines of their number. Mean number, {told}.",
            *drawn,
            "population",
            folded=True,
        )
    ]


def _lineage(numbers: Overview, tables: Tables) -> list[Picture]:
    """Draw the champion's lineage in one trial."""
    shown = shown_run(numbers, tables)
    if shown is None:
        return []
    arm, trial = shown
    family = lineage(tables["members"], tables["trials"], trial, arm)
    ancestors = family.nodes.loc[family.nodes["ancestor"] & family.nodes["segment"].eq(0)]
    founders = ", ".join(str(member) for member in ancestors["member"])
    return [
        Picture(
            "lineage",
            f"Who descends from whom: {arm}, trial {trial}",
            "Members by segment, the best on top, with lines from their parents; colour and shape "
            "show the species. The ring is the champion, heavy lines are its ancestry.",
            f"Family tree of {arm} in trial {trial}. The champion descends from "
            f"{count(len(ancestors), 'member')} of the first segment: {founders}.",
            lineage_figure(family),
            lineage_figure(family, width=NARROW),
            "population",
        )
    ]


def _workflow(numbers: Overview, tables: Tables) -> list[Picture]:
    """Draw the workflow of the control and of one arm."""
    shown = shown_run(numbers, tables)
    if shown is None:
        return []
    arm, trial = shown
    trials = tables["trials"]
    both = trials["arm"].eq(CONTROL) & trials["trial"].eq(trial)
    schemes = [scheme(tables, trial, one) for one in ([CONTROL] if both.any() else []) + [arm]]
    halts = ", ".join(str(epoch) for epoch in numbers.halts[arm])
    drawn = two_forms(lambda columns: workflows(schemes, columns=columns))
    against = "The control and " if len(schemes) > 1 else ""
    return [
        Picture(
            "workflow",
            f"What was done: {against.lower()}{arm}, trial {trial}",
            "Drawn from the run's tables. A bar is a member in training, a dashed line a halt. A "
            "diamond is a mating: lines reach it from the parents and leave it for the children. "
            "The star is the champion, with lines from the members that it is made of.",
            f"Diagram of {against.lower()}{arm} over {count(schemes[-1].epochs, 'epoch')}. "
            f"{arm} is halted after epoch {halts}: {count(len(schemes[-1].merges), 'mating')}.",
            *drawn,
            "workflow",
        )
    ]


def _merging(tables: Tables) -> list[Picture]:
    """Explain what merging does, if anything was merged."""
    if not tables["matings"]["parents"].str.contains(" ").any():
        return []
    order = matched_units(*EXAMPLE)
    return [
        Picture(
            "merging",
            "What merging does to two networks",
            "An example, not from this run: two networks that compute the same with their units in "
            "another order. Above, units are averaged in the order in which they happen to stand; "
            "below, the units of B are first put into the order of A, which does not change what "
            "B computes. A thick line is a large weight, a dashed one is negative; letters say "
            "what a unit does.",
            "Two small networks and their mean, twice. Without alignment, each unit of the mean is "
            "made of two unlike ones and has small weights; with the units of B first aligned to "
            "those of A, the mean resembles both.",
            merging(*EXAMPLE, order),
            merging(*EXAMPLE, order, width=NARROW),
            "workflow",
            folded=True,
        )
    ]


def _workers(numbers: Overview, more: Secondary) -> list[Picture]:
    """Draw training tasks, busy workers and throughput over time."""
    if more.utilisation.empty:
        return []
    busy = float(more.utilisation["busy"].mean())
    workers = most_workers(more.tasks)
    at_a_time = " at a time" if more.tasks["lane"].max() >= workers else ""
    speed = more.tasks["network_epochs"].sum() / more.tasks["end_s"].max()
    share = percent(busy, 0, sign=False)
    told = f"{count(workers, 'worker')}{at_a_time}, training {share} of the time"
    return [
        Picture(
            "workers",
            "Workers over time",
            f"{told[0].upper()}{told[1:]}; {number(float(speed), 3)} network-epochs a second over "
            "the whole run. A bar is a training task; one that several arms share ran once. "
            "Matings, teachers' predictions and harvests, which workers compute too, have no "
            "bar, nor has the time before a worker's first task and that for which it waits.",
            f"Chart of {count(len(more.tasks), 'training task')} by worker over time: {told}.",
            workers_over_time(more.tasks, more.utilisation, numbers.arms),
            workers_over_time(more.tasks, more.utilisation, numbers.arms, width=NARROW),
            "cost",
            folded=True,
        )
    ]
