"""One driver a run directory."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from apps.errors import UserError

_PATIENCE_S: Final = 1.0
"""Who asks whether a driver is at work holds the lock for a moment, too."""


@contextmanager
def only_driver(path: Path) -> Iterator[None]:
    """Hold the lock of a run directory; it is free again when the holder ends, however it ends.

    Raises:
        UserError: another driver holds it; the message names it. Or the lock cannot be written.
    """
    try:
        opened = _locked(path)
    except BlockingIOError as error:
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
    with opened as file:
        file.truncate(0)
        file.write(
            json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()})
        )
        file.flush()
        yield


def driver_at_work(path: Path) -> str | None:
    """Return who holds the lock of a run directory, or None; nothing is written."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(path)
    except OSError:
        return None
    return None


def _locked(path: Path) -> IO[str]:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its folder may have been moved aside since it was opened.
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError:
            if time.monotonic() >= deadline:
                file.close()
                raise
        except BaseException:
            file.close()
            raise
        file.close()
        time.sleep(0.02)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
        return f"host {holder['host']}, process {holder['pid']}, since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its name is not readable"
