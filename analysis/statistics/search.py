"""Numbers of a search over architectures: best loss at any time, size, diversity, cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.statistics.crossings import children
from analysis.statistics.curves import carried_on, cost_to_loss
from analysis.statistics.metrics import COMPARED, metric_names
from analysis.tables import arms_of, networks_of

YARDSTICK = "evolution"
"""The arm whose final loss is the target of the others: evolution whose mutants begin anew."""


@dataclass(frozen=True)
class Search:
    """The numbers of a search; each frame is described where it is made."""

    steps: pd.DataFrame
    spent: pd.DataFrame
    arms: pd.DataFrame
    diversity: pd.DataFrame
    networks: pd.DataFrame
    born: pd.DataFrame

    @cached_property
    def bands(self) -> pd.DataFrame:
        """`anytime_bands` of the steps."""
        return anytime_bands(self.steps)


def searched(tables: Mapping[str, pd.DataFrame], higher: bool = False) -> Search | None:
    """Return the numbers of a search; None for a run whose networks all have one architecture.

    Args:
        tables: data frames by name; `members`, `epochs`, `trials` and `matings` are used.
        higher: whether a higher fitness is better.
    """
    members, epochs, trials = tables["members"], tables["epochs"], tables["trials"]
    if not is_search(members):
        return None
    spent = cost_to_yardstick(epochs, trials)
    return Search(
        steps=anytime(carried_on(epochs, members), trials),
        spent=spent,
        arms=arms_summary(members, trials, spent),
        diversity=diversity(members),
        networks=pareto(members, trials),
        born=children(tables["matings"], higher),
    )


def is_search(members: pd.DataFrame) -> bool:
    """Whether the members of a run had architectures of their own."""
    return bool(members["genome"].ne("").any())


def anytime(epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the best validation loss that each arm had seen after what it had spent.

    Members of a population train side by side: a step is an epoch of all of them. The last step of
    an arm counts its champion too, which may be a merge.

    Args:
        epochs: as `analysis.statistics.curves.carried_on` returns them.
        trials: the table of that name; an arm's trial that failed is left out.

    Returns:
        One row per trial, arm and epoch: `epoch`, `network_epochs` and `wall_s` spent by all
        members up to and with it (segments shared with another arm count in full, what teachers
        take does not count), and `best`.
    """
    done = trials.loc[trials["status"].eq("done"), ["trial", "arm", "val_loss"]]
    kept = epochs.merge(done.rename(columns={"val_loss": "champion"}), on=["trial", "arm"])
    kept["val_loss"] = kept["val_loss"].where(np.isfinite(kept["val_loss"]))
    kept["networks"] = networks_of(kept)
    by = ["trial", "arm"]
    each = kept.groupby([*by, "epoch"], as_index=False).agg(
        network_epochs=("networks", "sum"),
        wall_s=("wall_s", "sum"),
        best=("val_loss", "min"),
        champion=("champion", "first"),
    )
    last = each["epoch"].eq(each.groupby(by)["epoch"].transform("max"))
    each["best"] = each["best"].where(~last, each[["best", "champion"]].min(axis=1))
    grouped = each.groupby(by)
    each[["network_epochs", "wall_s"]] = grouped[["network_epochs", "wall_s"]].cumsum()
    each["best"] = grouped["best"].cummin()
    return each.drop(columns="champion")


def anytime_bands(steps: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over the trials of what `anytime` returns.

    Returns:
        One row per arm and epoch: `network_epochs` (mean), `wall_s` (median), `n` trials, `mean`,
        and `low`, `high` = mean -+ one standard deviation (n - 1; NaN for one trial).
    """
    grouped = steps.groupby(["arm", "epoch"], sort=False)
    bands = grouped.agg(
        network_epochs=("network_epochs", "mean"),
        wall_s=("wall_s", "median"),
        n=("best", "count"),
        mean=("best", "mean"),
        sd=("best", "std"),
    ).reset_index()
    bands["low"], bands["high"] = bands["mean"] - bands["sd"], bands["mean"] + bands["sd"]
    return bands.drop(columns="sd")


def cost_to_yardstick(
    epochs: pd.DataFrame, trials: pd.DataFrame, yardstick: str = YARDSTICK
) -> pd.DataFrame:
    """Return what share of its network-epochs an arm spent until it had the yardstick's loss.

    The loss is that of the yardstick's champion in the same trial. What teachers take counts
    neither for the arm nor for the yardstick.

    Args:
        epochs: the table of that name.
        trials: likewise.
        yardstick: an arm; without it no row is returned.

    Returns:
        One row per trial and arm: `target`, `network_epochs` (NaN if it never got there) and
        `share` of the yardstick's own.
    """
    done = trials.loc[trials["status"].eq("done")]
    targets = done.loc[done["arm"].eq(yardstick)]
    parts = [
        cost_to_loss(epochs.loc[epochs["trial"].eq(trial)], target).assign(
            target=target, total=total
        )
        for trial, target, total in zip(
            targets["trial"], targets["val_loss"], targets["network_epochs"], strict=True
        )
    ]
    columns = ["trial", "arm", "target", "network_epochs", "share"]
    if not parts:
        return pd.DataFrame(columns=columns)
    spent = pd.concat(parts, ignore_index=True).merge(done[["trial", "arm"]], on=["trial", "arm"])
    spent["share"] = spent["network_epochs"] / spent["total"]
    return spent[columns]


def arms_summary(members: pd.DataFrame, trials: pd.DataFrame, spent: pd.DataFrame) -> pd.DataFrame:
    """Summarise each arm of a search over its finished trials.

    Args:
        members: the table of that name.
        trials: likewise.
        spent: as `cost_to_yardstick` returns it.

    Returns:
        One row per arm that finished a trial, the control first: `n` trials finished, means of the
        champions' `val_loss`, `test_accuracy`, `network_epochs` and other metrics on the test set
        (`test_NAME`), their median `parameters`, `genomes` tried (mean over the trials; they differ
        in settings of training too), how many trials `reached` the yardstick's loss, and the median
        `share` of its network-epochs until then (infinite where half of the trials or more did
        not).
    """
    done = trials.loc[trials["status"].eq("done")]
    table = done.groupby("arm").agg(
        n=("trial", "count"),
        val_loss=("val_loss", "mean"),
        test_accuracy=("test_accuracy", "mean"),
        network_epochs=("network_epochs", "mean"),
        parameters=("parameters", "median"),
    )
    others = [f"test_{name}" for name in metric_names(trials)]
    table = table.join(done.groupby("arm")[others].mean())
    tried = members.groupby(["arm", "trial"])["genome"].nunique().groupby("arm").mean()
    table["genomes"] = tried.reindex(table.index)
    shares = spent.assign(share=spent["share"].fillna(np.inf)).groupby("arm")["share"]
    table["reached"] = spent.groupby("arm")["share"].count().reindex(table.index)
    table["share"] = shares.median().reindex(table.index)
    ordered = [arm for arm in arms_of(trials) if arm in table.index]
    summary: pd.DataFrame = table.reindex(ordered).rename_axis("arm").reset_index()
    return summary


def diversity(members: pd.DataFrame) -> pd.DataFrame:
    """Return how many genomes and species were alive in each segment.

    Returns:
        One row per arm and segment: `epoch` (the segment's last), `population`, and the means over
        the trials of distinct `genomes`, settings of training among their genes, and `species`.
    """
    by = ["arm", "segment", "last_epoch", "trial"]
    each = members.groupby(by, sort=False).agg(
        population=("member", "count"),
        genomes=("genome", "nunique"),
        species=("species", "nunique"),
    )
    means: pd.DataFrame = each.groupby(["arm", "segment", "last_epoch"], sort=False).mean()
    return means.reset_index().rename(columns={"last_epoch": "epoch"})


def pareto(members: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the networks of a search, and which of them no other beats in size and loss at once.

    Args:
        members: the table of that name; a member that went on counts once for each halt.
        trials: likewise; a champion that was merged at the end is a network of its own.

    Returns:
        One row per network (shared ones once), smallest first: `trial`, `arm`, `segment` (missing
        of a merge), `member` (its number, or how it was merged), `genome`, `parameters`,
        `val_loss`, `test_accuracy`, other metrics on held-out and test data (`val_NAME`,
        `test_NAME`) and `front`: no other network has at most its weights and at most its loss, and
        less of one of them.
    """
    columns = ["trial", "arm", "segment", "member", "genome", "parameters", "val_loss",
               "test_accuracy"]  # fmt: skip
    columns += [f"{part}_{name}" for name in metric_names(trials) for part in COMPARED]
    trained = members.drop_duplicates("folder").assign(member=members["member"].astype(str))
    merges = trials.loc[~trials["champion"].isin(["best", ""])]
    merges = merges.rename(columns={"champion": "member"})
    rows: pd.DataFrame = pd.concat([trained, merges], ignore_index=True)
    rows["segment"] = rows["segment"].astype("Int64")
    rows = rows.loc[rows["status"].eq("done") & np.isfinite(rows["val_loss"]), columns]
    rows = rows.sort_values(["parameters", "val_loss"], kind="stable", ignore_index=True)
    lowest = rows["val_loss"].cummin().shift(fill_value=np.inf)
    networks: pd.DataFrame = rows.assign(front=rows["val_loss"].lt(lowest))
    return networks


def architecture_in_words(genome: str) -> str:
    """Return a genome in a line: `units 128 64, activation relu`; empty for none.

    >>> architecture_in_words('{"depth": 2, "units": [128, 64], "dropout": 0.125}')
    'depth 2, units 128 64, dropout 0.125'
    """
    if not genome:
        return ""
    parts = []
    for name, value in json.loads(genome).items():
        values = value if isinstance(value, list) else [value]
        shown = [f"{each:.3g}" if isinstance(each, float) else str(each) for each in values]
        parts.append(f"{name} {' '.join(shown)}")
    return ", ".join(parts)
