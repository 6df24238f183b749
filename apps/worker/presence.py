"""What each worker does, for whoever looks at a run: a small file a worker, written task by task.

They lie in a folder that the driver makes and takes away; without it nothing is written. Nothing
depends on them: one that cannot be written is left out.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from apps.files import DamagedFile, read_limited

EVERY_S: Final = 10.0
"""Seconds between two signs of life of a worker process, in a task."""

SILENT_S: Final = 3 * EVERY_S
"""Seconds without a sign of life after which a worker process in a task counts as lost."""

_LARGEST: Final = 4096


@dataclass(frozen=True)
class Presence:
    """What a worker began last.

    Attributes:
        host: name of its machine.
        worker: its process and thread, as in a task's cost.
        folder: of the task.
        since_unix_s: when it began it.
        seen_unix_s: when it last gave a sign of life, by the clock of the file system.
        in_driver: whether it is a thread of the driver, which lives as long as that.
    """

    host: str
    worker: str
    folder: str
    since_unix_s: float
    seen_unix_s: float
    in_driver: bool


def announce(workers: Path, folder: str, in_driver: bool) -> Path | None:
    """Write down which task this thread begins.

    Args:
        workers: folder of the notes; where it is not there, nobody asks.
        folder: of the task, below the run directory.
        in_driver: whether this is a thread of the driver.

    Returns:
        The note, to be touched as a sign of life; None if there is none.
    """
    if not workers.is_dir():
        return None
    host, worker = socket.gethostname(), f"{os.getpid()}/{threading.current_thread().name}"
    now = time.time()
    note = workers / f"{re.sub(r'[^A-Za-z0-9-]+', '-', f'{host}-{worker}')}.json"
    beside = note.with_suffix(".new")
    told = asdict(Presence(host, worker, folder, now, now, in_driver))
    try:
        # Not synced: who looks may miss one, and a task must not wait for it.
        beside.write_text(json.dumps(told))
        beside.replace(note)
    except OSError:
        return None
    return note


def sign_of_life(note: Path | None) -> None:
    """Say that the worker of a note still works."""
    if note is not None:
        with suppress(OSError):
            os.utime(note)


def present(workers: Path) -> Iterator[Presence]:
    """Yield what the workers of a run began last, by the names of their notes.

    Of workers on one task, those before the last are gone: it was started again.
    """
    notes = list(_notes(workers))
    last = {each.folder: each for each in sorted(notes, key=lambda each: each.since_unix_s)}
    yield from (each for each in notes if last[each.folder] is each)


def _notes(workers: Path) -> Iterator[Presence]:
    for note in sorted(workers.glob("*.json")):
        with suppress(OSError, DamagedFile, KeyError, TypeError, ValueError):
            told: dict[str, Any] = json.loads(read_limited(note, _LARGEST))
            seen = max(float(told["seen_unix_s"]), note.stat().st_mtime)
            yield Presence(**told | {"seen_unix_s": seen})
