"""What is to be seen of a run at one moment, read from its directory alone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import pandas as pd

from analysis.statistics.curves import so_far
from apps.breeding.fitness import fitness_of
from apps.messages.results import Result, TrainResult
from apps.messages.tasks import TrainTask
from apps.records.labels import Labels, read_labels
from apps.records.run_dir import RunDir
from apps.worker.presence import SILENT_S, present
from workflow.driver.progress import Tally, TallyReader, told_remark
from workflow.runs.so_far import Found, SoFar
from workflow.runs.status import Standing, standing_of

_FAILURES_TOLD: Final = 20
_WARNINGS_TOLD: Final = 5
_BEST: Final = 5
_LOG_END: Final = 2**16
_LEVELS: Final = (" WARNING ", " ERROR ", " CRITICAL ")


@dataclass(frozen=True)
class Best:
    """One of the best members so far."""

    folder: str
    arms: tuple[str, ...]
    epoch: int
    fitness: float


@dataclass(frozen=True)
class Worker:
    """A worker and what it does; `folder` is empty for one that waits."""

    host: str
    worker: str
    folder: str
    since_s: float
    seen_s: float

    @property
    def is_lost(self) -> bool:
        """Whether it gave no sign of life for so long that its task goes on elsewhere."""
        return bool(self.folder) and self.seen_s > SILENT_S


@dataclass(frozen=True)
class Look:
    """What is to be seen.

    Attributes:
        name: of the run directory.
        seen_unix_s: when this was seen.
        standing: how it stands; its tally counts the epochs in the middle of segments, too, and is
            of the moment that was seen while the run goes on.
        last_event_unix_s: when the run's event log was written last.
        best: the best members so far, the best first.
        lines: losses of the best members over the epochs, as `analysis.statistics.curves.so_far`.
        arms: the arms in their order, and the number of trials in which each is whole;
            `arms_failed` those in which it failed.
        workers: those of a run under way.
        notes: failures, remarks and warnings, a line each.
        labels: the run's note and tags.
    """

    name: str
    seen_unix_s: float
    standing: Standing
    last_event_unix_s: float
    best: tuple[Best, ...] = ()
    lines: pd.DataFrame = field(default_factory=pd.DataFrame)
    arms: dict[str, int] = field(default_factory=dict)
    arms_failed: dict[str, int] = field(default_factory=dict)
    workers: tuple[Worker, ...] = ()
    notes: tuple[str, ...] = ()
    labels: Labels = field(default_factory=Labels)


class Lookout:
    """Looks at a run again and again; what was read before is not read again."""

    def __init__(self, run: RunDir) -> None:
        """Look at nothing yet."""
        self._run = run
        self._events = TallyReader(run.events_jsonl)
        self._begun = math.nan
        self._so_far: SoFar | None = None
        self._seen: Found | None = None
        self._drawn: tuple[tuple[Best, ...], pd.DataFrame] = ((), pd.DataFrame())

    def look(self) -> Look:
        """Return what is to be seen now.

        Raises:
            UserError: the experiment cannot be read.
        """
        tally = self._events.read() if self._run.events_jsonl.exists() else Tally()
        stands = standing_of(self._run, tally)
        if self._so_far is None or tally.started_unix_s != self._begun:
            # A new start may be that of another experiment, in a directory that was moved aside.
            self._so_far, self._begun = SoFar(self._run), tally.started_unix_s
        found = self._so_far.look(tally.failures)
        if self._seen is None or _sizes(found) != _sizes(self._seen):
            self._seen, self._drawn = found, (_best(found), so_far(found.tables))
        best, lines = self._drawn
        now = time.time()
        return Look(
            name=self._run.root.resolve().name,
            seen_unix_s=now,
            standing=replace(stands, tally=_with_parts(stands, found, now)),
            last_event_unix_s=tally.now_unix_s,
            best=best,
            lines=lines,
            arms=found.arms_whole,
            arms_failed=found.arms_failed,
            workers=() if stands.is_over else tuple(self._workers(found)),
            notes=tuple(self._notes(tally)),
            labels=read_labels(self._run),
        )

    def _workers(self, found: Found) -> Iterator[Worker]:
        now = time.time()
        nodes = [node for graph in found.outcomes.graphs for node in graph.nodes.values()]
        outcomes = {node.task.folder: found.outcomes.by_key[node.key] for node in nodes}
        for each in present(self._run.workers):
            outcome = outcomes.get(each.folder)
            if isinstance(outcome, Result) and each.folder in found.finished:
                ended_by = outcome.cost.host, outcome.cost.worker
                if ended_by != (each.host, each.worker):
                    continue  # it was lost, and another has done its task
            busy = each.folder not in found.finished
            yield Worker(
                each.host,
                each.worker,
                each.folder if busy else "",
                max(0.0, now - each.since_unix_s),
                0.0 if each.in_driver else max(0.0, now - each.seen_unix_s),
            )

    def _notes(self, tally: Tally) -> Iterator[str]:
        causes: dict[tuple[str, str, str], list[str]] = {}
        for event in tally.failures:
            cause = event["status"], event["reason"], event["log"]
            causes.setdefault(cause, []).append(event["folder"])
        for (status, reason, log), (first, *others) in islice(causes.items(), _FAILURES_TOLD):
            more = f" and {len(others)} more" if others else ""
            of = f" (log: {self._run.root / log})" if log else ""
            yield f"{first}{more}: {status}: {reason}{of}"
        if len(causes) > _FAILURES_TOLD:
            yield f"... and {len(causes) - _FAILURES_TOLD} more"
        for remark, members in tally.remarks.items():
            yield told_remark(members, remark)
        yield from self._warnings(tally.started_unix_s)[-_WARNINGS_TOLD:]

    def _warnings(self, since_unix_s: float) -> list[str]:
        """Return the warnings in the driver's log since its latest start."""
        try:
            with self._run.log.open("rb") as file:
                file.seek(max(0, self._run.log.stat().st_size - _LOG_END))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return []
        begun = time.localtime(0.0 if math.isnan(since_unix_s) else since_unix_s)
        since = time.strftime("%Y-%m-%d %H:%M:%S", begun)
        warned = (line for line in lines if any(level in line for level in _LEVELS))
        return [line for line in warned if line >= since]


def _with_parts(stands: Standing, found: Found, now_unix_s: float) -> Tally:
    """Return the tally with the epochs in the middle of segments."""
    tally = stands.tally
    # Before a start is logged, the events are those of the one before.
    goes_on = not stands.is_over and not tally.ended
    new = sum(tally.new(folder, epochs) for folder, epochs in found.partial.items())
    if stands.is_over and not tally.ended:
        new = 0  # until when they were trained no event tells, so they say nothing of the speed
    return replace(
        tally,
        ended=tally.ended or (stands.how if stands.is_over else ""),
        epochs_done=tally.epochs_done + found.epochs_in_part,
        epochs_new=tally.epochs_new + new,
        now_unix_s=now_unix_s if goes_on else tally.now_unix_s,
    )


def _sizes(found: Found) -> tuple[object, ...]:
    return found.finished, found.epochs_in_part


def _best(found: Found) -> tuple[Best, ...]:
    objective = found.outcomes.experiment.training.objective
    members: list[Best] = []
    for graph in found.outcomes.graphs:
        sharers = graph.sharers
        for node in graph.nodes.values():
            outcome, task = found.outcomes.by_key[node.key], node.task
            if not isinstance(task, TrainTask) or not isinstance(outcome, TrainResult):
                continue
            cost = fitness_of(outcome, objective)
            if math.isfinite(cost):
                arms = tuple(sharers[node.key])
                fitness = objective.value(cost)
                epoch = task.first_epoch + len(outcome.epochs)  # a callback may have ended it
                members.append(Best(task.folder, arms, epoch, fitness))
    return tuple(sorted(members, key=lambda each: objective.cost(each.fitness))[:_BEST])
