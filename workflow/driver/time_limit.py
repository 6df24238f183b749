"""A run's time limit: workers end after their epoch, and the driver when they have."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from apps.errors import UserError
from apps.messages.tasks import Task
from apps.tasks.perform import Outcome
from apps.worker import stopping
from apps.worker.stopping import Stopped
from workflow.driver.progress import clock_time
from workflow.driver.trial import Node, TrialGraph

FORMS: Final = "90s, 45m, 2h, 1d, 1h30m, or as Slurm has it: 1:30:00 (h:mm:ss), 2-12:00:00 (days)"

_NUMBER: Final = "([0-9]{1,9})"
_UNITS: Final = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in "dhms"))
_CLOCK: Final = re.compile(f"(?:{_NUMBER}-)?{_NUMBER}:([0-5][0-9]):([0-5][0-9])")
_SECONDS: Final = (86_400, 3600, 60, 1)


def seconds(text: str) -> float:
    """Return a length of time in seconds.

    What is short of a unit is refused: Slurm's `90` are minutes, its `1:30` minutes and seconds.

    Raises:
        UserError: it is none of `FORMS`, or zero.

    >>> seconds("1h30m"), seconds("1:30:00"), seconds("2-12:00:00")
    (5400.0, 5400.0, 216000.0)
    """
    found = _UNITS.fullmatch(text.strip()) or _CLOCK.fullmatch(text.strip())
    parts = found.groups() if found else ()
    total = sum(int(part or 0) * unit for part, unit in zip(parts, _SECONDS, strict=False) if part)
    if not total:
        raise UserError(
            f"--time-limit {text!r}: a time above zero is needed, in one of these forms: {FORMS}",
            code="command-option",
        )
    return float(total)


class TimeLimit:
    """A watcher that ends a run in order when its time is over.

    The tasks know the time themselves, see `Workplace.stop_at_unix_s`: those in training end after
    their epoch, the others do not begin. What is left is to wait for the former.
    """

    def __init__(
        self,
        limit_s: float,
        ends_unix_s: float,
        running: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        """Watch from now on.

        Args:
            limit_s: the limit, infinite for none.
            ends_unix_s: when it is reached.
            running: returns how many tasks are computing now.
            say: shows a line to the user.
        """
        self._limit_s = limit_s
        self._ends_unix_s = ends_unix_s
        self._running = running
        self._say = say
        self._told = False

    @property
    def reached(self) -> bool:
        """Whether the time is over."""
        return stopping.now() >= self._ends_unix_s

    def begin(self, graphs: Sequence[TrialGraph]) -> None:
        """Do nothing yet."""

    def finished(self, node: Node[Task], outcome: Outcome, reused: bool) -> None:
        """Do nothing: a task that ends in order is a task like any other."""

    def tick(self) -> None:
        """End the run if its time is over and nothing computes any more.

        Raises:
            Stopped: it is.
        """
        if not self.reached:
            return
        stopping.stopping.set()
        running = self._running()
        if not self._told:
            self._told = True
            ends = f"; {running} tasks end their epoch" if running else ""
            self._say(f"the time limit of {clock_time(self._limit_s)} is reached{ends}")
        if not running:
            raise Stopped("the time limit is reached")
