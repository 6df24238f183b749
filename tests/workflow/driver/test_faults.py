"""What clusters do to a driver, and the tables that come of it all the same."""

from __future__ import annotations

import pickle
import re
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from apps.messages.objective import Objective
from apps.records.run_dir import RunDir
from apps.records.tables_schema import TABLES
from tests.support.experiments import (
    TINY,
    arms,
    assert_same,
    begun,
    changed,
    copied,
    drive,
    events,
    load,
    read_tables,
    write,
)
from tests.support.processes import start
from tests.workflow.conftest import Heterosis
from workflow.driver.progress import Journal

PATIENCE_S = 240.0


class Dying:
    """Ends the driver at the first write of every file, and leaves the half of what it wrote.

    Those of the report are not among them: it is made of the tables, whole, at every start.

    Attributes:
        left: what a killed driver leaves beside the files that it was writing, in order.
    """

    def __init__(self, root: Path) -> None:
        self.left: list[Path] = []
        self._run = RunDir(root)
        self._begun: set[Path] = set()
        self._dead = False
        self._replace = Path.replace

    def start(self) -> None:
        """The driver is started again."""
        self._dead = False

    def replace(self, beside: Path, target: Path) -> Path:
        """Stand in for `Path.replace`, by which `apps.files.write_atomic` brings a file about."""
        atomic = re.fullmatch(r"\.(.+)\.[0-9a-f]{32}", beside.name)
        places = target.parents
        if atomic is None or self._run.root not in places or self._run.report in places:
            return self._replace(beside, target)
        assert atomic[1] == target.name
        first = target not in self._begun
        self._begun.add(target)
        if self._dead or first:
            self._dead = True
            content = beside.read_bytes()
            left = beside.with_name(f".{target.name}.{uuid.uuid4().hex}")
            left.write_bytes(content[: len(content) // 2])
            self.left.append(left)
            raise KeyboardInterrupt  # which nothing turns into a failure of the task
        return self._replace(beside, target)


@pytest.mark.slow
def test_a_driver_that_dies_at_every_write_ends_with_the_same_run(
    tmp_path: Path, heterosis: Heterosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every start comes one write further than the one before, and dies in the next."""
    file = write(tmp_path, changed(trials=1, population=2, arms=arms("control", "mean")))
    assert heterosis("run", file, "--runs", tmp_path / "whole").code == 0
    whole = tmp_path / "whole" / "tiny"

    root = tmp_path / "runs" / "tiny"
    dying = Dying(root)
    monkeypatch.setattr(Path, "replace", lambda self, target: dying.replace(self, Path(target)))
    starts = 0
    while (ended := heterosis("run", file, "--runs", root.parent)).code == 130:
        starts += 1
        assert len(dying.left) == starts, "a driver that is dead writes nothing"
        dying.start()
    assert (ended.code, ended.err) == (0, ""), ended.out

    names = Counter(path.name.rpartition(".")[0].removeprefix(".") for path in dying.left)
    trained = 2 + 2 + 2  # the shared half, the second of both arms
    assert names["checkpoint.safetensors"] == trained
    assert names["result.json"] == trained + 1 + 2 + 1  # and mating, harvests, export
    assert {"experiment.toml", "environment.json", "card.json", "pedigree.json"} <= names.keys()
    assert {f"{name}.parquet" for name in TABLES} <= names.keys()
    assert_same(read_tables(root), read_tables(whole))
    assert files(root) - {path.relative_to(root) for path in dying.left} == files(whole)

    assert heterosis("clean", root).code == 0
    assert not any(path.exists() for path in dying.left)


def files(root: Path) -> set[Path]:
    """Return the files of a run, but for those of the report and those that Parsl writes."""
    run = RunDir(root)
    return {
        path.relative_to(root)
        for path in root.rglob("*")
        if path.is_file() and not {run.report, run.parsl} & {*path.parents}
    }


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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("site", ["local_threads", "local_processes"])
def test_a_full_disk_costs_no_result(site: str, tmp_path: Path, finished: Path) -> None:
    file = write(tmp_path, TINY)
    workers = {"local_threads": 2, "local_processes": 1}[site]
    command = ["run", file, "--site", site, "--workers", str(workers), "--runs"]
    with small_disk(tmp_path / "disk", 8) as disk:
        root = disk / "tiny"
        begun(finished, root)
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


@pytest.mark.slow
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
    journal = Journal(tmp_path / "events.jsonl", Objective("val_loss"), Silent(), lambda: 0)
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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_directory_is_as_private_as_the_users_umask_says(tmp_path: Path) -> None:
    table = changed(trials=1, population=2, arms=arms("control", "mean"))
    root = tmp_path / "runs" / "tiny"
    command = ["run", write(tmp_path, table), "--runs", root.parent, "--quiet"]
    process = start(*command, "--site", "local_processes", "--workers", "1", umask=0o077)
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
