"""Pages in a real browser, and the mark of tests that need one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

_BROWSER: Final = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)

# A user's machine need not have a browser; `.ci/run` installs it, so that there all of these run.
needs_browser = pytest.mark.skipif(
    _BROWSER is None, reason="needs Chromium (Debian: chromium), which .ci/run installs"
)


def browse(
    address: str, folder: Path, *flags: str, budget_ms: int = 5_000
) -> subprocess.CompletedProcess[str]:
    """Open a page; return its document at the end as output, the console among the errors.

    Args:
        address: of the page.
        folder: where the browser keeps its profile.
        flags: of Chromium, beside the usual ones.
        budget_ms: how much time passes on the page's own clock.
    """
    command = [
        str(_BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        f"--virtual-time-budget={budget_ms}",
        *flags,
        "--dump-dom",
        address,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)


def console(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what a page wrote to its console."""
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]
