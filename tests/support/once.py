"""What a whole test session needs once, though it runs in several processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first process to need it has filled; the others wait.

    Args:
        factory: of the process; below its folder's parent all processes of a session meet.
        name: of the folder.
        make: fills it.
    """
    ours = factory.getbasetemp()
    folder = (ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours) / name
    filled = folder.with_name(f"{name}.filled")
    with FileLock(folder.with_name(f"{name}.lock")):
        if not filled.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed at it
            folder.mkdir()
            make(folder)
            filled.touch()
    return folder
