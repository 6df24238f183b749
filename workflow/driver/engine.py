"""The driver's use of Parsl: loading a site, reusing results, retries, failures.

A failed task is a value (`Failure`) for the tasks that wait for it, so one member cannot end a
trial.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from getpass import getuser
from pathlib import Path
from typing import Any, Protocol, Self
from weakref import WeakKeyDictionary

import parsl
from parsl.config import Config
from parsl.dataflow.dependency_resolvers import SHALLOW_DEPENDENCY_RESOLVER, DependencyResolver
from parsl.dataflow.memoization import Memoizer
from parsl.dataflow.states import States
from parsl.dataflow.taskrecord import TaskRecord
from parsl.executors import ThreadPoolExecutor
from parsl.executors.errors import BadStateException, ExecutorError
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.jobs.errors import TooManyJobFailuresError
from parsl.jobs.states import JobState

from apps.breeding.population import TooFewSurvivors
from apps.errors import Code, HeterosisError, with_code
from apps.messages.results import Failure
from apps.messages.tasks import Task, TrainTask, Workplace
from apps.records.result_files import partial_epochs
from apps.records.run_dir import MEMORY_NOTE
from apps.tasks.parsl_apps import checkup_app, task_app
from apps.tasks.perform import Outcome, error_log, find
from apps.worker.stopping import Stopped, TimedOut, stopping
from apps.worker.watchdog import last_words

logger = logging.getLogger(__name__)

_Submitted = tuple[Task, tuple[Future[Outcome], ...]]

_HANDED_OUT = (States.launched, States.running)

RETRIES = 2
"""How often a task is started again after its worker was lost."""


class Engine(Protocol):
    """Runs tasks: the driver's view of Parsl, or of anything that stands in for it."""

    def submit(self, task: Task, upstream: Sequence[Future[Outcome]]) -> Future[Outcome]:
        """Start a task when all of `upstream` are done; it gets failures as values."""
        ...

    def outcome(self, future: Future[Outcome]) -> Outcome:
        """Return what a finished future holds, an exception as a `Failure`."""
        ...

    def reused(self, task: Task) -> bool:
        """Whether the task's result came from the run directory."""
        ...

    @property
    def broken(self) -> SiteError | None:
        """Why the site can bring no more workers, or None."""
        ...


class SiteEngine(Engine, Protocol):
    """An engine with a site's workers, to be released at the end: what a whole run needs of it."""

    def __enter__(self) -> Self:
        """Return the engine itself."""
        ...

    def __exit__(self, *_: object) -> None:
        """Release workers and blocks."""
        ...

    def running(self) -> int:
        """Return how many tasks are computing now."""
        ...

    def waiting(self) -> list[str]:
        """Return the folders of the tasks that wait for a worker, or for one's answer."""
        ...

    def connected(self) -> int:
        """Return how many workers are in touch with the driver."""
        ...

    def blocks(self, describe: Callable[[Any], Iterable[object]]) -> list[object]:
        """Return what `describe` tells of each executor's blocks."""
        ...

    def stop(self) -> bool:
        """End what runs; return False when something of this process is still computing."""
        ...


MakeEngine = Callable[[Config, Workplace], SiteEngine]
"""Makes the engine of a run: of its site's configuration and its run directory."""


def in_this_process(config: Config) -> bool:
    """Whether a site's tasks run in threads of this process, which then needs what they need."""
    return any(isinstance(each, ThreadPoolExecutor) for each in config.executors)


class SiteError(HeterosisError):
    """A site can bring no workers; no task is at fault."""

    code: Code = "no-workers"


def failure(task: Task, error: BaseException, upstream: Sequence[Outcome] = ()) -> Failure:
    """Return a task's exception as a `Failure`, with a reason for the user.

    Args:
        task: what failed.
        error: what it raised.
        upstream: outcomes of the tasks that it waited for.
    """
    if isinstance(error, WorkerLost | ManagerLost):
        reason = f"its worker was lost {RETRIES + 1} times: {error} [worker-lost]"
        log = "parsl"
    elif isinstance(error, HeterosisError):
        reason, log = with_code(error), error_log(task)
    else:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        log = error_log(task)
    if isinstance(error, TooFewSurvivors):
        # Why the members failed is in their logs, not in that of the task that missed them; and
        # what an earlier halt missed is told once.
        failed = [each for each in upstream if isinstance(each, Failure)]
        log = next((each.log for each in failed if each.log), log)
        missed = (each.reason for each in failed if each.reason.endswith(f"[{error.code}]"))
        reason = next(missed, reason)
    return Failure(reason, log, task.member if isinstance(task, TrainTask) else -1)


class ParslEngine:
    """Tasks as Parsl apps, on the executors of a site."""

    def __init__(self, config: Config, place: Workplace) -> None:
        """Load Parsl.

        Args:
            config: the site's. Memoizer, handling of failed tasks and retries are replaced, since a
                run's correctness rests on them.
            place: handed to every task.
        """
        self._place = place
        self._tasks: WeakKeyDictionary[Future[Outcome], _Submitted] = WeakKeyDictionary()
        self._memoizer = RunDirMemoizer()
        self._broken: SiteError | None = None
        self._retries = _Retries(Path(place.root))
        config.memoizer = self._memoizer
        config.dependency_resolver = DependencyResolver(
            traverse_to_gather=SHALLOW_DEPENDENCY_RESOLVER.traverse_to_gather,
            traverse_to_unwrap=self._unwrap,
        )
        config.retries = max(RETRIES, config.retries)
        config.retry_handler = self._retries.cost
        config.initialize_logging = False
        stopping.clear()
        # A Ctrl-C reaches all processes of the terminal: the driver alone decides what ends, so
        # what Parsl starts inherits that it is blocked.
        _name_the_user()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._dfk = parsl.load(config)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def __enter__(self) -> ParslEngine:
        """Return the engine itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release workers and blocks."""
        self.close()

    def submit(self, task: Task, upstream: Sequence[Future[Outcome]]) -> Future[Outcome]:
        """Start a task when all of `upstream` are done; it gets failures as values."""
        future: Future[Outcome] = task_app(type(task))(task, self._place, *upstream)
        self._tasks[future] = (task, tuple(upstream))
        return future

    def outcome(self, future: Future[Outcome]) -> Outcome:
        """Return what a finished future holds, an exception as a `Failure`."""
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, BadStateException | TooManyJobFailuresError) and not self._broken:
            self._broken = SiteError(
                f"no workers: {' '.join(str(error).split())}; what is computed is stored, "
                "`heterosis doctor` with the same --site and --option tells more"
            )
        task, upstream = self._tasks[future]
        failed = failure(task, error, [self.outcome(each) for each in upstream])
        log = Path(self._place.root) / error_log(task)
        if isinstance(error, WorkerLost | ManagerLost) and (
            words := last_words(log, log.with_name(MEMORY_NOTE))
        ):
            reason = f"{failed.reason}; {words}"
            timed_out = words.startswith(TimedOut.__name__)
            return replace(failed, reason=reason, log=error_log(task) if timed_out else failed.log)
        return failed

    def reused(self, task: Task) -> bool:
        """Whether the task's result came from the run directory."""
        return task.folder in self._memoizer.reused

    @property
    def broken(self) -> SiteError | None:
        """Why the site can bring no more workers, or None."""
        return self._broken

    def waiting(self) -> list[str]:
        """Return the folders of the tasks that wait for a worker, or for one's answer."""
        return [record["args"][0].folder for record in self._handed_out()]

    def connected(self) -> int:
        """Return how many workers are connected; asking may take some seconds."""
        return sum(
            sum(manager["worker_count"] for manager in executor.connected_managers())
            if hasattr(executor, "connected_managers")
            else _workers(executor)
            for executor in self._dfk.executors.values()
            if executor.label != "_parsl_internal"
        )

    def blocks(self, describe: Callable[[Any], Iterable[object]]) -> list[object]:
        """Return what `describe` tells of each executor's blocks."""
        return [block for each in self._dfk.executors.values() for block in describe(each)]

    def running(self) -> int:
        """Return how many tasks are computing now: those launched, at most one per worker."""
        return self._running(self._dfk.executors.values())

    def stop(self, patience_s: float = 10.0) -> bool:
        """Stop all tasks: threads after their epoch, worker processes at once.

        Returns:
            False when a thread of this process is still computing after `patience_s`.
        """
        stopping.set()
        threads = [each for each in self._dfk.executors.values() if hasattr(each, "max_threads")]
        deadline = time.monotonic() + patience_s
        while self._running(threads) and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self._running(threads)

    def close(self) -> None:
        """Release workers and blocks."""
        try:
            self._dfk.cleanup()
        finally:
            parsl.clear()

    def _running(self, executors: Iterable[Any]) -> int:
        handed = Counter(record["executor"] for record in self._handed_out())
        return sum(min(handed[each.label], _workers(each)) for each in executors)

    def _handed_out(self) -> list[TaskRecord]:
        futures: list[Any] = list(self._tasks)  # Parsl's, which know their records
        records = [future.task_record for future in futures if not future.done()]
        return [record for record in records if record["status"] in _HANDED_OUT]

    def _unwrap(self, value: Any) -> Any:
        if not isinstance(value, Future):
            return value
        if isinstance(value.exception(), Stopped):
            stopping.set()  # what waits for it is not to be taken for failed
        return self.outcome(value)


@contextmanager
def probed(config: Config, question: tuple[Any, ...]) -> Iterator[list[tuple[Any, Future[Any]]]]:
    """Load a site and put a question to a worker of each of its executors.

    Args:
        config: of the site.
        question: arguments of `apps.tasks.checkup.checkup`.

    Returns:
        Each executor with the answer to come.
    """
    config.initialize_logging = False
    config.retries = 0
    _name_the_user()
    with parsl.load(config) as kernel:
        executors = [e for e in kernel.executors.values() if e.label != "_parsl_internal"]
        yield [(each, checkup_app(each.label)(*question)) for each in executors]
    parsl.clear()


class RunDirMemoizer(Memoizer):
    """Parsl's memoizer: known results come from the run directory, not from pickles.

    Attributes:
        reused: folders of the tasks whose results were found.
    """

    def __init__(self) -> None:
        """Start with nothing reused."""
        self.reused: set[str] = set()

    def check_memo(self, task: TaskRecord) -> Future[Any] | None:
        """Return the stored outcome as a finished future, or None."""
        if stopping.is_set():
            return None  # whatever failed upstream may just have been stopped
        message, place, *upstream = task["args"]
        found = find(message, place, upstream)
        if found is None:
            return None
        if not isinstance(found, Failure):
            self.reused.add(message.folder)
        future: Future[Any] = Future()
        future.set_result(found)
        return future

    def update_memo_result(self, task: TaskRecord, r: Any) -> None:
        """Do nothing: the task itself has stored its result."""

    def update_memo_exception(self, task: TaskRecord, e: BaseException) -> None:
        """Do nothing: a failed task is computed again when the run is continued."""

    def start(self, *, run_dir: str, config_run_dir: str) -> None:
        """Do nothing: the run directory is asked task by task."""

    def close(self) -> None:
        """Do nothing: every result was on disk before its task was done."""


def _name_the_user() -> None:
    """Give a user without an entry in passwd, as in a container, the name that Parsl asks for."""
    try:
        getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"


def _workers(executor: Any) -> int:
    if hasattr(executor, "max_threads"):
        return int(executor.max_threads)
    # As last polled: nobody is asked who might not answer.
    blocks = list(getattr(executor, "status_facade", {}).values())
    running = sum(block.state is JobState.RUNNING for block in blocks)
    nodes = getattr(getattr(executor, "provider", None), "nodes_per_block", 1)
    return int(running * nodes * getattr(executor, "workers_per_node", 1))


class _Retries:
    """Counts the retries of each task."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._reached: dict[str, int] = {}

    def cost(self, error: Exception, record: TaskRecord) -> float:
        """Return 0 if a lost worker had made progress, 1 if not; infinity for any other error."""
        task = record["args"][0]
        # A lost worker is not the task's fault; an exception of its own would come again.
        if not isinstance(error, WorkerLost | ManagerLost | ExecutorError | TimedOut):
            return float("inf")
        logger.warning("task %s: %s; it is started again", task.folder, error)
        before = self._reached.get(task.folder, 0)
        now = self._reached[task.folder] = len(partial_epochs(self._root / task.folder))
        return 0.0 if now > before else 1.0
