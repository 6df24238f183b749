"""The driver is killed, or stopped by Ctrl-C, at any time: the same command continues."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from apps.records.run_dir import RunDir
from tests.support.experiments import (
    TINY,
    assert_same,
    begun,
    changed,
    events,
    last_start,
    read_tables,
    write,
)
from tests.support.processes import group, start, wait_until

pytestmark = pytest.mark.slow

PATIENCE_S = 240.0
"""For a step on a machine that has other things to do."""


def computed(root: Path) -> list[str]:
    """Return the folders of the tasks that the newest start has computed so far."""
    return [event["folder"] for event in last_start(events(root)) if not event["reused"]]


def starts(root: Path) -> int:
    return sum(event["event"] == "start" for event in events(root))


def begin(root: Path, file: Path, *options: str, background: bool = False) -> subprocess.Popen[str]:
    """Start the command and wait until it has submitted its tasks."""
    before = starts(root)
    process = start("run", file, "--runs", root.parent, *options, background=background)
    wait_until(lambda: starts(root) > before, process, PATIENCE_S)
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def interrupt(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C: the terminal sends it to every process of the foreground."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, (out, err)
    assert err == ""
    return out, err


def finish(root: Path, file: Path, *options: str) -> str:
    process = start("run", file, "--runs", root.parent, *options)
    out, err = process.communicate(timeout=2 * PATIENCE_S)
    assert process.returncode == 0, (out, err)
    assert err == ""
    return out


def assert_nothing_repeated(root: Path) -> None:
    """Check that no task was computed twice: once done, it was reused by every later start."""
    done = [event for event in events(root) if event["event"] == "task"]
    assert {event["status"] for event in done} == {"done"}
    times = Counter(event["folder"] for event in done if not event["reused"])
    assert [folder for folder, count in times.items() if count > 1] == []


@pytest.mark.timeout(1800)
def test_threads_killed_and_stopped(tmp_path: Path, finished: Path) -> None:
    file = write(tmp_path, TINY)
    root = tmp_path / "runs" / "tiny"
    process = begin(root, file, "--workers", "1")
    wait_until(lambda: len(computed(root)) >= 20, process, PATIENCE_S)
    kill(process)
    assert any("halt" in folder for folder in computed(root)), "not even a mating was done"

    process = begin(root, file, "--workers", "2")
    wait_until(lambda: len(computed(root)) >= 3, process, PATIENCE_S)
    out, _ = interrupt(process)
    again = f"Continue with: heterosis run {file} --runs {root.parent} --workers 2"
    assert again in out.splitlines()[-1]
    assert events(root)[-1]["how"] == "stopped"
    assert " ERROR " not in RunDir(root).log.read_text()  # status would show it as a failure

    out = finish(root, file, "--workers", "2")
    assert "reused" in out
    assert 0 < len(computed(root)) < len(last_start(events(root)))
    assert_nothing_repeated(root)
    assert_same(read_tables(root), read_tables(finished))


@pytest.mark.timeout(1800)
def test_processes_stopped_and_continued(tmp_path: Path, finished: Path) -> None:
    """Both starts find Parsl's programs though the virtual environment is not activated."""
    file = write(tmp_path, TINY)
    root = tmp_path / "runs" / "tiny"
    begun(finished, root)
    options = ("--site", "local_processes", "--workers", "2")
    process = begin(root, file, *options)
    wait_until(lambda: len(computed(root)) >= 4, process, PATIENCE_S)
    assert len(group(process)) > 4
    interrupt(process)
    assert group(process) == set()

    process = start("run", file, "--runs", root.parent, *options)
    out, err = process.communicate(timeout=2 * PATIENCE_S)
    assert process.returncode == 0, (out, err)
    assert group(process) == set()
    assert "reused" in out
    assert_nothing_repeated(root)
    assert_same(read_tables(root), read_tables(finished))


@pytest.mark.timeout(900)
def test_processes_end_when_their_driver_is_killed(tmp_path: Path, finished: Path) -> None:
    """Nothing is left of them after a while, and the same command goes on meanwhile."""
    file = write(tmp_path, TINY)
    root = tmp_path / "runs" / "tiny"
    begun(finished, root)
    options = ("--site", "local_processes", "--workers", "1")
    process = begin(root, file, *options)
    wait_until(lambda: len(computed(root)) >= 4, process, PATIENCE_S)
    kill(process)
    assert len(group(process)) > 2
    finish(root, file, *options)
    assert_nothing_repeated(root)
    assert_same(read_tables(root), read_tables(finished))
    deadline = time.monotonic() + PATIENCE_S
    while group(process):
        assert time.monotonic() < deadline, group(process)
        time.sleep(0.5)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("site", "whom"),
    [
        ("local_threads", "the driver"),  # which is all of its group
        ("local_processes", "the driver"),
        ("local_processes", "its group"),
    ],
)
def test_a_background_job_is_stopped_by_sigterm(
    site: str, whom: str, tmp_path: Path, finished: Path
) -> None:
    """As `heterosis run ... &` in a script: it ignores Ctrl-C, and `kill` stops it.

    `timeout`, and a scheduler at the end of a job, send the signal to the whole group.
    """
    file = write(tmp_path, TINY)
    root = tmp_path / "runs" / "tiny"
    begun(finished, root)
    process = begin(root, file, "--site", site, "--workers", "1", background=True)
    wait_until(lambda: len(computed(root)) >= 1, process, PATIENCE_S)
    os.killpg(process.pid, signal.SIGINT)
    if whom == "the driver":
        process.send_signal(signal.SIGTERM)
    else:
        os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (130, "")
    assert "Continue with: heterosis run" in out.splitlines()[-1]
    assert events(root)[-1]["how"] == "stopped"
    assert group(process) == set()


@pytest.mark.timeout(600)
def test_a_thread_in_a_long_task_does_not_hold_ctrl_c_up(tmp_path: Path) -> None:
    """The network is a plug-in that takes its time: nothing can end it from outside."""
    (tmp_path / "slow.py").write_text(SLOW)
    marker = tmp_path / "building"
    table: dict[str, Any] = changed(
        network={"builder": "slow:build", "params": {"marker": str(marker)}},
        arms=[{"name": "control"}],
    )
    root = tmp_path / "runs" / "tiny"
    process = begin(root, write(tmp_path, table), "--workers", "1")
    wait_until(marker.exists, process, PATIENCE_S)
    out, _ = interrupt(process)
    assert "Continue with: heterosis run" in out
    assert events(root)[-1]["how"] == "stopped"


SLOW = """
import threading
import time
from pathlib import Path


def build(marker):
    import keras

    if threading.current_thread() is not threading.main_thread():
        Path(marker).touch()
        time.sleep(3600)
    layers = [keras.layers.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)]
    return keras.Sequential(layers)
"""
