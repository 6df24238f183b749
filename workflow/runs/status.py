"""How a run stands, read from its directory alone: for another process."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final, Literal

from apps.records.environment import read_environment
from apps.records.run_dir import RunDir
from apps.records.tables_schema import TABLES
from workflow.driver.progress import Tally, read_tally
from workflow.runs.lock import driver_at_work

State = Literal["running", "finished", "stopped", "failed", "not begun"]
"""`stopped` is in order, by the user or a time limit; `failed` is what broke off."""

AGAIN: Final = "run the same command again to continue"


@dataclass(frozen=True)
class Standing:
    """How a run stands.

    Attributes:
        tally: of its latest start; empty where its event log is lost.
        state: in a word.
        how: in some words more.
    """

    tally: Tally
    state: State
    how: str

    @property
    def told(self) -> str:
        """How it stands, and how to go on if it is to go on."""
        goes_on = self.state in ("stopped", "failed", "not begun")
        return f"{self.how}; {AGAIN}" if goes_on else self.how

    @property
    def is_over(self) -> bool:
        """Whether no driver works on it."""
        return self.state != "running"


def standing(run: RunDir) -> Standing:
    """Return how a run stands."""
    tally = read_tally(run.events_jsonl) if run.events_jsonl.exists() else Tally()
    return standing_of(run, tally)


def standing_of(run: RunDir, tally: Tally) -> Standing:
    """Return how a run stands whose events were counted."""
    holder = driver_at_work(run.lock)
    if holder is not None:
        begun = "" if tally.total else "nothing was submitted yet; "
        return Standing(tally, "running", f"{begun}running ({holder})")
    if not tally.total:
        return Standing(tally, *_without_events(run))
    if tally.ended == "finished":
        return Standing(tally, "finished", tally.ended)
    if tally.ended.startswith("stopped"):
        return Standing(tally, "stopped", tally.ended)
    return Standing(tally, "failed", tally.ended or "broke off without an end")


def how_to_continue(run: RunDir) -> str:
    """Return what starts a run again, as it was started last."""
    try:
        words = read_environment(run)["command"]
        command = shlex.join(word for word in words if word != "--fresh")
    except (KeyError, TypeError):
        return AGAIN
    return f"continue with: {command}" if command.startswith("heterosis ") else AGAIN


def _without_events(run: RunDir) -> tuple[State, str]:
    if all(run.table(name).exists() for name in TABLES):
        return "finished", f"finished: {run.tables} has its results; its event log is lost"
    if any(True for _ in run.results()):
        return "failed", "its progress is unknown: its event log is lost"
    return "not begun", "nothing was submitted yet"
