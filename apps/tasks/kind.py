"""A kind of task: its message, its result, and what computes one from the other.

A new kind is one file: a class of `Task`, one of `Result`, a body, and a `KIND` that ties them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from apps.errors import HeterosisError
from apps.messages.results import Failure, Result, Upstream
from apps.messages.tasks import Task, Workplace

DECLARED: Final = "KIND"

TaskT = TypeVar("TaskT", bound=Task)
ResultT = TypeVar("ResultT", bound=Result)


def _as_asked(task: TaskT, upstream: Upstream) -> tuple[TaskT, Upstream]:
    return task, upstream


def _no_parts(task: Task, upstream: Upstream) -> tuple[Any, ...]:
    return ()


def _may_pass(task: Task, error: HeterosisError) -> bool:
    return False


def _needs_no_file(result: Result, root: Path) -> bool:
    return True


@dataclass(frozen=True)
class Kind(Generic[TaskT, ResultT]):
    """What `apps.tasks.perform` must know of a kind of task.

    Attributes:
        task: class of its messages.
        result: class of its results.
        body: called with the task, the parts of its upstream, and the workplace. It returns the
            result without fingerprint and cost, and stores nothing but files beside the result.
        settle: returns the task with what it takes from upstream filled in, and the upstream
            results that are still to be told apart by; or the failure that rules it out.
        split: returns the upstream outcomes as the body's arguments.
        is_whole: whether files that a stored result speaks of are there, below the run directory.
            A checkpoint's are not asked for: the driver knows whether it is still needed.
        would_fail_again: whether another attempt at a task would end in the same error. It is then
            recorded, and not made.
    """

    task: type[TaskT]
    result: type[ResultT]
    body: Callable[..., ResultT]
    settle: Callable[[TaskT, Upstream], tuple[TaskT, Upstream] | Failure] = _as_asked
    split: Callable[[TaskT, Upstream], tuple[Any, ...]] = _no_parts
    is_whole: Callable[[ResultT, Path], bool] = _needs_no_file
    would_fail_again: Callable[[TaskT, HeterosisError], bool] = _may_pass

    def compute(self, task: TaskT, upstream: Upstream, place: Workplace) -> ResultT:
        """Return the result of a settled task, not yet stored."""
        return self.body(task, *self.split(task, upstream), place)


def kind_of(task: Task) -> Kind[Any, Any]:
    """Return the kind of a task; its module is imported when it is first asked for.

    Raises:
        HeterosisError: the module declares no kind for it (a bug of whoever wrote it).
    """
    home = home_of(type(task))
    kind = getattr(import_module(home), DECLARED, None)
    if not isinstance(kind, Kind) or kind.task is not type(task):
        raise HeterosisError(f"{home} declares no {DECLARED} for {type(task).__name__}")
    return kind


def home_of(kind: type[Task]) -> str:
    """Return the module that declares a kind."""
    return kind.home or kind.__module__
