"""The tables and sentences of the report on metrics beside the loss."""

from __future__ import annotations

from typing import Any, Final

from analysis.numerals import count, number, p_value
from analysis.report.page import improved_cell
from analysis.statistics.metrics import COMPARED, PARTS, Measured
from analysis.statistics.paired import SMALLEST_SAMPLE
from analysis.statistics.scale import size_text, span_text
from analysis.statistics.wording import is_clear

_BETTER: Final = {"max": "higher is better", "min": "lower is better"}
_ON: Final = {"val": "held-out", "train": "training"}


def metric_tables(found: Measured) -> list[dict[str, Any]]:
    """Return the cells of the tables of metrics, one a metric, the control first in each.

    Returns:
        `name`, `better` (its direction in words), `known` and `rows`: `arm`, `n`, the means
        `train`, `val` and `test`, and of the held-out and the test data the difference to the
        control with its interval and trend, the corrected p of the paired t test, the trials won.
    """
    return [
        {
            "name": name,
            "better": _BETTER.get(found.modes[name], "whether higher is better is not known"),
            "known": name in found.modes and bool(found.modes[name]),
            "rows": [_row(found, name, arm) for arm in found.champions.to_dict("records")],
        }
        for name in found.names
    ]


def _row(found: Measured, name: str, means: Any) -> dict[str, Any]:
    cells = {part: number(means.get(f"{part}_{name}")) for part in PARTS}
    row: dict[str, Any] = {"arm": str(means["arm"]), "n": str(means["n"]), **cells}
    for part in COMPARED:
        own = found.row(row["arm"], f"{part}_{name}")
        text, interval, trend = improved_cell(own, "")
        some = own is not None and own.n > 0
        row[f"{part}_gain"] = text, interval, trend if found.modes[name] else ""
        row[f"{part}_p"] = p_value(own.t_p_holm) if some else ""
        row[f"{part}_won"] = f"{own.wins} of {own.n}" if some and found.modes[name] else ""
    return row


def fitness_sentence(found: Measured) -> str:
    """Return what the arms do to the metric that chose the champions; "" where a loss did."""
    rows = found.summary.loc[found.summary["kind"].eq(found.fitness) & found.summary["n"].gt(0)]
    part, _, name = found.fitness.partition("_")
    if not found.fitness or rows.empty:
        return ""
    best: Any = next(rows.sort_values("mean", ascending=False, kind="stable").itertuples())
    worse = best.mean < 0
    low, high = (-best.high, -best.low) if worse else (best.low, best.high)
    size = size_text(abs(best.mean), best.unit, sign=False)
    words = ("better", "worse") if found.modes[name] else ("higher", "lower")
    evidence = count(best.n, "trial")
    if best.n >= SMALLEST_SAMPLE:
        evidence += f", p {p_value(best.t_p_holm)}{'' if is_clear(best) else ', not beyond chance'}"
    direction = f", {_BETTER[found.modes[name]]}" if found.modes[name] else ""
    which = f"{best.arm}, the best of {len(rows)} arms" if len(rows) > 1 else str(best.arm)
    told = f"{size} {span_text(low, high, best.unit)}".strip()
    return (
        f"The champions were chosen by the {_ON[part]} {name}{direction}: that of {which}, is "
        f"{words[worse]} than the control's by {told} ({evidence})."
    )


def fitness_column(found: Measured) -> tuple[str, dict[str, str]]:
    """Return the head and the cells by arm of a terminal's column on the metric that chose.

    ("", {}) where a loss did.
    """
    name = found.fitness.partition("_")[2]
    if not found.fitness:
        return "", {}
    word = {"max": "higher by", "min": "lower by"}.get(found.modes[name], "differs by")
    cells = {}
    for means in found.champions.to_dict("records"):
        arm = str(means["arm"])
        own = found.row(arm, found.fitness)
        text, interval, _ = improved_cell(own, f"from {number(means[found.fitness])}")
        cells[arm] = f"{text} {interval.replace(' ', '')}".strip()
    return f"{found.fitness} {word}", cells
