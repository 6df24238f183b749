"""What a task takes: wall and processor time, memory, and where it ran."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time

from apps.messages.results import Cost

# A graph computes in threads of TensorFlow's pool, which the tasks of a process share: no clock
# tells whose work they do, and the clock of the task's own thread stands still meanwhile.
_lock = threading.Lock()
_running: set[Stopwatch] = set()
_counted_s = 0.0


class Stopwatch:
    """Measures time and memory from its `with` statement's beginning to `cost`."""

    def __enter__(self) -> Stopwatch:
        self._started = time.time()
        self._wall = time.perf_counter()
        self._cpu_s = 0.0
        with _lock:
            _share()
            _running.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _share()
            _running.discard(self)

    def cost(self) -> Cost:
        """Return what was used since the beginning.

        `cpu_s` is the processor time of all threads of the process, shared equally by the tasks
        that run in it at the time: the sum over tasks is exact, and with one task a process so is
        each. `peak_memory_mb` is the process's, which threads share.
        """
        with _lock:
            _share()
        return Cost(
            started_unix_s=self._started,
            wall_s=time.perf_counter() - self._wall,
            cpu_s=self._cpu_s,
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            host=socket.gethostname(),
            worker=f"{os.getpid()}/{threading.current_thread().name}",
        )


def _share() -> None:
    """Give each running stopwatch its part of the processor time since the last call."""
    global _counted_s
    now = time.process_time()
    for watch in _running:
        watch._cpu_s += (now - _counted_s) / len(_running)
    _counted_s = now
