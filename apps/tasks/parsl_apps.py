"""The only place where functions become Parsl apps."""

from __future__ import annotations

from typing import Any, Final

import parsl

from apps.messages.tasks import Task, Workplace
from apps.tasks import checkup
from apps.tasks.kind import home_of
from apps.tasks.perform import Outcome, perform
from heterosis.rooms import Function

_CHECKUP: Final = Function(checkup.__name__, checkup.checkup.__name__, "checkup")


def enter(task: Task, place: Workplace, *upstream: Outcome) -> Outcome:
    """Perform a task; Parsl puts the outcomes of the upstream futures in their place."""
    return perform(task, place, upstream)


def task_app(kind: type[Task]) -> Any:
    """Return the app of a kind: called with a task, its workplace and the upstream futures."""
    return parsl.python_app(entry(home_of(kind).rpartition(".")[2]), cache=True)


def entry(name: str) -> Function:
    """Return what Parsl calls for a task, under a name for Parsl's log and monitoring."""
    return Function(__name__, enter.__name__, name)


def checkup_app(executor: str) -> Any:
    """Return the app that looks at a worker of one executor; its answer is never stored."""
    return parsl.python_app(_CHECKUP, executors=[executor], cache=False)
