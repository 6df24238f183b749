"""Progress of a run: an event log, and a tally of its events.

The tally is made from the events alone, so `heterosis status` in another process shows the same as
the driver's own display.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from apps.breeding.fitness import fitness_of
from apps.messages.objective import Mode, Objective
from apps.messages.results import Failure, TrainResult
from apps.messages.tasks import Task, TrainTask
from apps.records.result_files import partial_epochs
from apps.tasks.perform import Outcome
from workflow.driver.trial import Node, TrialGraph

logger = logging.getLogger(__name__)

_SMALL: Final = 0.01
"""Below it four decimals say little of a loss."""

Event = dict[str, Any]


@dataclass
class Tally:
    """Where a run stands.

    Attributes:
        now_unix_s: when this was so: the time of the last event, or a later one.
        total: tasks; `done`, `reused`, `failed` count among them.
        running: tasks computing now; None if unknown.
        segments: arm -> number of its segments; `segments_done` and `segments_failed` likewise.
        epochs: network-epochs in all; `epochs_done` with the reused ones, `epochs_new` without;
            `epochs_lost` are those that failed or diverged members did not train.
        epochs_kept: folder of a member -> network-epochs of its segment that an earlier start left
            in a partial checkpoint; they are not new.
        best: the best value of the metric `fitness`, whose direction is `mode`; infinite before
            the first.
        remarks: remark of training -> number of members that it concerns.
        engines: engine of training and why it -> number of members.
    """

    started_unix_s: float = math.nan
    now_unix_s: float = math.nan
    ended: str = ""
    trials: int = 0
    trials_done: int = 0
    total: int = 0
    done: int = 0
    reused: int = 0
    failed: int = 0
    running: int | None = None
    epochs: int = 0
    epochs_done: int = 0
    epochs_new: int = 0
    epochs_lost: int = 0
    epochs_kept: dict[str, int] = field(default_factory=dict)
    fitness: str = ""
    mode: Mode = "min"
    best: float = math.inf
    best_folder: str = ""
    segments: Counter[str] = field(default_factory=Counter)
    segments_done: Counter[str] = field(default_factory=Counter)
    segments_failed: Counter[str] = field(default_factory=Counter)
    tasks_left: Counter[int] = field(default_factory=Counter)
    failures: list[Event] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)

    def take(self, event: Event) -> None:
        """Count one event."""
        self.now_unix_s = event["unix_s"]
        if event["event"] == "start":
            begun = Tally(
                started_unix_s=event["unix_s"],
                now_unix_s=event["unix_s"],
                trials=len(event["tasks"]),
                total=sum(event["tasks"]),
                epochs=event["network_epochs"],
                epochs_kept=event.get("epochs_kept", {}),
                fitness=event["fitness"],
                mode=event.get("fitness_mode", "min"),
                segments=Counter(event["segments"]),
                tasks_left=Counter(dict(enumerate(event["tasks"]))),
            )
            vars(self).update(vars(begun))  # a run that goes on is counted anew
        elif event["event"] == "task":
            self._take_task(event)
        elif event["event"] == "end":
            self.ended = event["how"]

    @property
    def epochs_a_second(self) -> float:
        """Network-epochs computed a second since the start; 0 before the first."""
        elapsed_s = self.now_unix_s - self.started_unix_s
        return self.epochs_new / elapsed_s if elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float:
        """Seconds left at the speed so far; infinite before the first epoch."""
        left = self.epochs - self.epochs_lost - self.epochs_done
        return left / self.epochs_a_second if self.epochs_a_second else math.inf

    def new(self, folder: str, epochs: int) -> int:
        """Return how many of the network-epochs that a member has were trained since the start."""
        return max(0, epochs - self.epochs_kept.get(folder, 0))

    def _take_task(self, event: Event) -> None:
        failed = event["status"] == "failed"
        self.done += 1
        self.failed += failed
        self.reused += event["reused"]
        self.tasks_left[event["trial"]] -= 1
        self.trials_done += self.tasks_left[event["trial"]] == 0
        if event["status"] != "done":
            self.failures.append(event)
        if event["kind"] != "train":
            return
        self.epochs_done += event["epochs"]
        self.epochs_new += 0 if event["reused"] else self.new(event["folder"], event["epochs"])
        self.epochs_lost += event.get("epochs_lost", 0)
        self.remarks.update(event.get("remarks", ()))
        if trained_by := event.get("trained_by"):
            self.engines[trained_by] += 1
        for arm in event["arms"]:
            self.segments_done[arm] += 1
            self.segments_failed[arm] += event["status"] != "done"
        value, cost = event["fitness"], Objective(self.fitness, self.mode).cost
        first = math.isinf(self.best)
        if value is not None and (first or cost(value) < cost(self.best)):
            self.best, self.best_folder = value, event["folder"]


class Display(Protocol):
    """Shows a tally."""

    def show(self, tally: Tally) -> None:
        """Called about four times a second."""

    def say(self, line: str) -> None:
        """Tell the user of something at once."""

    def close(self, tally: Tally) -> None:
        """Called once, at the end."""


class Journal:
    """The watcher that writes the event log, keeps the tally and updates the display."""

    def __init__(
        self, path: Path, objective: Objective, display: Display, running: Callable[[], int]
    ) -> None:
        """Open the log for appending.

        Args:
            path: the event log in the run directory, a JSON object a line.
            objective: what ranks the members.
            display: shows the tally.
            running: returns how many tasks are computing now.
        """
        self._root = path.parent
        self._file = path.open("a", encoding="utf-8")
        if _is_cut(path):
            self._file.write("\n")
        self._lock = threading.Lock()
        self._objective = objective
        self._display = display
        self._running = running
        self._arms: dict[str, list[str]] = {}
        self._asked = 0.0
        self.tally = Tally()

    def begin(self, graphs: Sequence[TrialGraph]) -> None:
        """Log the size of the run."""
        segments: Counter[str] = Counter()
        for graph in graphs:
            self._arms |= graph.sharers
            for arm, own in graph.segments.items():
                segments[arm] += sum(len(segment.members) for segment in own)
        self._log(
            "start",
            tasks=[len(graph.nodes) for graph in graphs],
            network_epochs=sum(graph.network_epochs for graph in graphs),
            fitness=self._objective.metric,
            fitness_mode=self._objective.mode,
            segments=segments,
            epochs_kept=self._kept(graphs),
        )

    def _kept(self, graphs: Sequence[TrialGraph]) -> dict[str, int]:
        tasks = [task for graph in graphs for task in graph.training]
        found = {
            task.folder: task.relatives * len(partial_epochs(self._root / task.folder))
            for task in tasks
        }
        return {folder: epochs for folder, epochs in found.items() if epochs}

    def finished(self, node: Node[Task], outcome: Outcome, reused: bool) -> None:
        """Log a finished task."""
        task = node.task
        status, fitness, epochs = "done", None, 0
        asked = task.network_epochs if isinstance(task, TrainTask) else 0
        if isinstance(outcome, Failure):
            status = "failed"
        elif isinstance(outcome, TrainResult):
            status = outcome.status
            epochs = len(outcome.epochs) * getattr(task, "relatives", 1)
            value = self._objective.value(fitness_of(outcome, self._objective))
            fitness = value if math.isfinite(value) else None
        self._log(
            "task",
            kind=type(task).__name__.removesuffix("Task").lower(),
            trial=getattr(task, "trial", 0),
            folder=task.folder,
            arms=self._arms.get(node.key, []),
            status=status,
            reused=reused,
            epochs=epochs,
            epochs_lost=asked - epochs,
            remarks=list(outcome.log) if isinstance(outcome, TrainResult) else [],
            trained_by=outcome.trained_by if isinstance(outcome, TrainResult) else "",
            fitness=fitness,
            reason=getattr(outcome, "reason", ""),
            log=outcome.log if isinstance(outcome, Failure) else "",
        )

    def tick(self) -> None:
        """Refresh the display."""
        now = time.time()
        with self._lock:
            self.tally.now_unix_s = now
            if now - self._asked >= 1:
                self._asked, self.tally.running = now, self._running()
            self._display.show(self.tally)

    def close(self, how: str) -> None:
        """Log the end and close log and display.

        Args:
            how: `finished`, `broke off`, or `stopped`, of which it may say more.
        """
        with suppress(OSError):  # a full disk, which ended the run, must not hide why
            self._log("end", how=how)
        with self._lock:
            for engine, members in self.tally.engines.items():
                logger.info("%s", told_remark(members, f"trained by {engine}"))
            for remark, members in self.tally.remarks.items():
                logger.info("%s", told_remark(members, remark))
            self.tally.running, self.tally.ended = None, how
            self._display.close(self.tally)
            with suppress(OSError):
                self._file.close()

    def _log(self, event: str, **facts: Any) -> None:
        record = {"unix_s": time.time(), "event": event, **facts}
        with self._lock:
            if self._file.closed:
                return  # a task that ended while the run was being stopped
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
            self.tally.take(record)


def _is_cut(path: Path) -> bool:
    """Whether a crash cut the last line short."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


class TallyReader:
    """Reads the tally of a run's latest start from its event log, and later what was added."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._path = path
        self._file: tuple[int, int] | None = None
        self._read = 0
        self._tally = Tally()

    def read(self) -> Tally:
        """Return the tally; a last line that is being written, or was cut short, is ignored.

        Raises:
            OSError: there is no event log.
        """
        with self._path.open("rb") as file:
            found = os.fstat(file.fileno())
            if self._file != (found.st_dev, found.st_ino) or found.st_size < self._read:
                self._file, self._read = (found.st_dev, found.st_ino), 0
                self._tally = Tally()
            file.seek(self._read)
            lines, newline, _ = file.read().rpartition(b"\n")
        self._read += len(lines) + len(newline)
        for line in lines.splitlines():
            with suppress(ValueError, KeyError, TypeError):
                self._tally.take(json.loads(line.decode(errors="replace")))
        return self._tally


def read_tally(path: Path) -> Tally:
    """Return the tally of a run's latest start, read from its event log.

    Raises:
        OSError: there is no event log.
    """
    return TallyReader(path).read()


def summary(tally: Tally) -> str:
    """Return a tally as one line."""
    parts = [
        f"trials {tally.trials_done}/{tally.trials}",
        f"tasks {tally.done}/{tally.total}",
        f"network-epochs {tally.epochs_done}/{tally.epochs}",
    ]
    if tally.running is not None:
        parts.insert(2, f"{tally.running} running")
    if tally.reused:
        parts.append(f"{tally.reused} reused")
    if tally.failures:
        parts.append(f"{len(tally.failures)} failed or diverged")
    if tally.epochs_new:
        parts.append(f"{tally.epochs_a_second:.2f} network-epochs/s")
    if not tally.ended and math.isfinite(tally.left_s):
        parts.append(f"{clock_time(tally.left_s)} left")
    if math.isfinite(tally.best):
        parts.append(f"best {tally.fitness} {four_digits(tally.best)}")
    return ", ".join(parts)


def told_remark(members: int, remark: str) -> str:
    """Return a remark of training with the number of members that it concerns."""
    return f"{members} trained member{'s' * (members != 1)}: {remark}"


def four_digits(value: float) -> str:
    """Return a loss or a metric with four decimals, a small one with its first four digits.

    >>> four_digits(0.33361), four_digits(0.0000142718)
    ('0.3336', '1.427e-05')
    """
    return f"{value:.4f}" if abs(value) >= _SMALL or value == 0 else f"{value:.4g}"


def clock_time(seconds: float) -> str:
    """Return a length of time as a clock shows it, whose digits change in place.

    >>> clock_time(75), clock_time(3 * 3600 + 120)
    ('1:15', '3:02:00')
    """
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
