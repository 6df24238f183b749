"""Limits on a task's time, and a note of its memory to explain a lost worker.

A task that hangs in code of the user's own or of a library cannot be ended from within its thread.
A worker process is ended whole, and Parsl starts another one; a thread of the driver can only be
ended between two epochs.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from apps.files import DamagedFile, read_limited, write_atomic
from apps.worker.presence import EVERY_S, sign_of_life
from apps.worker.stopping import TimedOut

_EVERY_S: Final = 1.0
_GROWN: Final = 1.2
_FILLED: Final = 1.05
_NEAR: Final = 0.75
_LEAST_MB: Final = 512.0
_GROUPS: Final = Path("/sys/fs/cgroup")


class _Names(NamedTuple):
    """What a version of control groups calls its files, and one line of its statistics."""

    limit: str
    held: str
    cached: str


_FIRST: Final = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_SECOND: Final = _Names("memory.max", "memory.current", "inactive_file")

_local = threading.local()


@contextmanager
def watched(
    log: Path, note: Path, timeout_s: float, presence: Path | None = None
) -> Iterator[None]:
    """Watch what this thread does within the block.

    Args:
        log: is written when a worker process is ended: where it was, and why.
        note: of its memory, which is removed when the task ends.
        timeout_s: seconds after which a worker process is ended; a thread of the driver has to ask
            `is_late` itself.
        presence: the worker's note, touched as long as the task goes on; see `presence.announce`.
    """
    _local.ends = time.monotonic() + timeout_s
    done = threading.Event()
    watcher = None
    if in_worker_process():
        watcher = threading.Thread(
            target=_watch,
            args=(done, log, note, timeout_s, threading.get_ident(), presence),
            daemon=True,
        )
        watcher.start()
    try:
        yield
    finally:
        done.set()
        if watcher is not None:
            watcher.join()
            note.unlink(missing_ok=True)


def is_late() -> bool:
    """Whether this thread's task has used up its time."""
    return time.monotonic() > float(getattr(_local, "ends", float("inf")))


def in_worker_process() -> bool:
    """Whether this is a worker of Parsl's, which can be ended without the driver."""
    return "PARSL_WORKER_RANK" in os.environ


def last_words(log: Path, note: Path) -> str:
    """Return why a worker was lost, from what `watched` has left; "" where that is nothing."""
    with suppress(OSError, DamagedFile, ValueError):
        *_, last = read_limited(log, 2**20).decode(errors="replace").splitlines()
        if last.startswith(TimedOut.__name__):
            return last
    try:
        noted = json.loads(read_limited(note, 1000))
        used, limit = float(noted["used_mb"]), float(noted["limit_mb"])
        held = float(noted["held_mb"])
    except (OSError, DamagedFile, ValueError, KeyError, TypeError):
        return ""
    if max(used, held) < _NEAR * limit:
        return ""
    others = "" if used >= _NEAR * limit else f", and with all that shares it {held:,.0f} MB,"
    return (
        f"when last seen it held {used:,.0f} MB{others} of {limit:,.0f} MB of memory: it was "
        "probably killed for want of memory; run fewer workers a node, or ask for more memory"
    )


def _watch(
    done: threading.Event,
    log: Path,
    note: Path,
    timeout_s: float,
    thread: int,
    presence: Path | None,
) -> None:
    began = signed = time.monotonic()
    noted_mb, noted_held_mb = _LEAST_MB, 0.0
    while not done.wait(_EVERY_S):
        if time.monotonic() - signed >= EVERY_S:
            signed = time.monotonic()
            sign_of_life(presence)
        used_mb, (held_mb, limit_mb) = _resident_mb(), _shared_mb()
        # What is near its end is noted more often: the others on the node may fill it.
        filling = held_mb >= _NEAR * limit_mb and held_mb > _FILLED * noted_held_mb
        if used_mb > _GROWN * noted_mb or filling:
            noted_mb, noted_held_mb = max(used_mb, _LEAST_MB), held_mb
            told = {"used_mb": used_mb, "held_mb": held_mb, "limit_mb": limit_mb}
            with suppress(OSError):
                write_atomic(note, json.dumps(told).encode())
        if time.monotonic() - began > timeout_s:
            _end(log, timeout_s, thread)


def _end(log: Path, timeout_s: float, thread: int) -> None:
    frame = sys._current_frames().get(thread)
    stack = "".join(traceback.format_stack(frame)) if frame else ""
    reason = f"{TimedOut.__name__}: it ran longer than --task-timeout {timeout_s:g} s and was ended"
    with suppress(OSError):
        write_atomic(log, f"{stack}{reason}\n".encode())
    os._exit(1)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _shared_mb() -> tuple[float, float]:
    """Return how much of the memory that this process may use is held, by whomever, and its size.

    It is the machine's, or that of a control group: the one that is nearest to its end.
    """
    found = [_machine_mb()]
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                found += _groups_mb(_GROUPS, group, _SECOND)
            elif "memory" in controllers.split(","):
                found += _groups_mb(_GROUPS / "memory", group, _FIRST)
    return max(found, key=lambda each: each[0] / max(each[1], 1.0))


def _machine_mb() -> tuple[float, float]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    total = kilobytes["MemTotal"]
    return (total - kilobytes["MemAvailable"]) / 1024, total / 1024


def _groups_mb(root: Path, group: str, names: _Names) -> Iterator[tuple[float, float]]:
    # A limit on a group above holds as well.
    folder = root / group.strip("/")
    for each in (folder, *folder.parents):
        if each.is_relative_to(root):
            with suppress(OSError, ValueError):  # "max" is no number
                limit = int((each / names.limit).read_text())
                held = int((each / names.held).read_text())
                if held >= _NEAR * limit:  # the kernel gives up what it has read of files first
                    held -= _cached(each / "memory.stat", names.cached)
                yield held / 2**20, limit / 2**20


def _cached(statistics: Path, name: str) -> int:
    for line in statistics.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
