"""Stops tasks between two epochs: when the driver asks for it, or at a deadline."""

from __future__ import annotations

import threading
import time
from typing import Final

from apps.errors import Code, HeterosisError

stopping: Final = threading.Event()
"""Set by the driver on Ctrl-C; worker processes are ended by a signal instead."""


now = time.time
"""The clock of time limits; every machine reads its own."""


def told_to_stop(stop_at_unix_s: float) -> bool:
    """Whether tasks are to end.

    Args:
        stop_at_unix_s: when the run's time limit is reached, infinite for none.
    """
    return stopping.is_set() or now() >= stop_at_unix_s


class TimedOut(HeterosisError):
    """A task ran longer than it may."""

    code: Code = "timeout"


class Stopped(HeterosisError):
    """A task ended early because the run is being stopped: no failure of its member."""

    code: Code = "stopped"
