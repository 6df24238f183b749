"""The lock that keeps a run directory to one driver."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from apps.errors import UserError

_PATIENCE_S: Final = 1.0
"""Who asks whether a driver is at work holds the lock for a moment, too."""


@contextmanager
def only_driver(path: Path) -> Iterator[None]:
    """Hold the lock of a run directory; it is released when the process ends, even if killed.

    Raises:
        UserError: another driver holds it; the message names it. Or the lock cannot be written.
    """
    try:
        held = _held(path)
    except Timeout as error:
        raise UserError(
            f"{path.parent}: another driver works on this run ({_holder(path)}); wait for it, "
            "or end it; `heterosis run` can be given another --name",
            code="run-busy",
        ) from error
    except OSError as error:
        raise UserError(
            f"{path}: the run directory cannot be written: {error.strerror}; choose another "
            "folder with --runs",
            code="folder-not-writable",
        ) from error
    with held:
        yield


def driver_at_work(path: Path) -> str | None:
    """Return who holds the lock of a run directory, or None; nothing is written.

    A shared lock of a file opened for reading: who may only look can ask, several at a time, and
    network file systems grant it, which they do not with the exclusive one that filelock takes.
    """
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(path)
    except OSError:
        return None
    return None


class _MovedAside(Exception):
    """The folder of the lock was moved between opening it and taking it."""


def _held(path: Path) -> AbstractContextManager[object]:
    """Take the lock, write into it who holds it, and return what gives it back at its exit."""

    def sign(descriptor: int) -> None:
        try:
            if not os.path.samestat(os.fstat(descriptor), path.stat()):
                raise _MovedAside
        except FileNotFoundError as error:
            raise _MovedAside from error
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(holder).encode())

    while True:
        lock = FileLock(path, timeout=_PATIENCE_S, poll_interval=0.02, on_acquired=sign)
        with suppress(_MovedAside):
            return lock.acquire()


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
        return f"host {holder['host']}, process {holder['pid']}, since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its name is not readable"
