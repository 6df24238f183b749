"""Standard output and errors that nobody takes any more: what is lost is the output alone."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_lost: Final[dict[str, str]] = {}


def keep_going() -> None:
    """Let this process go on when its output is closed, as by `| head -1` or `2>&-`.

    Characters that the terminal's encoding lacks are written as escapes.
    """
    _occupy_closed()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = io.FileIO(os.devnull, "w")  # for as long as the process lives
            setattr(sys, name, io.TextIOWrapper(nowhere, encoding="utf-8"))
        elif stream is getattr(sys, f"__{name}__"):  # not a notebook's, or a test's
            setattr(sys, name, _forgiving(stream, name))


def lost_output() -> str:
    """Return why output was lost that somebody was to have, on a full disk say, or ""."""
    return _lost.get("stdout", "")


def _occupy_closed() -> None:
    # What is opened next would get the number of a closed stream, and be written into as such.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _forgiving(stream: TextIO, name: str) -> TextIO:
    with suppress(OSError):
        stream.flush()
    raw = _Forgiving(stream.fileno(), name)
    return io.TextIOWrapper(
        io.BufferedWriter(cast(Any, raw)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=name == "stderr" or stream.isatty(),
    )


class _Forgiving(io.RawIOBase):
    """A file descriptor whose errors end nothing."""

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self.name = f"<{name}>"
        self._key = name

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, content: ReadableBuffer) -> int:
        view = memoryview(content)
        try:
            return os.write(self._number, view)
        except OSError as error:
            # Who has closed a pipe has read enough.
            if error.errno not in (errno.EPIPE, errno.EBADF, errno.EIO):
                _lost[self._key] = error.strerror or str(error)
            return view.nbytes
