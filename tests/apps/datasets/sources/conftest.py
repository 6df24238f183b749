"""Every test reads its files itself."""

from __future__ import annotations

import pytest

from apps.datasets.load import forget_datasets


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    forget_datasets()
