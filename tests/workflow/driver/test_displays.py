"""What the terminal shows of a run."""

from __future__ import annotations

import io
import math
import time

import pytest
from rich.console import Console

from workflow.driver.displays import LiveDisplay, PlainDisplay, draw
from workflow.driver.progress import Tally, clock_time, summary


def plain(monkeypatch: pytest.MonkeyPatch, every_s: float, ticks: int, *remarks: str) -> list[str]:
    clock = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    out = io.StringIO()
    display = PlainDisplay(Console(file=out, width=40), every_s)
    tally = Tally(started_unix_s=0, now_unix_s=1, trials=2, total=10, running=0, epochs=20)
    tally.remarks.update(remarks)
    for _ in range(ticks):
        clock += 1.0
        display.show(tally)
    display.close(tally)
    return out.getvalue().splitlines()


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = plain(monkeypatch, every_s=10, ticks=35)
    assert len(lines) == 3 + 1
    assert lines[0] == "trials 0/2, tasks 0/10, 0 running, network-epochs 0/20"


def test_a_remark_is_told_at_once_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    remark = "trained by Keras, not fused: the model [is] compiled to run eagerly"
    lines = plain(monkeypatch, 10, 15, remark)
    assert [line.startswith("trials") for line in lines] == [False, True, True]
    assert lines[0] == f"note: {remark}"


def test_quiet_leaves_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(plain(monkeypatch, math.inf, 1000, "not fused")) == 1


def test_a_terminal_is_drawn_anew_and_left_with_one_line() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, legacy_windows=False)
    display = LiveDisplay(console)
    tally = Tally(started_unix_s=0, now_unix_s=1, trials=1, total=3, epochs=6)
    tally.segments.update(control=3)
    tally.remarks.update(["not fused"])
    display.show(tally)
    display.show(tally)
    display.close(tally)
    assert "control" in out.getvalue()
    assert out.getvalue().count("note: not fused") == 1
    assert out.getvalue().splitlines()[-1].endswith(summary(tally))


def test_a_display_that_was_never_shown_can_be_closed() -> None:
    out = io.StringIO()
    LiveDisplay(Console(file=out, force_terminal=True)).close(Tally())
    assert "tasks 0/0" in out.getvalue()


def test_the_drawing_tells_every_arm() -> None:
    tally = Tally(
        started_unix_s=0,
        now_unix_s=10,
        trials=2,
        trials_done=1,
        epochs=40,
        epochs_done=20,
        epochs_new=10,
        running=2,
        fitness="val_loss",
        best=0.25,
        best_folder="trial-000/x",
    )
    tally.segments.update(control=6, mean=6)
    tally.segments_done.update(control=3, mean=2)
    tally.segments_failed.update(mean=1)
    out = io.StringIO()
    Console(file=out, width=120).print(draw(tally))
    text = out.getvalue()
    assert "20/40 network-epochs" in text
    assert "1.00/s" in text
    assert "0:20 left" in text
    assert "trials 1/2   2 running   best val_loss 0.2500 (trial-000/x)" in text
    assert ["mean", "6", "2", "1"] in [line.split() for line in text.splitlines()]


def test_nothing_is_left_of_what_has_ended() -> None:
    out = io.StringIO()
    tally = Tally(started_unix_s=0, now_unix_s=9, epochs=4, epochs_done=4, epochs_new=4)
    tally.ended = "finished"
    Console(file=out, width=120).print(draw(tally), summary(tally))
    assert "4/4 network-epochs" in out.getvalue()
    assert "left" not in out.getvalue()
    assert "running" not in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")]
)
def test_times_are_shown_as_a_clock_does(seconds: float, told: str) -> None:
    assert clock_time(seconds) == told
