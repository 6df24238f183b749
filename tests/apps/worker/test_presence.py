"""What a worker does is written down for whoever looks, and nothing depends on it."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from apps.worker import watchdog
from apps.worker.presence import announce, present, sign_of_life


def test_a_worker_says_what_it_began_last(tmp_path: Path) -> None:
    announce(tmp_path, "trial-000/segment-0/member-00", in_driver=True)
    announce(tmp_path, "trial-000/segment-0/member-01", in_driver=True)
    other = threading.Thread(target=announce, args=(tmp_path, "else", True), name="a/../b")
    other.start()
    other.join()
    found = {each.worker: each for each in present(tmp_path)}
    own = found[f"{os.getpid()}/{threading.current_thread().name}"]
    assert (own.host, own.folder) == (socket.gethostname(), "trial-000/segment-0/member-01")
    assert own.seen_unix_s >= own.since_unix_s > 0
    assert found[f"{os.getpid()}/a/../b"].folder == "else"
    assert len(found) == len([*tmp_path.iterdir()]) == 2


def test_of_workers_on_one_task_the_last_is_there(tmp_path: Path) -> None:
    for name in ("b", "a"):  # the task is started again by one whose note comes first
        other = threading.Thread(target=announce, args=(tmp_path, "task", False), name=name)
        other.start()
        other.join()
    announce(tmp_path, "else", in_driver=False)
    found = {each.folder: each.worker.rpartition("/")[2] for each in present(tmp_path)}
    assert found == {"task": "a", "else": threading.current_thread().name}
    assert len([*present(tmp_path)]) == 2


def test_where_nobody_asks_nothing_is_written(tmp_path: Path) -> None:
    assert announce(tmp_path / "workers", "task", in_driver=True) is None
    assert [*present(tmp_path / "workers")] == []
    assert not (tmp_path / "workers").exists()


def test_damaged_notes_are_passed_over(tmp_path: Path) -> None:
    announce(tmp_path, "task", in_driver=False)
    for number, text in enumerate(("", "[]", "{}", "x" * 10_000, '{"host": 1')):
        (tmp_path / f"{number}.json").write_text(text)
    assert [each.folder for each in present(tmp_path)] == ["task"]


def test_a_worker_process_gives_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = announce(tmp_path, "task", in_driver=False)
    assert note is not None
    os.utime(note, (0, 0))
    monkeypatch.setenv("PARSL_WORKER_RANK", "0")
    monkeypatch.setattr(watchdog, "_EVERY_S", 0.01)
    monkeypatch.setattr(watchdog, "EVERY_S", 0.0)
    with watchdog.watched(tmp_path / "log", tmp_path / "memory", float("inf"), note):
        while note.stat().st_mtime == 0:
            pass


def test_a_sign_of_life_of_a_note_that_is_gone_is_no_error(tmp_path: Path) -> None:
    sign_of_life(None)
    sign_of_life(tmp_path / "gone")
