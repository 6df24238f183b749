"""A task that takes too long is ended; a worker that dies leaves word of its memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.worker import watchdog
from apps.worker.watchdog import is_late, last_words, watched

LOG, NOTE = "error.txt", "memory.json"

HANGS = """
import sys, time
from pathlib import Path
from apps.worker.watchdog import watched
with watched(Path(sys.argv[1]), Path("note"), 0.5):
    time.sleep(60)
"""


def test_a_thread_of_the_driver_learns_that_it_is_late(tmp_path: Path) -> None:
    with watched(tmp_path / LOG, tmp_path / NOTE, 0.05):
        assert not is_late()
        time.sleep(0.1)
        assert is_late()
    with watched(tmp_path / LOG, tmp_path / NOTE, float("inf")):
        assert not is_late()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_process_that_hangs_is_ended_and_leaves_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARSL_WORKER_RANK", "0")
    done = subprocess.run(
        [sys.executable, "-c", HANGS, str(tmp_path / LOG)], timeout=50, check=False
    )
    assert done.returncode == 1
    assert "line 6" in (tmp_path / LOG).read_text()
    assert last_words(tmp_path / LOG, tmp_path / NOTE).startswith(
        "TimedOut: it ran longer than --task-timeout 0.5 s"
    )


def test_the_note_of_the_memory_goes_with_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARSL_WORKER_RANK", "0")
    monkeypatch.setattr(watchdog, "_EVERY_S", 0.02)
    monkeypatch.setattr(watchdog, "_LEAST_MB", 1.0)
    with watched(tmp_path / LOG, tmp_path / NOTE, float("inf")):
        deadline = time.monotonic() + 30
        while not (tmp_path / NOTE).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        note = json.loads((tmp_path / NOTE).read_text())
        assert 10 < note["used_mb"] < note["limit_mb"]
        assert 10 < note["held_mb"] <= note["limit_mb"]
    assert list(tmp_path.iterdir()) == []


def test_a_small_worker_notes_that_others_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = [1000.0, 64_000.0]
    monkeypatch.setenv("PARSL_WORKER_RANK", "0")
    monkeypatch.setattr(watchdog, "_EVERY_S", 0.01)
    monkeypatch.setattr(watchdog, "_LEAST_MB", 1e6)
    monkeypatch.setattr(watchdog, "_shared_mb", lambda: tuple(shared))
    with watched(tmp_path / LOG, tmp_path / NOTE, float("inf")):
        time.sleep(0.1)
        assert not (tmp_path / NOTE).exists()
        for held_mb in (50_000.0, 62_000.0):
            shared[0] = held_mb
            deadline = time.monotonic() + 30
            while f"it {held_mb:,.0f} MB" not in last_words(tmp_path / LOG, tmp_path / NOTE):
                assert time.monotonic() < deadline
                time.sleep(0.01)


@pytest.mark.parametrize(
    ("note", "told"),
    [
        (
            '{"used_mb": 7900.0, "held_mb": 7950.0, "limit_mb": 8000.0}',
            "it held 7,900 MB of 8,000 MB",
        ),
        (
            '{"used_mb": 8000.0, "held_mb": 62000.0, "limit_mb": 64000.0}',
            "it held 8,000 MB, and with all that shares it 62,000 MB, of 64,000 MB of memory",
        ),
        ('{"used_mb": 4000.0, "held_mb": 4100.0, "limit_mb": 8000.0}', ""),
        ('{"used_mb": 7900.0, "limit_mb": 8000.0}', ""),
        ('{"used_mb": "x"}', ""),
        ("[]", ""),
        ("", ""),
    ],
)
def test_only_memory_near_its_limit_is_told(note: str, told: str, tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text(note)
    assert told in last_words(tmp_path / LOG, tmp_path / NOTE)
    assert bool(told) == bool(last_words(tmp_path / LOG, tmp_path / NOTE))


def test_an_error_of_the_task_itself_is_no_last_word(tmp_path: Path) -> None:
    assert last_words(tmp_path / LOG, tmp_path / NOTE) == ""
    for text in ("", "Traceback\nValueError: no"):
        (tmp_path / LOG).write_text(text)
        assert last_words(tmp_path / LOG, tmp_path / NOTE) == ""


@pytest.mark.parametrize("names", [watchdog._FIRST, watchdog._SECOND])
def test_the_limit_of_memory_is_that_of_the_groups_above_too(
    names: watchdog._Names, tmp_path: Path
) -> None:
    job, step = tmp_path / "job", tmp_path / "job" / "step"
    step.mkdir(parents=True)
    (job / names.limit).write_text(f"{2**30}\n")
    (job / names.held).write_text(f"{2**29}\n")
    (step / names.limit).write_text("max\n")
    assert list(watchdog._groups_mb(tmp_path, "/job/step", names)) == [(512.0, 1024.0)]
    # What is read of files fills a group, and is given up before a process is killed.
    (job / names.held).write_text(f"{2**30}\n")
    (job / "memory.stat").write_text(f"anon 1\n{names.cached} {2**29}\n")
    assert list(watchdog._groups_mb(tmp_path, "/job/step", names)) == [(512.0, 1024.0)]


def test_the_memory_that_is_nearest_to_its_end_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    held, size = watchdog._shared_mb()
    assert 10 < held <= size
    monkeypatch.setattr(watchdog, "_machine_mb", lambda: (1.0, 1e9))
    monkeypatch.setattr(watchdog, "_groups_mb", lambda *_: [(7.0, 8.0), (60.0, 512.0)])
    assert watchdog._shared_mb() == (7.0, 8.0)
