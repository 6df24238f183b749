"""Every kind of task behind one function, as a worker runs it and a resumed run looks it up."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from apps.errors import HeterosisError
from apps.files import write_atomic
from apps.messages.fingerprints import fingerprint
from apps.messages.results import (
    ExportResult,
    Failure,
    HarvestResult,
    MatingPlan,
    Result,
    TrainResult,
    population,
)
from apps.messages.tasks import (
    ExportTask,
    Fresh,
    HarvestTask,
    MateTask,
    Task,
    TrainTask,
    Workplace,
    resolve,
)
from apps.plugins import told
from apps.records.result_files import checkpoint_is_whole, load_result
from apps.worker.stopping import Stopped, stopping
from apps.worker.watchdog import ERROR_LOG, watched

Outcome = Result | Failure

_RESULTS: Final[dict[type[Task], type[Result]]] = {
    TrainTask: TrainResult,
    MateTask: MatingPlan,
    HarvestTask: HarvestResult,
    ExportTask: ExportResult,
}


def train(task: TrainTask, place: Workplace, *upstream: Outcome) -> Outcome:
    """Train one member over one segment."""
    return perform(task, place, upstream)


def mate(task: MateTask, place: Workplace, *upstream: Outcome) -> Outcome:
    """Plan the mating of a halted population."""
    return perform(task, place, upstream)


def harvest(task: HarvestTask, place: Workplace, *upstream: Outcome) -> Outcome:
    """Make one network of a finished population."""
    return perform(task, place, upstream)


def export(task: ExportTask, place: Workplace, *upstream: Outcome) -> Outcome:
    """Write the champion of a run."""
    return perform(task, place, upstream)


def perform(task: Task, place: Workplace, upstream: Sequence[Outcome]) -> Outcome:
    """Compute a task and store its result; hand on a failure upstream that rules it out.

    Args:
        task: what to compute.
        place: where.
        upstream: outcomes of the tasks it waited for, in the order of the graph.

    Raises:
        Exception: whatever the computation raised; the traceback is in the task's folder.
        HeterosisError: it tried to end the process (`sys.exit()` in a plug-in, say).
        KeyboardInterrupt: the user's, which reaches the main thread of a process only.
    """
    if stopping.is_set():
        raise Stopped("the run is being stopped")
    ready = settle(task, upstream)
    if isinstance(ready, Failure):
        return ready
    log = Path(place.root) / error_log(task)
    try:
        with watched(log.parent, place.task_timeout_s):
            result = _compute(ready, place, upstream)
    except Stopped:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and _in_main_thread():
            raise
        with suppress(OSError):  # a full disk must not hide the reason
            write_atomic(log, traceback.format_exc().encode())
        if isinstance(error, Exception):
            raise
        # Parsl waits for ever for a task whose thread or worker such an exception has ended.
        raise HeterosisError(
            f"a task must return, it raised {told(error)}", code="plugin-raised"
        ) from error
    log.unlink(missing_ok=True)
    return result


def find(task: Task, place: Workplace, upstream: Sequence[Outcome]) -> Outcome | None:
    """Return the stored result of a task, or None when it is to be computed.

    Whether the checkpoint behind it is needed and whole is the driver's to know, who sees the
    whole graph.
    """
    ready = settle(task, upstream)
    if isinstance(ready, Failure):
        return ready
    root = Path(place.root)
    below = () if isinstance(ready, TrainTask | ExportTask) else upstream
    found = load_result(root / task.folder, _RESULTS[type(task)], fingerprint(ready, below))
    if isinstance(found, ExportResult) and not checkpoint_is_whole(root / found.path, found.sha256):
        return None
    return found


def settle(task: Task, upstream: Sequence[Outcome]) -> Task | Failure:
    """Return the task with its start filled in, or the failure upstream that rules it out."""
    if not isinstance(task, TrainTask) or isinstance(task.start, Fresh):
        return task
    (source,) = upstream
    if isinstance(source, Failure):
        return Failure(source.reason, source.log, task.member)
    if isinstance(source, TrainResult) and source.status != "done":
        return Failure(f"its start diverged: {source.reason}", "", task.member)
    return resolve(task, source)


def error_log(task: Task) -> str:
    """Return where a task leaves the traceback of its failure, below the run directory."""
    return f"{task.folder}/{ERROR_LOG}"


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _compute(task: Task, place: Workplace, upstream: Sequence[Outcome]) -> Result:
    # Imported late: the driver looks results up without loading what computes them.
    match task:
        case TrainTask():
            from apps.tasks import train

            return train.train_member(task, place)
        case MateTask():
            from apps.tasks import mate

            return mate.plan_mating(task, *population(upstream, task.members), place)
        case HarvestTask():
            from apps.tasks import harvest

            return harvest.harvest(task, *population(upstream, task.members), place)
        case ExportTask():
            from apps.tasks import harvest

            return harvest.export(task, place)
