"""The poster's claims, each judged by a run's training loss and by its held-out loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from scipy import stats

from analysis.notebook.comparing import both_kinds, mean_text
from analysis.notebook.opening import Results, with_parity
from analysis.notebook.shown import Shown, Table, Text
from analysis.numerals import MINUS, count, p_value
from analysis.statistics import versus, wording
from analysis.statistics.curves import CURVE_BESIDE
from analysis.statistics.hypotheses import holm
from analysis.statistics.overview import Overview, overview
from analysis.statistics.paired import SMALLEST_SAMPLE
from analysis.statistics.scale import FRACTION, size_text
from analysis.tables import CONTROL

POSTER_ARMS: Final = ("mean", "random")
"""The poster's two crossovers, as the ready experiments name their arms."""

AGREES: Final = "agrees"
DISAGREES: Final = "disagrees"
OPEN: Final = "cannot be told"

VERBS: Final = {AGREES: "agrees with", DISAGREES: "disagrees with", OPEN: "leaves open"}

SMALLEST_RANKS: Final = 5
"""With fewer trials no rank correlation reaches p < 0.05, corrected for two arms: `2 * 2 / n!`."""

Finding: TypeAlias = tuple[str, str]
"""What was measured, and whether it agrees with the claim."""


def poster(run: Results) -> Shown:
    """Return the poster's claims beside what the run measured, for both losses.

    Only `control`, `mean` and `random` are used, so p-values are corrected for two arms.
    """
    claims = _claims(run)
    if isinstance(claims, Text):
        return claims
    rows = [
        {"the poster says": claim}
        | {wording.NAMES[kind]: f"{text} ({judged})" for kind, (text, judged) in found.items()}
        for claim, found in claims.items()
    ]
    return Table(pd.DataFrame(rows).set_index("the poster says"))


def poster_in_words(run: Results) -> Text:
    """Say which of the poster's claims the run agrees with, for each loss."""
    claims = _claims(run)
    if isinstance(claims, Text):
        return claims
    trials = count(run.numbers.trials, "trial")
    epochs = f" of {count(run.numbers.epochs, 'epoch')}" if run.numbers.epochs else ""
    sentences = [f"{run.name} has {trials}{epochs}; the poster has 10 trials of 100 epochs."]
    for kind in both_kinds(run.numbers):
        parts = []
        for judged, verb in VERBS.items():
            told = [f"“{claim}”" for claim, found in claims.items() if found[kind][1] == judged]
            parts += [f"{verb} {', '.join(told)}"] if told else []
        sentences.append(f"By the {wording.NAMES[kind]} it {'; it '.join(parts)}.")
    return Text(tuple(sentences))


def _claims(run: Results) -> dict[str, dict[str, Finding]] | Text:
    """Return each claim's findings by loss kind, or which arms are missing."""
    absent = [arm for arm in (CONTROL, *POSTER_ARMS) if arm not in run.numbers.arms]
    if absent:
        return Text(
            (
                f"The poster compares the arms control, mean and random, and {run.name} has no "
                f"{' and no '.join(absent)}: take a run of quick or poster.",
            )
        )
    own = {
        name: table.loc[table["arm"].isin([CONTROL, *POSTER_ARMS])].reset_index(drop=True)
        for name, table in run.tables.items()
    }
    numbers = with_parity(overview(own, run.numbers.zero.names), run.stored.get("statistics"))
    kinds = both_kinds(numbers)
    rows = {(row.kind, row.arm): row for kind in kinds for row in numbers.rows(kind)}
    both = {kind: [rows[kind, arm] for arm in POSTER_ARMS] for kind in kinds}
    between = versus.versus(own["trials"], ["random"], zero=numbers.zero).itertuples()
    ahead = {row.kind: row for row in between if row.arm == "mean"}
    near = _kinship(own["matings"], numbers.paired)
    return {
        "mean is about 9 % better": {kind: _nine(rows[kind, "mean"]) for kind in kinds},
        "mean is significantly better": {kind: _clear(rows[kind, "mean"]) for kind in kinds},
        "random is significantly better": {kind: _clear(rows[kind, "random"]) for kind in kinds},
        "mean is better than random, not significantly": {k: _ahead(ahead[k]) for k in kinds},
        "single trials are from 5 % worse to 20 % better": {k: _range(both[k]) for k in kinds},
        "the control is reached in less than half the time": {
            kind: _parity(both[kind], _own_parity(numbers, kind)) for kind in kinds
        },
        "similar parents do better": {kind: _similar(near, kind) for kind in kinds},
    }


def _nine(row: Any) -> Finding:
    """Judge the size of the mean improvement by its interval, which must be of percentages."""
    if not np.isfinite(row.low) or row.unit != FRACTION:
        return mean_text(row), OPEN
    if not row.low <= 0.09 <= row.high:
        return mean_text(row), DISAGREES
    return mean_text(row), AGREES if row.low > 0 else OPEN


def _clear(row: Any) -> Finding:
    """Judge whether an arm is better beyond chance; worse beyond chance disagrees."""
    clear = wording.is_clear(row)
    return f"p {p_value(row.t_p_holm)}", (AGREES if row.mean > 0 else DISAGREES) if clear else OPEN


def _ahead(row: Any) -> Finding:
    """Judge "better, not significantly" than the other crossover; one comparison: p is plain."""
    text = f"{mean_text(row)}, p {p_value(row.t_p)}"
    if row.n < SMALLEST_SAMPLE or not np.isfinite(row.t_p):
        return text, OPEN
    if row.t_p < wording.ALPHA:
        return text, DISAGREES
    return text, AGREES if row.mean > 0 else OPEN


def _range(rows: Sequence[Any]) -> Finding:
    """Judge the worst and the best single trial: one outside the claimed range disagrees."""
    used = [row for row in rows if row.n]
    if not used:
        return "no trial", OPEN
    worst, best = min(row.worst for row in used), max(row.best for row in used)
    unit = used[0].unit
    text = f"{size_text(worst, unit)} to {size_text(best, unit)}"
    if unit != FRACTION:
        return text, OPEN
    if worst < -0.05 or best > 0.20:
        return text, DISAGREES
    return text, AGREES if min(row.n for row in rows) >= SMALLEST_SAMPLE else OPEN


def _own_parity(numbers: Overview, kind: str) -> float:
    """Return when the control itself first reached its last loss, as a share of K; NaN unknown."""
    parity = numbers.parity
    own = parity.loc[parity["arm"].eq(CONTROL) & parity["kind"].eq(CURVE_BESIDE.get(kind, ""))]
    return float(own["parity"].median())


def _parity(rows: Sequence[Any], control: float) -> Finding:
    """Judge the median epochs to parity.

    Trials that never got there count as late. A control that over-fits or is noisy passes its own
    last loss before K, and up to the halt an arm is the control: as early as that is no gain.
    """
    known = [row for row in rows if pd.notna(row.parity_trials) and row.parity_trials]
    if not known:
        return "the losses of every epoch are not stored", OPEN
    text = "; ".join(
        f"{row.arm} {row.parity_median:.2f} K in {row.parity_reached} of {row.parity_trials}"
        if row.parity_reached
        else f"{row.arm} never"
        for row in known
    )
    early = [row.parity_median < 0.5 and 2 * row.parity_reached > row.parity_trials
             for row in known]  # fmt: skip
    ahead = [soon and row.parity_median < control for soon, row in zip(early, known, strict=True)]
    if any(early) and np.isfinite(control):
        text += f"; the control itself {control:.2f} K"
    if min(row.parity_trials for row in known) < SMALLEST_SAMPLE:
        return text, OPEN
    if all(ahead):
        return text, AGREES
    refuted = not any(early) or (np.isfinite(control) and not any(ahead))
    return text, DISAGREES if refuted else OPEN


def _kinship(matings: pd.DataFrame, paired: pd.DataFrame) -> pd.DataFrame:
    """Return the distance of the parents beside each trial's improvement, per arm and loss."""
    distances = matings.groupby(["trial", "arm"], as_index=False)["distance_raw"].mean()
    both = paired.merge(distances, on=["trial", "arm"])
    return both.dropna(subset=["distance_raw", "improvement"])


def _similar(near: pd.DataFrame, kind: str) -> Finding:
    """Judge the rank correlation (Kendall) of improvement and distance over the trials."""
    own = near.loc[near["kind"].eq(kind)]
    if own.empty:
        return "no distances are stored", OPEN
    arms, taus, ps, texts = [], [], [], []
    for arm in own["arm"].unique():
        pairs = own.loc[own["arm"].eq(arm)]
        if len(pairs) < SMALLEST_RANKS:
            texts.append(f"{arm}: too few, {count(len(pairs), 'trial')}")
        elif pairs["distance_raw"].nunique() == 1:
            texts.append(f"{arm}: all distances are equal")
        else:
            tau, p = stats.kendalltau(pairs["distance_raw"], pairs["improvement"])
            arms.append(arm)
            taus.append(tau)
            ps.append(p)
    corrected = holm(ps)
    for arm, tau, p in zip(arms, taus, corrected, strict=True):
        signed = f"{tau:+.2f}".replace("-", MINUS)
        texts.append(f"{arm}: rank correlation with distance {signed}, p {p_value(p)}")
    signs = {
        float(np.sign(tau)) for tau, p in zip(taus, corrected, strict=True) if p < wording.ALPHA
    }
    judged = {-1.0: AGREES, 1.0: DISAGREES}[signs.pop()] if len(signs) == 1 else OPEN
    return "; ".join(texts), judged
