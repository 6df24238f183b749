"""Parsl's interchange, between driver and workers, as a process that ends with its driver.

Parsl's own goes on without one that was killed, and with it the workers, until somebody notices.
Without an interchange workers end after their heartbeat's threshold. It ends with nothing else: the
signal that ends a job reaches all its processes, and the driver, which then releases its workers,
needs it for that.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from typing import Final

from heterosis.rooms import command

_EVERY_S: Final = 2.0


def launch_command() -> list[str]:
    """Return the command that starts the interchange of this driver."""
    return command(__name__, str(os.getpid()))


def _end_with(driver: int) -> None:
    # Who loses its parent gets another one.
    while os.getppid() == driver:
        time.sleep(_EVERY_S)
    os._exit(1)


def _end_when_told_by(driver: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != driver:
        pass
    os._exit(0)


def _hold_on(driver: int) -> None:
    # Before there are other threads, which inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_when_told_by, args=(driver,), daemon=True).start()


if __name__ == "__main__":
    _hold_on(int(sys.argv[1]))
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")
