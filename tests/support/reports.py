"""Reports without their pictures, which take most of the time that a report does."""

from __future__ import annotations

import pytest

from analysis.figures import chosen
from analysis.figures.picture import Picture


def without_pictures(patch: pytest.MonkeyPatch) -> None:
    """Let reports be written whole, but for what is drawn."""

    def none(*_: object) -> list[Picture]:
        return []

    patch.setattr(chosen, "pictures", none)
