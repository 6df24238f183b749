"""The command `heterosis` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

HETEROSIS: Final = Path(sys.executable).with_name("heterosis")


def start(
    *arguments: str | Path, path: str | None = None, background: bool = False, **options: Any
) -> subprocess.Popen[str]:
    """Start `heterosis` in a process group of its own, as a terminal does.

    Args:
        arguments: of the command.
        path: the PATH; by default one without the virtual environment, as when it is not
            activated.
        background: with SIGINT ignored, as a script starts its background jobs.
        options: of `subprocess.Popen`.
    """
    shell = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"] if background else []
    return subprocess.Popen(
        [*shell, str(HETEROSIS), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PATH": path or unactivated_path()},
        start_new_session=True,
        **options,
    )


def unactivated_path() -> str:
    """Return PATH without any folder that has Parsl's programs."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(each for each in folders if not (Path(each) / "interchange.py").exists())


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], s: float) -> None:
    """Wait for something that a process does.

    Raises:
        AssertionError: it ended before, or took longer than `s` seconds.
    """
    deadline = time.monotonic() + s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def group(process: subprocess.Popen[str]) -> set[int]:
    """Return the processes of the session that `process` leads."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, *facts = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            # A zombie has ended; process 1 may take its time to notice.
            if int(facts[2]) == process.pid and state != "Z":
                found.add(int(entry.name))
    return found
