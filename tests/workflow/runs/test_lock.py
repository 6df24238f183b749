"""One driver a run directory."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from workflow.runs.lock import driver_at_work, only_driver

HOLD = """
import sys
import threading
from pathlib import Path
from workflow.runs.lock import only_driver
with only_driver(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "driver.lock"


def test_a_lock_is_free_again_afterwards(lock: Path) -> None:
    for _ in range(2):
        with only_driver(lock):
            assert driver_at_work(lock) is not None
        assert driver_at_work(lock) is None


def test_a_second_driver_is_told_of_the_first(lock: Path) -> None:
    with only_driver(lock), pytest.raises(UserError) as caught, only_driver(lock):
        pass
    message = str(caught.value)
    assert socket.gethostname() in message
    assert f"process {os.getpid()}" in message
    assert str(lock.parent) in message


def test_who_asks_for_a_moment_keeps_no_driver_away(lock: Path) -> None:
    lock.touch()
    with lock.open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (asking, fcntl.LOCK_UN)).start()
        with only_driver(lock):
            assert driver_at_work(lock) is not None


def test_a_lock_that_was_moved_aside_is_not_taken(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two drivers would hold two locks of one name."""
    take = fcntl.flock

    def move_first(file: Any, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", take)
        lock.rename(tmp_path / "aside.lock")
        lock.touch()
        take(file, how)

    monkeypatch.setattr(fcntl, "flock", move_first)
    with only_driver(lock):
        assert driver_at_work(lock) is not None
        assert driver_at_work(tmp_path / "aside.lock") is None


def test_a_driver_that_was_killed_holds_nothing(lock: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert f"process {holder.pid}" in (driver_at_work(lock) or "")
        with pytest.raises(UserError, match=str(holder.pid)), only_driver(lock):
            pass
        holder.kill()
    with only_driver(lock):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


def test_asking_who_works_writes_nothing(lock: Path) -> None:
    assert driver_at_work(lock) is None
    assert not lock.exists()


def test_an_unreadable_holder_is_still_a_holder(lock: Path) -> None:
    with only_driver(lock):
        lock.write_text("{")
        assert driver_at_work(lock) == "its name is not readable"


def test_a_lock_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="cannot be written: "),
        only_driver(tmp_path / "file" / "driver.lock"),
    ):
        pass


def test_a_process_that_the_driver_forks_holds_nothing(lock: Path) -> None:
    """Else a run whose driver was killed would stay locked as long as such a process lives."""
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from workflow.runs.lock import only_driver\n"
        "with only_driver(Path(sys.argv[1])):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(60)\n"
        "    print('held', flush=True)\n"
        "    os._exit(0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            holder.wait()
            # The forked process lets go at once, perhaps just after its parent has ended.
            deadline = time.monotonic() + 10
            while driver_at_work(lock) is not None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert driver_at_work(lock) is None
        finally:
            os.killpg(holder.pid, signal.SIGKILL)
