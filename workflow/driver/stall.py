"""Reports a stall while it lasts: the tasks that wait, and the scheduler's word on the workers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from apps.errors import first_few
from apps.messages.tasks import Task
from apps.tasks.perform import Outcome
from workflow.driver.trial import Node, TrialGraph

logger = logging.getLogger(__name__)


class Workers(Protocol):
    """What the watch asks about workers: the engine."""

    def waiting(self) -> list[str]:
        """Folders of the tasks that wait for a worker or are with one."""
        ...

    def connected(self) -> int:
        """Number of workers that are connected to the driver."""
        ...


class StallWatch:
    """A watcher that reports what holds a run up.

    It reports after `no_worker_s` without a worker, or `no_result_s` without a finished task, and
    again each time that the silence has doubled.
    """

    def __init__(
        self,
        workers: Workers,
        blocks: Callable[[], Iterable[object]],
        say: Callable[[str], None],
        no_worker_s: float = 60.0,
        no_result_s: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch from now on.

        Args:
            workers: the engine.
            blocks: returns a line for each of the scheduler's blocks.
            say: shows a line to the user.
            no_worker_s: seconds without a worker before the first report.
            no_result_s: seconds without a finished task before the first report.
            clock: monotonic, in seconds.
        """
        self._workers = workers
        self._blocks = blocks
        self._say = say
        self._patience = (no_worker_s, no_result_s)
        self._clock = clock
        self._since = self._next_look = clock()
        self._told_s = 0.0
        self._looking: threading.Thread | None = None
        self._lines: list[str] = []

    def begin(self, graphs: Sequence[TrialGraph]) -> None:
        """Start counting the silence."""
        self._since = self._clock()

    def finished(self, node: Node[Task], outcome: Outcome, reused: bool) -> None:
        """Note that the run makes progress."""
        self._since = self._clock()
        self._told_s = 0.0

    def tick(self) -> None:
        """Report a stall if there is one; never waits."""
        lines, self._lines = self._lines, []
        for line in lines:
            logger.warning("%s", line)
            self._say(line)
        silent_s = self._clock() - self._since
        if silent_s < max(min(self._patience), 2 * self._told_s):
            return
        if self._clock() < self._next_look or (self._looking and self._looking.is_alive()):
            return
        self._next_look = self._clock() + min(self._patience) / 4
        # Aside: scheduler and interchange may take long to answer, and a run may go on meanwhile.
        self._looking = threading.Thread(target=self._look, args=(silent_s,), daemon=True)
        self._looking.start()

    def _look(self, silent_s: float) -> None:
        try:
            connected, waiting = self._workers.connected(), self._workers.waiting()
            if not waiting or silent_s < self._patience[connected > 0]:
                return
            who = (
                "no worker is connected" if not connected else f"{connected} workers finish nothing"
            )
            lines = [f"for {silent_s:.0f} s {who}; {len(waiting)} tasks wait: {first_few(waiting)}"]
            lines += [str(block) for block in self._blocks()]
        except Exception as error:  # the driver must not fall over its own inquiry
            logger.warning("a stall could not be looked into: %s", error)
            return
        self._told_s = silent_s
        self._lines = lines
