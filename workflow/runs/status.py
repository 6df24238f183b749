"""How a run stands, read from its directory alone: for another process."""

from __future__ import annotations

import shlex
import tomllib
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
        again: how to go on.
    """

    tally: Tally
    state: State
    how: str
    again: str = AGAIN

    @property
    def told(self) -> str:
        """How it stands, and how to go on if it is to go on."""
        goes_on = self.state in ("stopped", "failed", "not begun")
        return f"{self.how}; {self.again}" if goes_on else self.how

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
    state, how = _how_it_ended(run, tally) if tally.total else _without_events(run)
    return Standing(tally, state, how, _how_to_continue(run))


def _how_it_ended(run: RunDir, tally: Tally) -> tuple[State, str]:
    if tally.ended == "finished":
        if not all(run.table(name).exists() for name in TABLES):
            return "failed", "all is computed, but its tables are not written"
        return "finished", tally.ended
    if tally.ended.startswith("stopped"):
        return "stopped", tally.ended
    return "failed", tally.ended or "broke off without an end"


def _how_to_continue(run: RunDir) -> str:
    """Return what starts a run again as it was started last, by the name that it has now."""
    command = read_environment(run).get("command")
    if not isinstance(command, list) or command[:1] != ["heterosis"]:
        return AGAIN
    words = [str(word) for word in command if word != "--fresh"]
    name = run.root.absolute().name
    if "--name" in words[:-1]:
        words[words.index("--name") + 1] = name
    elif name != _experiment_name(run):
        words = [*(word for word in words if not word.startswith("--name=")), "--name", name]
    return f"continue with: {shlex.join(words)}"


def _experiment_name(run: RunDir) -> str:
    try:
        return str(tomllib.loads(run.experiment_toml.read_text(encoding="utf-8")).get("name"))
    except (OSError, ValueError):
        return ""


def _without_events(run: RunDir) -> tuple[State, str]:
    if all(run.table(name).exists() for name in TABLES):
        return "finished", f"finished: {run.tables} has its results; its event log is lost"
    if any(True for _ in run.results()):
        return "failed", "its progress is unknown: its event log is lost"
    return "not begun", "nothing was submitted yet"
