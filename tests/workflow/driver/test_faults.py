"""What clusters do to a driver, and the tables that come of it all the same."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from apps.records.run_dir import RunDir
from tests.support.experiments import (
    TINY,
    assert_same,
    copied,
    drive,
    events,
    load,
    read_tables,
    start,
    write,
)
from tests.workflow.conftest import Heterosis
from workflow.driver.progress import Journal

PATIENCE_S = 240.0


@pytest.mark.timeout(1800)
def test_the_driver_is_killed_at_ten_random_moments(tmp_path: Path, finished: Path) -> None:
    """Most of them while tasks are computed, some while it starts."""
    file = write(tmp_path, TINY)
    root = tmp_path / "runs" / "tiny"
    moments = random.Random(10)
    for _ in range(10):
        process = start("run", file, "--runs", root.parent, "--workers", "2")
        begun = len(events(root))
        patience = moments.uniform(0.0, 1.0)
        deadline = time.monotonic() + PATIENCE_S
        while len(events(root)) == begun and moments.random() > 0.002:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(patience)
        process.kill()
        process.communicate()
    process = start("run", file, "--runs", root.parent, "--workers", "2")
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, ""), out
    assert_same(read_tables(root), read_tables(finished))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a disk of that size."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "heterosis-test", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("site", ["local_threads", "local_processes"])
def test_a_full_disk_costs_no_result(site: str, tmp_path: Path, finished: Path) -> None:
    file = write(tmp_path, TINY)
    command = ["run", file, "--site", site, "--workers", "2", "--runs"]
    with small_disk(tmp_path / "disk", 8) as disk:
        root = disk / "tiny"
        process = start(*command, disk)
        deadline = time.monotonic() + PATIENCE_S
        while len(events(root)) < 5:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        fill(disk / "filler")
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1, (out, err)
        assert "No space left on device" in err
        assert "Traceback" not in out + err
        (disk / "filler").unlink()

        process = start(*command, disk)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, err) == (0, ""), out
        assert_same(read_tables(root), read_tables(finished))


def test_a_clock_that_is_set_back_changes_nothing(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look at the clock is an hour before the last one."""
    now = time.time()

    def back() -> float:
        nonlocal now
        now -= 3600.0
        return now

    monkeypatch.setattr(time, "time", back)
    journal = Journal(tmp_path / "events.jsonl", "val_loss", Silent(), lambda: 0)
    ran = drive(load(tmp_path), tmp_path / "run", watchers=[journal])
    journal.close("finished")
    assert_same(ran.tables, read_tables(finished))
    assert all(ran.tables["members"]["wall_s"] >= 0)
    assert journal.tally.epochs_a_second >= 0


class Silent:
    """A display that shows nothing."""

    def show(self, tally: object) -> None:
        pass

    def say(self, line: str) -> None:
        pass

    def close(self, tally: object) -> None:
        pass


@pytest.mark.timeout(600)
@pytest.mark.skipif(os.name != "posix", reason="umask")
def test_a_run_directory_is_as_private_as_the_users_umask_says(tmp_path: Path) -> None:
    file = write(tmp_path, TINY)
    root = tmp_path / "runs" / "tiny"
    process = start(
        "run", file, "--site", "local_processes", "--runs", root.parent, "--quiet", umask=0o077
    )
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, (out, err)
    open_to_others = [path for path in (root, *root.rglob("*")) if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_no_code_of_somebody_elses_run_is_run(
    heterosis: Heterosis, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a plug-in that its experiment names, nor a pickle in place of a table."""
    root = copied(finished, tmp_path)
    marker = tmp_path / "was here"
    evil = f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"
    for folder in (root, tmp_path):
        (folder / "evil.py").write_text(evil + "def load(): ...\n")
    monkeypatch.chdir(tmp_path)
    file = RunDir(root).experiment_toml
    file.write_text(file.read_text().replace('"fashion_mnist_sample"', '"evil:load"'))
    assert '"evil:load"' in file.read_text()
    assert heterosis("status", root).code == 0
    assert heterosis("report", root).code == 0
    RunDir(root).table("trials").write_bytes(pickle.dumps(Opened(marker)))
    assert heterosis("report", root).code == 2
    assert not marker.exists()


class Opened:
    """Leaves a mark when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object]]:
        return Path.touch, (self.marker,)
