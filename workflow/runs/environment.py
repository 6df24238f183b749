"""The environment of a run: versions, host, command, commit."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apps.messages.tasks import Workplace
from apps.tasks.checkup import cores, versions


def describe(
    command: Sequence[str], site: str, workers: int | None, place: Workplace
) -> dict[str, Any]:
    """Return the environment of this process as plain data.

    Args:
        command: what started the run, word by word.
        site: as the user named it.
        workers: as given by `--workers`.
        place: where plug-ins are looked for, and threads per task, both needed to replay the run.
    """
    installed = versions()
    return {
        "command": list(command),
        "site": site,
        "workers": workers,
        "threads": place.threads,
        "folder": place.search_path,
        "python": installed.pop("python"),
        "packages": installed,
        "host": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": cores(),
        "commit": _commit(),
        "interpreter": sys.executable,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _commit() -> str:
    """Return the commit of a source checkout, or "" for an installed package."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():  # a repository around it would be the user's own
        return ""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
