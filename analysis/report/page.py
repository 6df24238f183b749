"""What the report's page shows, as text: cells of tables, captions, alternative texts, settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from analysis.numerals import NOTHING, count, duration, number, p_value, percent, plain, whole
from analysis.statistics.costs import EVERYTHING, network_epochs_unshared
from analysis.statistics.curves import CURVE_BESIDE, CURVE_KINDS
from analysis.statistics.overview import Overview
from analysis.statistics.paired import KINDS
from analysis.statistics.scale import FRACTION, size_text, span_text
from analysis.statistics.wording import NAMES, held_out_kind, is_clear
from analysis.tables import CONTROL
from apps.records.run_dir import RunDir


def arm_rows(overview: Overview, kind: str) -> list[dict[str, Any]]:
    """Return the cells of the table of arms for one loss kind, the control first.

    A cell is a text, or a text and what stands small below it.
    """
    champions = overview.champions.set_index("arm")
    rows = []
    if CONTROL in overview.arms and kind in champions.columns:
        loss = number(float(champions.loc[[CONTROL], kind].iloc[0]))
        finished = str(int(champions.loc[[CONTROL], "n"].iloc[0]))
        blank = dict.fromkeys(("t", "wilcoxon", "d", "wins"), "")
        blanks = dict.fromkeys(("mean", "median", "worst", "best"), ("", ""))
        parity = parity_text(overview, CONTROL, kind)
        row = {"arm": CONTROL, "n": finished, "loss": loss, "parity": parity, "class": "control"}
        rows.append({**row, **blank, **blanks})
    return rows + [_arm_row(overview, row) for row in overview.rows(kind)]


def shown_kinds(overview: Overview) -> tuple[list[str], list[str]]:
    """Return the loss kinds of the tables that the page shows, and of those that it folds away."""
    used = overview.summary.loc[overview.summary["n"].gt(0), "kind"].unique()
    wanted = dict.fromkeys((held_out_kind(overview), "test_loss", "train_loss"))
    first = [kind for kind in wanted if kind in used]
    return first, [kind for kind in NAMES if kind in used and kind not in first]


def pace_rows(statistics: pd.DataFrame, spent: pd.DataFrame, kind: str) -> list[dict[str, Any]]:
    """Return the cells of the table of pace and sensitivity, the control first.

    Args:
        statistics: as `analysis.report.findings.full_statistics` returns them.
        spent: as `analysis.report.findings.spent_to_control` returns it.
        kind: the loss kind of the columns on non-inferiority and sensitivity.
    """
    by_place: dict[tuple[Any, Any], Any] = {
        (row.arm, row.kind): row for row in statistics.itertuples()
    }
    rows = []
    arm: Any
    for arm in spent.itertuples():
        own = by_place.get((arm.arm, kind))
        needed = own.trials_needed if own else pd.NA
        rows.append(
            {
                "arm": arm.arm,
                "areas": [
                    improved_cell(by_place.get((arm.arm, f"area_{curve}")), "")
                    for curve in CURVE_KINDS
                ],
                "spent": spent_cell(arm),
                "wall": duration(arm.wall_s_to_control),
                "inferior": p_value(own.non_inferiority_p_holm) if own else "",
                "visible": size_text(own.visible, own.unit, sign=False) if own else "",
                "needed": "" if own is None else NOTHING if pd.isna(needed) else whole(needed),
            }
        )
    return rows


def improved_cell(row: Any, otherwise: str) -> tuple[str, str, str]:
    """Return an improvement, its interval and its trend; `otherwise` where there is no pair."""
    if row is None or not row.n:
        return otherwise, "", ""
    trend = ("better" if row.mean > 0 else "worse") if is_clear(row) else ""
    return size_text(row.mean, row.unit), span_text(row.low, row.high, row.unit), trend


def spent_cell(arm: Any) -> tuple[str, str]:
    """Return the median network-epochs to the control's loss, with how many trials got there."""
    median = arm.network_epochs_to_control
    late = arm.reached_to_control < arm.n_to_control
    reached = f"in {arm.reached_to_control} of {arm.n_to_control}" if late else ""
    return NOTHING if pd.isna(median) else whole(round(median)), reached


def champion_rows(overview: Overview) -> list[dict[str, str]]:
    """Return the cells of the table of champions: means over each arm's finished trials.

    Below the control's champion, the best of its networks, stands the mean of all that did not
    fail.
    """
    rows = []
    for row in overview.champions.to_dict("records"):
        cells = {kind: number(row[kind]) for kind in KINDS}
        accuracy = percent(row["test_accuracy"], 2, sign=False)
        if pd.notna(row["test_accuracy_sd"]):
            accuracy += f" ± {100 * row['test_accuracy_sd']:.2f}"
        rows.append({"arm": row["arm"], "n": str(row["n"]), **cells, "test_accuracy": accuracy})
        mean = overview.control_networks
        if row["arm"] == CONTROL and mean and overview.population > 1:
            cells = {kind: number(mean[kind]) for kind in KINDS}
            accuracy = percent(mean["test_accuracy"], 2, sign=False)
            fewest, most = overview.control_averaged
            averaged = str(most) if fewest == most else f"{fewest} to {most}"
            called = f"mean of the {averaged} in {CONTROL}"
            rows.append({"arm": called, "n": str(row["n"]), **cells, "test_accuracy": accuracy})
    return rows


def parity_text(overview: Overview, arm: str, kind: str) -> tuple[str, str]:
    """Return the median epochs to parity, with how many trials got there if not all did."""
    parity = overview.parity
    own = parity.loc[parity["arm"].eq(arm) & parity["kind"].eq(CURVE_BESIDE.get(kind, ""))]
    own = own.loc[own["target"].notna()]
    reached = int(own["parity"].count())
    if own.empty:
        return NOTHING, ""
    if not reached:
        return "never", ""
    text = f"{own['parity'].median():.2f} K"
    return text, "" if reached == len(own) else f"{reached} of {len(own)}"


def facts(overview: Overview) -> list[tuple[str, str]]:
    """Return the size of the run: values and what they count."""
    ran = overview.costs.loc[overview.costs["arm"].eq(EVERYTHING), "network_epochs"]
    members = int(overview.failures["what"].eq("member").sum())
    trials = int(overview.failures["what"].eq("trial").sum())
    return [
        _fact(overview.trials, "trial"),
        _fact(len(overview.arms), "arm"),
        _fact(overview.population, "network", " in a population"),
        _fact(overview.epochs, "epoch", " (K)"),
        _fact(int(ran.sum()), "network-epoch", " trained"),
        _fact(members, "failed member"),
        *([_fact(trials, "failed trial", " of an arm")] if trials else []),
    ]


def _fact(n: int, thing: str, more: str = "") -> tuple[str, str]:
    """Return a number and what it counts."""
    return whole(n), count(n, thing).partition(" ")[2] + more


def cost_rows(overview: Overview) -> list[dict[str, str]]:
    """Return the cells of the table of costs."""
    return [
        {
            "arm": "all, each task once" if row["arm"] == EVERYTHING else row["arm"],
            "tasks": str(row["tasks"]),
            "network_epochs": whole(row["network_epochs"]),
            "teaching": _some(row, "teaching_epochs", lambda value: whole(round(value))),
            "serial": _some(row, "serial_epochs", lambda value: whole(int(value))),
            "serial_wall": _some(row, "serial_wall_s", duration),
            "halts_wall": _some(row, "halts_wall_s", duration),
            "wall": duration(row["wall_s"]),
            "cpu": duration(row["cpu_s"]),
        }
        for row in overview.costs.to_dict("records")
    ]


def _some(row: Mapping[Hashable, Any], key: str, told: Callable[[float], str]) -> str:
    value = row.get(key)
    return NOTHING if value is None or pd.isna(value) else told(value)


def cost_sentence(overview: Overview) -> str:
    """Return what sharing segments saved, how much memory was held, and how long the run took."""
    ran = int(overview.costs["network_epochs"].iloc[-1])
    unshared = network_epochs_unshared(overview.costs)
    saved = percent(1 - ran / unshared, 0, sign=False) if unshared else percent(0.0, 0)
    apart = "have a column of their own" if "halts_wall_s" in overview.costs else "are not in it"
    text = (
        f"{whole(ran)} network-epochs were trained where {whole(unshared)} would have been "
        f"without shared segments: {saved} saved. The table counts training; matings, "
        f"teachers' predictions and harvests {apart}."
    )
    held = overview.costs["peak_memory_mb"].iloc[-1]
    if pd.notna(held):
        text += f" A process held at most {held:.0f} MB of memory."
    took = duration(overview.elapsed_s)
    if took == NOTHING:
        return text
    return f"{text} From the first training task's start to the last's end: {took}, with pauses."


def failure_rows(overview: Overview, run: RunDir) -> list[dict[str, str]]:
    """Return the cells of the table of failures; a log that is not there is left out."""
    rows = []
    for row in overview.failures.to_dict("records"):
        what = f"trial {row['trial']}"
        if row["what"] == "member":
            what += f", segment {row['segment']}, member {row['member']}"
        log = row["log"] if row["log"] and os.path.exists(run.root / row["log"]) else ""
        told = {key: str(row[key]) for key in ("arm", "status", "reason")}
        rows.append({"what": what, **told, "log": log})
    return rows


def remark_lines(members: pd.DataFrame) -> list[str]:
    """Return what was remarked on the training of members, each once with how many it concerns."""
    told = members.loc[members["remarks"].ne("")].drop_duplicates("folder")
    remarks = told["remarks"].str.split("\n").explode()
    return [f"{remark} ({count(n, 'member')})" for remark, n in remarks.value_counts().items()]


def settings(run: RunDir) -> tuple[str, str]:
    """Return the experiment file's text and, when there is none, why ("" otherwise)."""
    return _text(run.experiment_toml)


def data_notes(run: RunDir) -> tuple[list[str], list[str]]:
    """Return what became of the data, and what looks odd of them; a run that is older has none."""
    text, problem = _text(run.data_json)
    try:
        noted = {} if problem else json.loads(text)
        return [str(each) for each in noted["lines"]], [str(each) for each in noted["remarks"]]
    except (KeyError, TypeError, ValueError):
        return [], []


def environment(run: RunDir) -> tuple[list[tuple[str, str]], str]:
    """Return `environment.json` as rows of dotted key and value, and what is wrong with it."""
    text, problem = _text(run.environment_json)
    if problem:
        return [], problem
    try:
        return [*flattened(json.loads(text), between=" ").items()], ""
    except ValueError as error:
        return [], f"{run.environment_json.name} is not JSON: {error}."


def flattened(value: Any, between: str, key: str = "") -> dict[str, str]:
    """Return nested TOML or JSON as text by dotted key.

    Args:
        value: a table, or a part of one; tables of a list are told apart by their name, if they
            have one, or their number.
        between: what stands between the values of a list.
        key: of the part.

    >>> flattened({"data": {"size": [8, 8]}, "arms": [{"name": "mean", "n": 1}]}, between=", ")
    {'data.size': '8, 8', 'arms.mean': 'yes', 'arms.mean.name': 'mean', 'arms.mean.n': '1'}
    """
    rows: dict[str, str] = {}
    if isinstance(value, dict):
        for name, part in value.items():
            rows |= flattened(part, between, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        for place, part in enumerate(value, start=1):
            name = part.get("name") if isinstance(part, dict) else None
            rows |= {f"{key}.{name}": "yes"} if name else {}
            rows |= flattened(part, between, f"{key}.{name or place}")
    elif isinstance(value, list):
        rows[key] = between.join(map(str, value))
    else:
        rows[key] = NOTHING if value is None else str(value)
    return rows


def arms_table(overview: Overview) -> pd.DataFrame:
    """Return the arms in a few columns of text, for a terminal.

    Returns:
        One row per arm, the control first: `arm`; finished `trials`, if the arms differ in them;
        the improvement with its interval in training, held-out and test loss, and the control's own
        mean loss ("lower by" heads differences, "improved" percentages); `p` of the held-out
        improvement (paired t, Holm-corrected); where arms have epochs of their own, the
        `network-epochs` of a trial, teachers' among them, and the `epochs` one after the other;
        `test accuracy`, where there is one.
    """
    held_out = held_out_kind(overview)
    champions = overview.champions
    table = champions[["arm"]].copy()
    if champions["n"].ne(overview.trials).any():
        table["trials"] = champions["n"].astype("str")
    for kind in dict.fromkeys(("train_loss", held_out, "test_loss")):
        rows = {row.arm: row for row in overview.rows(kind)}
        losses = zip(champions["arm"], champions[kind], strict=True)
        if kind == "test_loss" and champions[kind].isna().all():
            continue
        divided = all(row.unit == FRACTION for row in rows.values() if row.n)
        table[f"{NAMES[kind]} {'improved' if divided else 'lower by'}"] = [
            _improved(rows.get(arm), "from " * (arm == CONTROL) + number(loss))
            for arm, loss in losses
        ]
        if kind == held_out:
            p = [p_value(rows[arm].t_p_holm) if arm in rows else "" for arm in table["arm"]]
            table["p"] = [text.replace(" ", "") for text in p]
    if len(set(overview.lengths.values())) > 1:
        spent = overview.costs.set_index("arm")
        per_trial = spent["network_epochs"].add(spent["teaching_epochs"], fill_value=0)
        table["network-epochs"] = [
            whole(round(per_trial.get(arm, 0) / max(overview.trials, 1))) for arm in table["arm"]
        ]
        table["epochs"] = [str(overview.lengths.get(arm, "")) for arm in table["arm"]]
    if champions["test_accuracy"].notna().any():
        table["test accuracy"] = [percent(v, 2, sign=False) for v in champions["test_accuracy"]]
    told = table.columns.drop("arm")
    return table.assign(**{column: table[column].map(plain) for column in told})


def _improved(row: Any, otherwise: str) -> str:
    """Return an arm's improvement for a terminal; `otherwise` where there is no pair."""
    if row is None or not row.n:
        return otherwise
    # A narrow terminal breaks lines at blanks: an interval without one stays whole.
    interval = span_text(row.low, row.high, row.unit).replace(" ", "")
    return f"{size_text(row.mean, row.unit)} {interval}".strip()


def _arm_row(overview: Overview, row: Any) -> dict[str, Any]:
    """Return the cells of one arm and loss kind."""
    trend = ("better" if row.mean > 0 else "worse") if is_clear(row) else ""
    some = row.n > 0
    return {
        "class": trend,
        "arm": row.arm,
        "n": str(row.n),
        "loss": number(row.arm_loss),
        "mean": (size_text(row.mean, row.unit), span_text(row.low, row.high, row.unit)),
        "median": (
            size_text(row.median, row.unit),
            span_text(row.median_low, row.median_high, row.unit),
        ),
        "t": p_value(row.t_p_holm),
        "wilcoxon": p_value(row.wilcoxon_p_holm),
        "d": number(row.cohens_d, 2),
        "wins": f"{row.wins} of {row.n}" if some else NOTHING,
        "worst": (size_text(row.worst, row.unit), f"trial {row.worst_trial}" if some else ""),
        "best": (size_text(row.best, row.unit), f"trial {row.best_trial}" if some else ""),
        "parity": parity_text(overview, row.arm, row.kind),
    }


def _text(path: Any) -> tuple[str, str]:
    """Return a file's text, or why there is none."""
    try:
        return path.read_text(encoding="utf-8"), ""
    except FileNotFoundError:
        return "", f"{path.name} is missing from the run directory."
    except (OSError, UnicodeDecodeError) as error:
        return "", f"{path.name} can't be read: {error}."
