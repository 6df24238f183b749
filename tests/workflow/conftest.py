"""A run that is finished, and the command called in this process."""

from __future__ import annotations

import io
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.experiments import FOLDER, TINY, mishap_table, mishaps_beside, serial, write
from tests.support.once import made_once
from tests.support.reports import without_pictures
from workflow.cli import main
from workflow.launch import run


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Heterosis = Callable[..., Ended]


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Put back what the command changes in its process."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    loggers = [
        logging.getLogger(name) for name in ("workflow", "apps", "parsl", "concurrent.futures")
    ]
    levels = [logger.level for logger in loggers]
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for logger, level in zip(loggers, levels, strict=True):
            for log in logger.handlers[:]:
                logger.removeHandler(log)
                log.close()
            logger.setLevel(level)
            logger.propagate = True


def call(patch: pytest.MonkeyPatch, arguments: tuple[Any, ...], **parts: Any) -> int:
    """Call the command in this process, on the serial executor; return its exit code.

    Args:
        patch: puts the command line back.
        arguments: of the command.
        parts: what `workflow.launch.run` is handed besides: another engine, another rehearsal.
    """
    patch.setattr(sys, "argv", ["heterosis", *map(str, arguments)])
    with _as_it_was():
        try:
            main(partial(run, **{"engine": serial} | parts))
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@pytest.fixture
def heterosis(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Heterosis:
    """Calls the command in this process, on the serial executor; reports have no pictures."""
    without_pictures(monkeypatch)

    def ended(*arguments: Any, **parts: Any) -> Ended:
        capfd.readouterr()
        code = call(monkeypatch, arguments, **parts)
        return Ended(code, *capfd.readouterr())

    return ended


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """A shell's background job ignores it, and so would every process that a test starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _folder() -> Iterator[None]:
    yield
    shutil.rmtree(FOLDER)


@pytest.fixture(scope="session")
def tiny_file() -> Path:
    """The file of the experiment `TINY`."""
    return write(FOLDER, TINY)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_file: Path) -> Path:
    """The run directory of `TINY`, made on the serial executor; not to be touched."""

    def make(runs: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            assert call(patch, ("run", tiny_file, "--runs", runs)) == 0

    return made_once(tmp_path_factory, "finished", make) / "tiny"


@dataclass(frozen=True)
class Mishap:
    """A run in which members failed: directory, file, end, and what causes them."""

    root: Path
    file: Path
    ended: Ended
    marker: Path


@pytest.fixture(scope="session")
def mishap(tmp_path_factory: pytest.TempPathFactory, tiny_file: Path) -> Mishap:
    """A run with failed and diverged members; not to be touched."""
    folder = tmp_path_factory.mktemp("mishap")
    mishaps_beside(tiny_file.parent)
    marker = folder / "marker"
    marker.touch()
    file = write(tiny_file.parent, mishap_table(marker), "mishap.toml")
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        # A rehearsal would tell it before the run begins.
        without_pictures(patch)
        command = ("run", file, "--runs", folder / "runs")
        code = call(patch, command, rehearse=lambda *_: None)
    return Mishap(
        folder / "runs" / "tiny", file, Ended(code, out.getvalue(), err.getvalue()), marker
    )
