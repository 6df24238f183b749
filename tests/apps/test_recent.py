"""What is costly to make is made once, and a bounded number of it is kept."""

from __future__ import annotations

import threading
import time

import pytest

from apps.recent import Recent


def test_what_was_not_asked_for_the_longest_is_dropped() -> None:
    recent: Recent[str] = Recent(most=2)
    made: list[str] = []

    def ask(key: str) -> str:
        return recent.get(key, lambda: made.append(key) or key.upper())

    assert [ask(key) for key in "abacab"] == list("ABACAB")
    assert made == list("abcb")


def test_what_weighs_too_much_together_is_dropped_but_for_a_few() -> None:
    weights = {"light": 1, "heavy": 10, "heavier": 30}
    recent: Recent[str] = Recent(most=9, weigh=weights.__getitem__, allowed=12, always=2)
    made: list[str] = []

    def ask(key: str) -> str:
        return recent.get(key, lambda: made.append(key) or key)

    for key in ("light", "heavy", "light", "heavy"):
        ask(key)
    assert made == ["light", "heavy"]
    ask("heavier")  # 41 together, and 40 without the light one, which is no less than two
    assert made == ["light", "heavy", "heavier"]
    ask("heavy")
    assert len(made) == 3
    weights["heavy"] = weights["heavier"] = 1
    ask("light")
    assert made[3:] == ["light"]
    for key in ("heavy", "heavier", "light"):
        ask(key)
    assert len(made) == 4


def test_what_cannot_be_made_is_not_kept() -> None:
    recent: Recent[float] = Recent(most=1)
    with pytest.raises(ZeroDivisionError):
        recent.get("key", lambda: 1 / 0)
    assert recent.get("key", lambda: 2.0) == 2.0


def test_threads_wait_for_the_one_that_makes() -> None:
    recent: Recent[int] = Recent(most=1)
    made: list[int] = []

    def make() -> int:
        time.sleep(0.05)
        made.append(1)
        return len(made)

    threads = [threading.Thread(target=recent.get, args=("key", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_maker_may_ask_and_everything_can_be_forgotten() -> None:
    recent: Recent[int] = Recent(most=2)
    assert recent.get("outer", lambda: recent.get("inner", lambda: 1) + 1) == 2
    recent.forget()
    assert recent.get("inner", lambda: 5) == 5
