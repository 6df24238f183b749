"""The only place where functions become Parsl apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import parsl

from apps.messages.tasks import Task, Workplace
from apps.tasks import checkup
from apps.tasks.kind import home_of
from apps.tasks.perform import Outcome, perform


@dataclass(frozen=True)
class Entry:
    """What Parsl calls for a kind of task: it is `perform`, under the kind's name in Parsl's eyes.

    Attributes:
        __name__: as Parsl's log and monitoring have it.
    """

    __name__: str

    def __call__(self, task: Task, place: Workplace, *upstream: Outcome) -> Outcome:
        """Perform a task; Parsl puts the outcomes of the upstream futures in their place."""
        return perform(task, place, upstream)


def task_app(kind: type[Task]) -> Any:
    """Return the app of a kind: called with a task, its workplace and the upstream futures."""
    name = home_of(kind).rpartition(".")[2]
    return parsl.python_app(Entry(name), cache=True)


def checkup_app(executor: str) -> Any:
    """Return the app that looks at a worker of one executor; its answer is never stored."""
    return parsl.python_app(checkup.checkup, executors=[executor], cache=False)
