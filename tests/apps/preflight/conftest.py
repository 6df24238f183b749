from __future__ import annotations

from pathlib import Path

import pytest

from apps.messages.tasks import Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path / "nowhere"))
