"""Numbers in words: the sentences of a report on what was found, and how certain it is.

Pure functions from numbers to text; nothing here is escaped, the template does that.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from analysis.numerals import count, number, p_value
from analysis.statistics.overview import Overview
from analysis.statistics.paired import (
    KINDS,
    SMALLEST_BOOTSTRAP,
    SMALLEST_SAMPLE,
    SMALLEST_SIGNED_RANK,
)
from analysis.statistics.scale import FRACTION, NEARLY_NOTHING, size_text, span_text
from analysis.tables import CONTROL

ALPHA: Final = 0.05

HELD_OUT: Final = ("val_loss", "test_loss")
"""Loss kinds that can stand for data the training did not see, in order of preference."""

NAMES: Final = {
    "train_loss": "training loss",
    "val_loss": "held-out loss",
    "test_loss": "test loss",
    "best_loss": "lowest running training loss of any epoch",
    "best_val_loss": "lowest held-out loss of any epoch",
}
"""What the loss kinds of `analysis.statistics.paired.summarize` are called in a report."""


def held_out_kind(overview: Overview) -> str:
    """Return the loss kind that stands for unseen data: the first in `HELD_OUT` with a pair."""
    for kind in HELD_OUT:
        if overview.of(kind)["n"].gt(0).any():
            return kind
    return HELD_OUT[0]


def is_clear(row: Any) -> bool:
    """Say whether a row of the summary shows a difference that chance does not explain.

    The corrected p of the paired t test is below `ALPHA` *and* the interval excludes zero.
    """
    return bool(row.t_p_holm < ALPHA and _excludes_zero(row))


def headline_arm(overview: Overview) -> str | None:
    """Return the arm that the verdict speaks of; None if no arm has a pair of trials.

    The best mean improvement of the held-out loss: among arms that are clearly better; else among
    those with enough trials for a test; else among all.
    """
    rows = overview.of(held_out_kind(overview))
    rows = rows.loc[rows["n"].gt(0)]
    clear = pd.Series([is_clear(row) for row in rows.itertuples()], index=rows.index, dtype=bool)
    for chosen in (rows.loc[clear & rows["mean"].gt(0)], rows.loc[rows["n"] >= SMALLEST_SAMPLE]):
        if len(chosen):
            rows = chosen
            break
    return str(rows.sort_values("mean", kind="stable")["arm"].iloc[-1]) if len(rows) else None


def verdict(overview: Overview) -> str:
    """Return the outcome of a run in one sentence, with its uncertainty.

    "lowers" and "raises" need `is_clear`; of an arm whose interval includes zero it is said that it
    cannot be told from the control; one or two trials are described, and nothing is claimed of
    them.
    """
    if CONTROL not in overview.arms:
        return f"There is no arm named {CONTROL}, so nothing can be compared."
    others = len(overview.arms) - 1
    if not others:
        return "Only the control ran, so there is nothing to compare it with."
    arm = headline_arm(overview)
    if arm is None:
        return "No trial was finished by both the control and another arm: nothing can be compared."
    held_out = held_out_kind(overview)
    beside = [kind for kind in ("test_loss", "train_loss") if kind != held_out]
    return _lead(overview, arm, held_out, others) + _beside(overview, arm, beside) + "."


def cautions(overview: Overview) -> list[str]:
    """Return what a reader must know before believing the tables, a sentence each."""
    differences = units_in_words(overview)
    notes = [differences] if differences else []
    rows = overview.summary
    used = rows.loc[rows["n"].gt(0) & rows["kind"].isin([held_out_kind(overview), "train_loss"])]
    if len(used) and used["n"].min() < SMALLEST_SAMPLE:
        notes.append(f"Below {SMALLEST_SAMPLE} trials there is neither interval nor test.")
    if used["method"].eq("t").any():
        notes.append(
            f"Below {SMALLEST_BOOTSTRAP} trials the interval is the t interval, which takes the "
            "improvements to be normally distributed. Run more trials before you rely on it."
        )
    if len(used) and used["n"].min() < SMALLEST_SIGNED_RANK:
        notes.append(
            f"Below {SMALLEST_SIGNED_RANK} trials the signed-rank test cannot reach p < 0.05."
        )
    if used["method"].str.contains("equal").any():
        notes.append("Where all trials are equal there is neither interval nor test.")
    lost = _left_out(overview, held_out_kind(overview))
    if lost:
        failed = "failed there or has no finite loss"
        why = f"is not finished there, {failed}" if overview.unfinished else failed
        notes.append(f"Left out, because the arm or the control {why}: {lost}.")
    for kind in KINDS:
        more = _left_out(overview, kind) if overview.of(kind)["n"].gt(0).any() else lost
        if more and more != lost:
            notes.append(f"Left out of the {NAMES[kind]}, for the same reason: {more}.")
    if overview.fitness.startswith("val_"):
        name = overview.fitness.removeprefix("val_")
        both = " and the best arm" if name == "loss" and len(overview.arms) > 2 else ""
        notes.append(
            f"The held-out {name} chose the champions{both}, so it flatters them; test data chose "
            "nothing."
        )
    return notes + _unconfirmed(overview)


def mean_text(row: Any) -> str:
    """Return a mean improvement with its interval, of a row of the summary."""
    return f"{size_text(row.mean, row.unit)} {span_text(row.low, row.high, row.unit)}".strip()


def units_in_words(overview: Overview) -> str:
    """Return why improvements are differences, not percentages, and which; "" if none is."""
    rows = overview.summary
    kinds = rows.loc[rows["unit"].ne(FRACTION) & rows["n"].gt(0), "kind"].unique()
    if not len(kinds):
        return ""
    differences = (
        "the improvement is the control's loss minus the arm's, in the loss's own unit, over all "
        "trials that both finished"
    )
    zero = overview.zero
    if zero.lowest < 0:
        return (
            f"Losses of this run lie below zero, down to {number(zero.lowest, 3)}, so none is a "
            f"share of another: {differences}."
        )
    if zero.unproven:
        return (
            f"It is not known of {' and '.join(zero.unproven)} that zero is the least it can be, "
            f"so no loss is taken as a share of another: {differences}."
        )
    names = ", ".join(NAMES[kind] for kind in NAMES if kind in kinds)
    return (
        f"The control has losses of zero, or below {NEARLY_NOTHING:g} times their median, and "
        f"shares of nearly nothing say nothing: of the {names}, {differences}."
    )


def curves_alternative(overview: Overview) -> str:
    """Return the loss curves in words: where each arm ends."""
    ends = []
    for arm in overview.arms:
        own = overview.bands.loc[overview.bands["arm"].eq(arm)]
        last = own.loc[own["epoch"].eq(own["epoch"].max())].set_index("kind")["mean"]
        if len(last):
            losses = [number(last.get(kind), 3) for kind in ("loss", "val_loss")]
            ends.append(f"{arm} {losses[0]} and {losses[1]}")
    longest = int(overview.bands["epoch"].max())
    return (
        f"Line chart of running training and held-out loss over {count(longest, 'epoch')}. "
        f"Mean running training and held-out loss at the end: {'; '.join(ends)}."
    )


def improvements_alternative(overview: Overview, kinds: list[str]) -> str:
    """Return the figure of improvements in words: mean and interval of each arm."""
    parts = []
    for kind in kinds:
        rows = [f"{row.arm} {mean_text(row)}" for row in overview.rows(kind)]
        parts.append(f"{NAMES[kind]}: {'; '.join(rows)}")
    return f"Dot chart of each trial's improvement on the control. Means, {'. '.join(parts)}."


def _lead(overview: Overview, arm: str, kind: str, others: int) -> str:
    """Say what the arm does to the held-out loss."""
    row = _row(overview, arm, kind)
    of_all = f", the best of {others} arms," if others > 1 else ""
    loss, trials = NAMES[kind], count(row.n, "trial")
    if row.n < SMALLEST_SAMPLE:
        return (
            f"In {'the only trial' if row.n == 1 else f'{row.n} trials'} the {loss} of {arm}"
            f"{of_all} is {_compared(row)}, which {trials} cannot tell from chance"
        )
    if row.method.startswith("none"):
        return f"In each of {trials} the {loss} of {arm}{of_all} is {_compared(row)}"
    evidence = f"({trials}, p {_equals(row.t_p_holm)})"
    if is_clear(row):
        verb = "lowers" if row.mean > 0 else "raises"
        return f"{arm}{of_all} {verb} the {loss} by {_size(row)} against the control {evidence}"
    if others > 1:
        return (
            f"No arm lowers the {loss} beyond chance: for {arm}, the best of {others}, it is "
            f"{_size(row)} {_word(row)} {evidence}"
        )
    return (
        f"{arm} cannot be told from the control by its {loss}: {_size(row)} {_word(row)} {evidence}"
    )


def _beside(overview: Overview, arm: str, kinds: list[str]) -> str:
    """Say what the arm does to other losses, a clause each."""
    clauses, unclear = [], []
    for kind in kinds:
        row = _row(overview, arm, kind)
        if row is None or row.n == 0:
            continue
        if row.n < SMALLEST_SAMPLE or row.method.startswith("none"):
            clauses.append(f"; its {NAMES[kind]} is {_compared(row)}")
        elif is_clear(row):
            verb = "falls" if row.mean > 0 else "rises"
            clauses.append(f"; its {NAMES[kind]} {verb} by {_size(row)}")
        else:
            unclear.append(f"its {NAMES[kind]}, {_size(row)} {_word(row)},")
            clauses.append(f"; {unclear[-1]} cannot be told from the control's")
    if len(unclear) == len(clauses) > 1:
        return f"; neither {' nor '.join(unclear)} can be told from the control's"
    return "".join(clauses)


def _unconfirmed(overview: Overview) -> list[str]:
    """Return a sentence for each arm whose test loss does not confirm its held-out loss.

    Of the verdict's arm, any difference in sign counts; of the others, those whose held-out
    interval excludes zero.
    """
    headline = headline_arm(overview)
    tests = {row.arm: row for row in overview.rows("test_loss") if row.n}
    notes = []
    for row in overview.rows("val_loss") if held_out_kind(overview) == "val_loss" else ():
        test = tests.get(row.arm)
        if test is None:
            continue
        start = f"Do not rely on the held-out loss of {row.arm}: it is {_size(row)} {_word(row)}"
        if row.mean * test.mean < 0 and (row.arm == headline or _excludes_zero(row)):
            notes.append(f"{start}, but its test loss is {_size(test)} {_word(test)}.")
        elif _excludes_zero(row) and test.low <= 0 <= test.high:
            notes.append(
                f"{start}, but its test loss, {_size(test)} {_word(test)}, has an interval that "
                "includes zero."
            )
    return notes


def _left_out(overview: Overview, kind: str) -> str:
    """Return how many trials of each arm have no pair of one loss kind; "" if all have."""
    rows = overview.of(kind)
    return ", ".join(
        f"{arm} in {count(int(left_out), 'trial')}"
        for arm, left_out in zip(rows["arm"], rows["left_out"], strict=True)
        if left_out
    )


def _excludes_zero(row: Any) -> bool:
    """Say whether a row's interval, if there is one, is all on one side of zero."""
    return bool(row.low > 0 or row.high < 0)


def _word(row: Any) -> str:
    """Return how the arm's loss stands to the control's."""
    return "lower" if row.mean > 0 else "higher"


def _compared(row: Any) -> str:
    """Return the size of a change that has no interval."""
    if row.mean == 0:
        return "the same as the control's"
    return f"{size_text(abs(row.mean), row.unit, sign=False)} {_word(row)} than the control's"


def _size(row: Any) -> str:
    """Return the size of a change and its interval, turned so that the change is positive."""
    low, high = (row.low, row.high) if row.mean > 0 else (-row.high, -row.low)
    size = size_text(abs(row.mean), row.unit, sign=False)
    return f"{size} {span_text(low, high, row.unit)}".strip()


def _equals(p: float) -> str:
    """Return a p-value with its relation: "= 0.02", "< 0.001"."""
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _row(overview: Overview, arm: str, kind: str) -> Any:
    """Return one row of the summary as a named tuple, None if there is none."""
    return next((row for row in overview.rows(kind) if row.arm == arm), None)
