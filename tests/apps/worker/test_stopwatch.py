from __future__ import annotations

import os
import socket
import threading
import time

from apps.messages.results import Cost
from apps.worker.stopwatch import Stopwatch


def _work(cpu_s: float) -> None:
    began = time.thread_time()
    while time.thread_time() - began < cpu_s:
        pass


def test_a_stopwatch_tells_work_from_waiting() -> None:
    watch = Stopwatch()
    time.sleep(0.05)
    idle = watch.cost()
    assert idle.wall_s >= 0.05
    assert idle.cpu_s < 0.04
    _work(0.05)
    busy = watch.cost()
    assert busy.cpu_s >= 0.05
    assert busy.wall_s > idle.wall_s


def test_the_work_of_other_threads_is_not_counted() -> None:
    watch = Stopwatch()
    other = threading.Thread(target=_work, args=(0.2,))
    other.start()
    other.join()
    assert watch.cost().cpu_s < 0.15


def test_a_cost_says_where_and_when() -> None:
    cost = Stopwatch().cost()
    assert cost.host == socket.gethostname()
    assert cost.worker == f"{os.getpid()}/{threading.current_thread().name}"
    assert abs(cost.started_unix_s - time.time()) < 60
    assert 5 < cost.peak_memory_mb < 1e6
    assert isinstance(cost, Cost)
