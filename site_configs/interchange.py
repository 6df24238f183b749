"""Parsl's interchange, between driver and workers, as a process that ends with its driver.

Parsl's own goes on without one that was killed, and with it the workers, until somebody notices.
Without an interchange workers end after their heartbeat's threshold.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from typing import Final

_EVERY_S: Final = 2.0


def launch_command() -> list[str]:
    """Return the command that starts the interchange of this driver."""
    return [sys.executable, "-m", __name__, str(os.getpid())]


def _end_with(driver: int) -> None:
    # Who loses its parent gets another one.
    while os.getppid() == driver:
        time.sleep(_EVERY_S)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")
