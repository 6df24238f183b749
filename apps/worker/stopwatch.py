"""What a task takes: wall and processor time, memory, and where it ran."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time

from apps.messages.results import Cost


class Stopwatch:
    """Measures time and memory from its construction to `cost`."""

    def __init__(self) -> None:
        self._started = time.time()
        self._wall = time.perf_counter()
        self._cpu = time.thread_time()

    def cost(self) -> Cost:
        """Return what was used since the construction.

        `cpu_s` is the time of the calling thread: with one intra-op thread a task, its own work.
        `peak_memory_mb` is the process's, which threads share.
        """
        return Cost(
            started_unix_s=self._started,
            wall_s=time.perf_counter() - self._wall,
            cpu_s=time.thread_time() - self._cpu,
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            host=socket.gethostname(),
            worker=f"{os.getpid()}/{threading.current_thread().name}",
        )
