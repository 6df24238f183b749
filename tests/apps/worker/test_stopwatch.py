from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress

from apps.messages.results import Cost
from apps.worker.stopwatch import Stopwatch


def _work(cpu_s: float) -> None:
    began = time.thread_time()
    while time.thread_time() - began < cpu_s:
        pass


def test_a_stopwatch_tells_work_from_waiting() -> None:
    with Stopwatch() as watch:
        time.sleep(0.05)
        idle = watch.cost()
        assert idle.wall_s >= 0.05
        assert idle.cpu_s < 0.04
        _work(0.05)
        busy = watch.cost()
        assert busy.cpu_s >= 0.05
        assert busy.wall_s > idle.wall_s


def test_the_work_of_threads_that_a_task_waits_for_is_counted() -> None:
    with Stopwatch() as watch:
        other = threading.Thread(target=_work, args=(0.2,))
        other.start()
        other.join()
        assert 0.2 <= watch.cost().cpu_s < 0.4


def test_tasks_of_one_process_share_its_time() -> None:
    began = time.process_time()
    with Stopwatch() as first:
        _work(0.1)
        with Stopwatch() as second:
            _work(0.2)
            late = second.cost().cpu_s
        _work(0.1)
        early = first.cost().cpu_s
    assert 0.1 <= late < 0.2
    assert 0.3 <= early < 0.4
    assert early + late <= time.process_time() - began


def test_a_task_that_failed_takes_no_share_of_those_after_it() -> None:
    with suppress(ValueError), Stopwatch():
        raise ValueError
    with Stopwatch() as watch:
        _work(0.1)
        assert watch.cost().cpu_s >= 0.1


def test_a_cost_says_where_and_when() -> None:
    with Stopwatch() as watch:
        cost = watch.cost()
    assert cost.host == socket.gethostname()
    assert cost.worker == f"{os.getpid()}/{threading.current_thread().name}"
    assert abs(cost.started_unix_s - time.time()) < 60
    assert 5 < cost.peak_memory_mb < 1e6
    assert isinstance(cost, Cost)
