"""A stall is named while it lasts, and not more often than is bearable."""

from __future__ import annotations

import time
from typing import Any

from workflow.driver.stall import StallWatch


class Workers:
    def __init__(self, connected: int, waiting: int) -> None:
        self.count = connected
        self.tasks = [f"trial-000/segment-0/member-{member:02d}" for member in range(waiting)]

    def connected(self) -> int:
        return self.count

    def waiting(self) -> list[str]:
        return self.tasks


class Bench:
    """A watch with a clock that is set by hand."""

    def __init__(self, connected: int, waiting: int) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.workers = Workers(connected, waiting)
        self.watch = StallWatch(
            self.workers,
            lambda: ["block 0 (job 7) of slurm: pending (Resources)"],
            self.said.append,
            clock=lambda: self.now,
        )
        self.watch.begin([])

    def at(self, now: float) -> list[str]:
        """Go on second by second until then; return what was said on the way."""
        self.said.clear()
        while self.now < now:
            self.now += 1
            self.watch.tick()
            looking: Any = self.watch._looking
            if looking is not None:
                looking.join()
        self.watch.tick()
        return list(self.said)


def test_a_run_without_workers_is_told_after_a_minute_with_what_the_scheduler_says() -> None:
    bench = Bench(connected=0, waiting=5)
    assert bench.at(59) == []
    first, block = bench.at(75)
    assert first == (
        "for 60 s no worker is connected; 5 tasks wait: trial-000/segment-0/member-00, "
        "trial-000/segment-0/member-01, trial-000/segment-0/member-02 and 2 more"
    )
    assert block == "block 0 (job 7) of slurm: pending (Resources)"


def test_it_is_told_again_when_the_silence_has_doubled() -> None:
    bench = Bench(connected=0, waiting=1)
    assert len(bench.at(100)) == 2
    assert bench.at(119) == []
    assert len(bench.at(150)) == 2
    assert bench.at(230) == []
    assert len(bench.at(260)) == 2


def test_workers_are_given_more_time_than_none() -> None:
    bench = Bench(connected=2, waiting=1)
    assert bench.at(890) == []
    assert "2 workers finish nothing" in bench.at(960)[0]


def test_a_run_that_gets_on_is_left_alone() -> None:
    bench = Bench(connected=0, waiting=1)
    nothing: Any = None
    for now in range(50, 500, 50):
        assert bench.at(now) == []
        bench.watch.finished(nothing, nothing, False)
    assert len(bench.at(560)) == 2


def test_nothing_waits_nothing_is_said() -> None:
    assert Bench(connected=0, waiting=0).at(1000) == []


def test_an_inquiry_that_fails_harms_nobody() -> None:
    bench = Bench(connected=0, waiting=1)

    def broken() -> int:
        raise OSError("no answer")

    bench.workers.connected = broken
    assert bench.at(200) == []


def test_a_slow_scheduler_does_not_hold_the_driver_up() -> None:
    bench = Bench(connected=0, waiting=1)

    def slow() -> int:
        time.sleep(0.5)
        return 0

    bench.workers.connected = slow
    bench.now = 61
    began = time.monotonic()
    bench.watch.tick()
    assert time.monotonic() - began < 0.4
