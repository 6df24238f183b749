"""A folder of a user's own, and a way to write modules into it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest


@pytest.fixture
def search_path(tmp_path: Path) -> Iterator[str]:
    """A folder for plug-ins; `sys.path` is restored afterwards."""
    before = list(sys.path)
    yield str(tmp_path)
    sys.path[:] = before


@pytest.fixture
def write(search_path: str) -> Callable[[str], str]:
    """Writes a module of a fresh name into the search path and returns the name."""

    def write_module(source: str) -> str:
        name = f"plugin_{uuid4().hex}"
        (Path(search_path) / f"{name}.py").write_text(source)
        return name

    return write_module
