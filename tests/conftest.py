"""How the tests are shared out among processes (`pytest -n 2 --dist loadgroup`)."""

from __future__ import annotations

from pathlib import Path

import pytest

SLURM = Path(__file__).parent / "slurm"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, for their fixtures, and those of the one cluster."""
    for item in items:
        group = "slurm" if SLURM in item.path.parents else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
