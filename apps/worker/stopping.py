"""Stopping tasks that run in the driver's own process, between two epochs."""

from __future__ import annotations

import threading
from typing import Final

from apps.errors import Code, HeterosisError

stopping: Final = threading.Event()
"""Set by the driver on Ctrl-C; worker processes are ended by a signal instead."""


class TimedOut(HeterosisError):
    """A task ran longer than it may."""

    code: Code = "timeout"


class Stopped(HeterosisError):
    """A task ended early because the run is being stopped: no failure of its member."""

    code: Code = "stopped"
