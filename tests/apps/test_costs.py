from __future__ import annotations

import os
import socket
import threading
import time

from apps.costs import Stopwatch
from apps.messages import Cost


def _work(until_s: float) -> None:
    end = time.perf_counter() + until_s
    while time.perf_counter() < end:
        pass


def test_a_stopwatch_tells_work_from_waiting() -> None:
    watch = Stopwatch()
    time.sleep(0.05)
    idle = watch.cost()
    assert idle.wall_s >= 0.05
    assert idle.cpu_s < 0.04
    began = time.thread_time()
    while time.thread_time() - began < 0.05:
        pass
    busy = watch.cost()
    assert busy.cpu_s >= 0.05
    assert busy.wall_s > idle.wall_s


def test_the_work_of_other_threads_is_not_counted() -> None:
    watch = Stopwatch()
    other = threading.Thread(target=_work, args=(0.1,))
    other.start()
    other.join()
    assert watch.cost().cpu_s < 0.05


def test_a_cost_says_where_and_when() -> None:
    cost = Stopwatch().cost()
    assert cost.host == socket.gethostname()
    assert cost.worker == f"{os.getpid()}/{threading.current_thread().name}"
    assert abs(cost.started_unix_s - time.time()) < 60
    assert 5 < cost.peak_memory_mb < 1e6
    assert isinstance(cost, Cost)
