"""The progress of a run, read from its directory alone: for another terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from rich.console import Console

from apps.records.run_dir import RunDir
from apps.records.tables_schema import TABLES
from workflow.driver.displays import draw
from workflow.driver.progress import Tally, read_tally, told_remark
from workflow.runs.lock import driver_at_work

_FAILURES_TOLD: Final = 20


def show_status(run_dir: RunDir, console: Console) -> None:
    """Print the progress of a run."""
    tally = read_tally(run_dir.events_jsonl) if run_dir.events_jsonl.exists() else Tally()
    if tally.total:
        console.print(draw(tally))
    for line in _lines(run_dir, tally):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(run_dir: RunDir, tally: Tally) -> Iterator[str]:
    holder = driver_at_work(run_dir.lock)
    running = f"running ({holder})"
    again = "run the same command again to continue"
    if not tally.total:
        if holder is not None:
            yield f"nothing was submitted yet; {running}"
        elif all(run_dir.table(name).exists() for name in TABLES):
            yield f"finished: {run_dir.tables} has its results; its event log is lost"
        elif any(True for _ in run_dir.results()):
            yield f"its progress is unknown: its event log is lost; {again}"
        else:
            yield f"nothing was submitted yet; {again}"
        return
    ended = tally.ended or f"broke off without an end; {again}"
    state = ended if holder is None else running
    last = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(tally.now_unix_s))
    yield f"{state}; last event {last}"
    for event in tally.failures[:_FAILURES_TOLD]:
        log = f" (log: {run_dir.root / event['log']})" if event["log"] else ""
        yield f"{event['folder']}: {event['status']}: {event['reason']}{log}"
    if len(tally.failures) > _FAILURES_TOLD:
        yield f"... and {len(tally.failures) - _FAILURES_TOLD} more"
    for remark, members in tally.remarks.items():
        yield told_remark(members, remark)
