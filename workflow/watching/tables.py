"""What a look says of members and workers, as cells of text for terminal and page."""

from __future__ import annotations

from typing import Final

from workflow.driver.progress import clock_time, four_digits
from workflow.watching.look import Look, Worker

WORKERS_TOLD: Final = 12
"""Rows of workers."""

_ARMS_TOLD: Final = 3


def best_rows(look: Look) -> list[tuple[str, ...]]:
    """Return the best members: folder, arms, epoch, fitness."""
    return [
        (each.folder, _arms(each.arms), str(each.epoch), four_digits(each.fitness))
        for each in look.best
    ]


def worker_rows(look: Look) -> tuple[list[tuple[str, ...]], str, str]:
    """Return the workers, whom nothing was heard of for longest first.

    Returns:
        Rows of worker, host, what it does, for how long, when it was seen last; a title with their
        number; how many more there are, "" for none.
    """
    lost = sum(each.is_lost for each in look.workers)
    busy = sum(bool(each.folder) for each in look.workers) - lost
    waits = len(look.workers) - busy - lost
    longest = sorted(look.workers, key=lambda each: -_silent_s(each))
    rows: list[tuple[str, ...]] = [
        (
            each.worker.replace("ThreadPoolExecutor-", ""),
            each.host,
            each.folder or "waits",
            clock_time(each.since_s) if each.folder else "",
            "now" if each.seen_s < 1 else f"{clock_time(each.seen_s)} ago",
        )
        for each in longest[:WORKERS_TOLD]
    ]
    more = len(longest) - len(rows)
    title = f"{len(longest)} workers: {busy} compute, {waits} wait"
    title += f", {lost} lost" if lost else ""
    return rows, title, f"... and {more} more" if more else ""


def _arms(arms: tuple[str, ...]) -> str:
    """Return whose a member is: before arms part, it is of many."""
    return ", ".join(arms) if len(arms) <= _ARMS_TOLD else f"{len(arms)} arms, before they part"


def _silent_s(worker: Worker) -> float:
    return worker.seen_s if worker.folder else -1.0
