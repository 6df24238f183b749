"""`data.json`: what became of a run's data, what looks odd, and how samples become inputs.

What the trial in small remarked on stands there too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from apps.datasets.load import load_dataset, told
from apps.datasets.preparation import Preparation
from apps.errors import UserError
from apps.files import write_atomic
from apps.messages.tasks import Workplace
from apps.records.run_dir import RunDir
from workflow.experiment.config import Experiment
from workflow.runs.record import misses_something


def noted_data(
    run: RunDir,
    experiment: Experiment,
    place: Workplace,
    begins: bool,
    say: Callable[[str], None],
    rehearsed: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what became of the data, written into the run directory when the run begins.

    Of a run that goes on what is there stays, with new remarks of the trial in small.

    Args:
        run: the run directory.
        experiment: what is run.
        place: where plug-ins are looked for.
        begins: whether the run begins: then what is there is of another experiment.
        say: is told what looks odd, once.
        rehearsed: remarks of the trial in small.

    Returns:
        `lines` and `remarks` for users, and `preparation`.

    Raises:
        UserError: the data cannot be read, or become other inputs than when the run began.
    """
    spec = experiment.data
    if not begins and (stored := _stored(run)) is not None:
        form = stored["preparation"]["form"]
        if form and misses_something(run, experiment):
            now = load_dataset(spec, experiment.seed, place.search_path).form
            _check_read_alike(run, form, json.loads(json.dumps(now)))
        if news := [each for each in rehearsed if each not in stored["remarks"]]:
            stored["remarks"] += news
            _write(run, stored)
            _say(news, say)
        return stored
    found = told(spec, experiment.seed, place.search_path, experiment.training.loss)
    data = load_dataset(spec, experiment.seed, place.search_path)
    remarks = [*found.remarks, *rehearsed]
    noted = {
        "lines": list(found.lines),
        "remarks": remarks,
        "preparation": Preparation.of(data).to_json(),
    }
    _write(run, noted)
    _say(remarks, say)
    return noted


def _write(run: RunDir, noted: dict[str, Any]) -> None:
    write_atomic(run.data_json, json.dumps(noted, indent=1, allow_nan=False).encode())


def _say(remarks: Sequence[str], say: Callable[[str], None]) -> None:
    for remark in remarks:
        say(f"note: {remark}")


def _check_read_alike(run: RunDir, begun: Any, now: Any) -> None:
    if not _agrees(begun, now):
        raise UserError(
            f"{run.data_json}: the data's files are read otherwise now than when the run began, by "
            "another version: what is missing would learn from other inputs; go on with that "
            "version, choose another --name, or --fresh to move the old run aside",
            code="run-differs",
        )


def _agrees(begun: Any, now: Any) -> bool:
    """Whether all that a form said is so now; fractions depend on the processor's rounding."""
    if isinstance(begun, dict):
        return isinstance(now, dict) and all(
            key in now and _agrees(each, now[key]) for key, each in begun.items()
        )
    if isinstance(begun, list):
        same = isinstance(now, list) and len(begun) == len(now)
        return same and all(map(_agrees, begun, now))
    return isinstance(begun, float) or bool(begun == now)


def _stored(run: RunDir) -> dict[str, Any] | None:
    try:
        content = json.loads(run.data_json.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # an older run has none
    preparation = content.get("preparation") if isinstance(content, dict) else None
    return content if isinstance(preparation, dict) and "form" in preparation else None
