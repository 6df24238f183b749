"""`heterosis status` and `watch`: what another process sees of a run."""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from apps.records.run_dir import RunDir
from tests.support.experiments import broken_off, contents, copied, press
from tests.workflow.conftest import Heterosis, Mishap
from workflow.driver.progress import Tally, read_tally
from workflow.runs.lock import only_driver
from workflow.runs.status import Standing
from workflow.watching import picture
from workflow.watching.look import Best, Look, Lookout, Worker


def test_status_shows_the_end_of_a_run(heterosis: Heterosis, finished: Path) -> None:
    ended = heterosis("status", finished)
    assert ended.code == 0
    tally = read_tally(RunDir(finished).events_jsonl)
    assert f"{tally.epochs}/{tally.epochs} network-epochs" in ended.out
    assert "trials 2/2" in ended.out
    assert "finished; last event" in ended.out


def test_status_of_a_run_that_broke_off_says_so(
    heterosis: Heterosis, mishap: Mishap, tmp_path: Path
) -> None:
    root = copied(mishap.root, tmp_path)
    log = RunDir(root).events_jsonl
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:20]))
    RunDir(root).lock.unlink()
    ended = heterosis("status", root)
    assert "broke off without an end; continue with: heterosis run " in ended.out
    assert not RunDir(root).lock.exists()


def test_status_before_the_first_event(
    heterosis: Heterosis, finished: Path, tmp_path: Path
) -> None:
    root = copied(finished, tmp_path)
    RunDir(root).events_jsonl.unlink()
    shutil.rmtree(RunDir(root).tables)
    for path in RunDir(root).results():
        path.unlink()
    ended = heterosis("status", root)
    assert ended.code == 0
    assert "nothing was submitted yet" in ended.out


def test_status_without_an_event_log_tells_what_it_can(
    heterosis: Heterosis, finished: Path, tmp_path: Path
) -> None:
    root = copied(finished, tmp_path)
    RunDir(root).events_jsonl.unlink()
    ended = heterosis("status", root)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("finished: ")
    assert "event log is lost" in ended.out
    RunDir(root).table("epochs").unlink()
    ended = heterosis("status", root)
    assert "its progress is unknown" in ended.out
    assert "; continue with: heterosis run " in ended.out


def test_status_of_something_else_is_refused(heterosis: Heterosis, tmp_path: Path) -> None:
    ended = heterosis("status", tmp_path)
    assert ended.code == 2
    assert "not a run directory" in ended.err


# ------------------------------------------------------------------------------------ watching
def test_once_is_what_status_shows(heterosis: Heterosis, finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path, "trial-001/twice/segment-2/*")
    once, status = heterosis("watch", root, "--once"), heterosis("status", root)
    assert once == status
    assert once.code == 0
    assert "held-out loss of the best member by epoch" in once.out
    assert "75/78 network-epochs" in once.out
    assert re.search(r"^trial-001/segment-2/member-0\d +control +4 +1\.\d+", once.out, flags=re.M)


@pytest.mark.parametrize(("how", "code"), [("finished", 0), ("stopped", 1)])
def test_watching_ends_when_the_run_ends(
    how: str,
    code: int,
    heterosis: Heterosis,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = broken_off(finished, tmp_path, "trial-001/twice/harvest")
    run, held, seen, look = RunDir(root), threading.Event(), threading.Event(), Lookout.look
    shutil.copytree(RunDir(finished).tables, run.tables)

    def look_on(lookout: Lookout) -> Look:
        found = look(lookout)
        seen.set()
        return found

    def drive() -> None:
        with only_driver(run.lock):
            held.set()
            assert seen.wait(60)
            with run.events_jsonl.open("a") as file:
                file.write(json.dumps({"unix_s": time.time(), "event": "end", "how": how}) + "\n")

    monkeypatch.setattr(Lookout, "look", look_on)
    driver = threading.Thread(target=drive)
    driver.start()
    assert held.wait(20)
    before = contents(root)
    ended = heterosis("watch", root, "--every", "0.5")
    driver.join()
    assert (ended.code, ended.err) == (code, "")
    assert "\nrunning (host" in ended.out
    assert f"\n{how}; " in ended.out
    assert ended.out.index("running (host") < ended.out.index(f"\n{how}; ")
    after = contents(root)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {run.events_jsonl.name}


def test_in_a_terminal_the_picture_is_renewed_in_place(finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path, "trial-001/twice/harvest")
    run, shown = RunDir(root), io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100, height=50)
    with only_driver(run.lock):
        watching = threading.Thread(target=picture.watch, args=(run, console, 0.1))
        watching.start()
        while shown.getvalue().count("last event") < 3:
            assert watching.is_alive()
            time.sleep(0.05)
    watching.join()
    assert "\x1b[1A" in shown.getvalue()
    assert shown.getvalue().rstrip().splitlines()[-1]
    assert "broke off without an end" in shown.getvalue()


def test_ctrl_c_ends_watching_quietly(
    heterosis: Heterosis, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = broken_off(finished, tmp_path, "trial-001/twice/harvest")
    monkeypatch.setattr(time, "sleep", press)
    with only_driver(RunDir(root).lock):
        ended = heterosis("watch", root)
    assert (ended.code, ended.err) == (130, "")


def test_many_workers_and_arms_are_shortened() -> None:
    workers = tuple(Worker("node", str(each), "t", float(each), float(each)) for each in range(20))
    best = (Best("f", tuple("abcdef"), 3, 0.5),)
    standing = Standing(Tally(), "running", "running (host)")
    shown = io.StringIO()
    picture._print(
        Look("run", 0.0, standing, 0.0, best=best, workers=workers), Console(file=shown, width=99)
    )
    text = shown.getvalue()
    assert "20 workers: 20 compute, 0 wait" in text
    assert "0:19 ago" in text
    assert "0:03 ago" not in text
    assert "... and 8 more" in text
    assert "6 arms, before they part" in text
