"""The envelope of every task: fingerprint, clock, log and result file.

A worker performs a task and stores its result, a run that goes on looks the result up. What is
computed, each kind says in a file of its own, see `apps.tasks.kind`.
"""

from __future__ import annotations

import threading
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from apps.errors import HeterosisError, with_code
from apps.files import write_atomic
from apps.messages.fingerprints import fingerprint
from apps.messages.results import Failure, Result, Upstream
from apps.messages.tasks import Task, Workplace
from apps.plugins.load import told
from apps.records.result_files import load_failure, load_result, save_failure, save_result
from apps.records.run_dir import ERROR_LOG, MEMORY_NOTE, RunDir
from apps.tasks.kind import Kind, kind_of
from apps.worker.presence import announce
from apps.worker.stopping import Stopped, told_to_stop
from apps.worker.stopwatch import Stopwatch
from apps.worker.watchdog import in_worker_process, watched

Outcome = Result | Failure


def perform(task: Task, place: Workplace, upstream: Upstream) -> Outcome:
    """Compute a task and store its result; return an upstream failure that prevents it.

    Args:
        task: what to compute.
        place: where.
        upstream: outcomes of the tasks that it waited for, in the graph's order.

    Raises:
        Exception: whatever the computation raised; the traceback is in the task's folder.
        HeterosisError: it tried to end the process (`sys.exit()` in a plug-in, say).
        KeyboardInterrupt: the user's, which reaches the main thread of a process only.
    """
    if told_to_stop(place.stop_at_unix_s):
        raise Stopped("the run is being stopped")
    kind = kind_of(task)
    settled = kind.settle(task, upstream)
    if isinstance(settled, Failure):
        return settled
    log = Path(place.root) / error_log(task)
    try:
        notes = RunDir(Path(place.root)).workers
        presence = announce(notes, task.folder, not in_worker_process())
        with watched(log, log.with_name(MEMORY_NOTE), place.task_timeout_s, presence):
            result = _stored(kind, *settled, place)
    except Stopped:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and _in_main_thread():
            raise
        with suppress(OSError):  # a full disk must not hide the reason
            write_atomic(log, traceback.format_exc().encode())
            if isinstance(error, HeterosisError) and kind.would_fail_again(settled[0], error):
                failure = Failure(with_code(error), error_log(task), getattr(task, "member", -1))
                save_failure(log.parent, fingerprint(*settled), failure)
        if isinstance(error, Exception):
            raise
        # Parsl waits for ever for a task whose thread or worker such an exception has ended.
        raise HeterosisError(
            f"a task must return, it raised {told(error)}", code="plugin-raised"
        ) from error
    log.unlink(missing_ok=True)
    return result


def find(task: Task, place: Workplace, upstream: Upstream) -> Outcome | None:
    """Return the stored result of a task, or its lasting failure; None when it is to be computed.

    Whether its checkpoint is needed and whole is checked by the driver, which knows the whole
    graph.
    """
    kind = kind_of(task)
    settled = kind.settle(task, upstream)
    if isinstance(settled, Failure):
        return settled
    root = Path(place.root)
    found: Result | None = load_result(root / task.folder, kind.result, fingerprint(*settled))
    if found is not None:
        return found if kind.is_whole(found, root) else None
    return load_failure(root / task.folder, fingerprint(*settled))


def error_log(task: Task) -> str:
    """Return where a task leaves the traceback of its failure, below the run directory."""
    return f"{task.folder}/{ERROR_LOG}"


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _stored(kind: Kind[Any, Any], task: Task, upstream: Upstream, place: Workplace) -> Result:
    """Compute a settled task and store its result."""
    with Stopwatch() as watch:
        computed: Result = kind.compute(task, upstream, place)
        cost = replace(watch.cost(), earlier_epochs=computed.cost.earlier_epochs)
    result = replace(computed, fingerprint=fingerprint(task, upstream), cost=cost)
    save_result(Path(place.root) / task.folder, result)
    return result
