"""`heterosis doctor`: checks of a site, by one tiny task per executor."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from apps.errors import UserError
from apps.files import write_atomic
from apps.messages.specs import DataSpec
from apps.tasks.checkup import ANSWERED, ASKED, Check, versions
from workflow.driver.engine import probed

_SHOWN: Final = 8

Findings = Mapping[str, Any]
"""What `apps.tasks.checkup.checkup` returns."""

Blocks = Callable[[Any], Iterable[object]]
"""Returns a line for each of an executor's blocks."""


@dataclass(frozen=True)
class Patient:
    """The site to check.

    Attributes:
        config: Parsl's.
        folder: shared by driver and workers.
        data: that workers must find.
        cores: that each worker needs for itself.
        gpus: whether each worker should see one.
    """

    config: Any
    folder: Path
    data: DataSpec
    cores: int
    gpus: bool


def diagnose(
    patient: Patient,
    scheduler: Callable[[Any], Iterable[Check]],
    blocks: Blocks,
    patience_s: float,
    say: Callable[[str], None],
) -> Iterator[Check]:
    """Check a site, step by step, and yield each check.

    Args:
        patient: the site.
        scheduler: yields the checks that come before a block is asked for.
        blocks: returns a line for each of an executor's blocks.
        patience_s: how long to wait for a worker.
        say: shows a line on the scheduler meanwhile.

    Raises:
        UserError: the folder cannot be written.
    """
    before = list(scheduler(patient.config))
    yield from before
    if not all(check.ok for check in before):
        return
    word = _write_question(patient.folder)
    here = str(Path.cwd())
    with probed(patient.config, (str(patient.folder), patient.data, here, patient.gpus)) as probes:
        for executor, future in probes:
            trouble = _wait_for(future, patience_s, partial(blocks, executor), say)
            if trouble is not None:
                yield trouble
            else:
                bound = getattr(executor, "cpu_affinity", "none") != "none"
                yield from _answers(future.result(), patient, word, bound)


def tell(check: Check, say: Callable[[str], None]) -> bool:
    """Show a check; return whether all is well."""
    say(f"{'ok  ' if check.ok else 'FAIL'}  {check.what}: {check.found}")
    if not check.ok:
        say(f"      next: {check.next_step}")
    return check.ok


def _write_question(folder: Path) -> str:
    """Write a random word into the shared folder for the workers to read, and return it.

    Raises:
        UserError: it cannot be written.
    """
    word = secrets.token_hex(16)
    try:
        write_atomic(folder / ASKED, word.encode())
        (folder / ANSWERED).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written: {error.strerror}; choose another folder with --runs",
            code="folder-not-writable",
        ) from error
    return word


def _wait_for(
    future: Future[Findings],
    patience_s: float,
    blocks: Callable[[], Iterable[object]],
    say: Callable[[str], None],
) -> Check | None:
    """Wait for a worker's answer; say what the scheduler does meanwhile, whenever it changes.

    Returns:
        None when there is an answer, else what is wrong.
    """
    ends = time.monotonic() + patience_s
    said: list[str] = []
    while not future.done() and time.monotonic() < ends:
        wait([future], timeout=2.0)
        if not future.done() and (now := [str(block) for block in blocks()]) != said:
            said = now
            for line in now:
                say(f"      {line}")
    last = "; ".join(said) or "no block was submitted"
    if not future.done():
        return Check(
            "a worker answers",
            False,
            f"none within {patience_s:.0f} s; {last}",
            "if the block is pending, the queue is full: wait longer with --patience; if it runs, "
            "its workers cannot reach the driver: check the address or interface",
        )
    if error := future.exception():
        return Check(
            "a worker answers",
            False,
            f"{type(error).__name__}: {' '.join(str(error).split())}"[:600],
            "the block's stderr tells more: " + ("; ".join(map(str, blocks())) or last),
        )
    return None


def _answers(found: Findings, patient: Patient, word: str, bound: bool) -> Iterator[Check]:
    """Compare what a worker sees with what a run needs.

    Args:
        found: by the worker.
        patient: the site.
        word: that the shared folder holds.
        bound: whether each worker of a node has cores of its own.
    """
    yield Check("a worker answers", True, f"process {found['process']} on {found['host']}")
    yield _check_versions(found["versions"])
    yield _check_folder(found["folder_error"], patient.folder, word)
    yield Check(
        "data",
        not found["data_error"],
        found["data_error"] or "found by the worker",
        "make the data's folder visible to the nodes, or name one that is: [data] folder = ...",
    )
    sharers = 1 if bound else found.get("workers", 1)  # a worker of an older version tells none
    shared = f": {patient.cores} for each of its node's {sharers} workers" if sharers > 1 else ""
    yield Check(
        "cores",
        found["cores"] >= sharers * patient.cores,
        f"the worker may use {found['cores']}, {sharers * patient.cores} wanted{shared}",
        "ask for more with cores_per_node, or run fewer workers on a node with workers_per_node; "
        "under srun, --cpus-per-task says how many a node's workers have",
    )
    if patient.gpus:
        seen = found["gpus"]
        yield Check(
            "GPUs",
            len(seen) == 1,
            f"TensorFlow sees {len(seen)}, one is wanted "
            f"(CUDA_VISIBLE_DEVICES={found['visible_gpus']!r})",
            "check gpus_per_node, the CUDA module in worker_init, and that tensorflow[and-cuda] "
            "is installed",
        )


def _check_versions(theirs: Mapping[str, str]) -> Check:
    ours = versions()
    # A worker of another Python cannot read the driver's messages; of Python only major.minor.
    differing = [
        f"{name} {theirs.get(name)} (driver: {ours[name]})"
        for name in ours
        if _significant(name, ours[name]) != _significant(name, theirs.get(name, ""))
    ]
    return Check(
        "versions",
        not differing,
        ", ".join(differing[:_SHOWN]) or "the same on both sides",
        "let worker_init activate the environment that the driver runs in",
    )


def _significant(name: str, version: str) -> str:
    return version.rpartition(".")[0] if name == "python" else version


def _check_folder(error: str, folder: Path, word: str) -> Check:
    next_step = "choose a folder on a file system that driver and nodes share, with --runs"
    if error:
        return Check("run folder", False, f"{folder}: the worker says: {error}", next_step)
    try:
        answer = (folder / ANSWERED).read_text()
    except OSError:
        answer = ""
    shared = answer == word
    told = "read and written by both sides" if shared else "the worker sees another folder there"
    return Check("run folder", shared, f"{folder}: {told}", next_step)
