"""Small data in files of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

from apps.datasets.load import prepare
from apps.errors import UserError
from apps.messages.specs import DataSpec

X: Final = np.arange(60, dtype=np.float32).reshape(20, 3)
Y: Final = np.arange(20) % 4


def spec(name: str, validation: int = 2, **params: Any) -> DataSpec:
    """Return what reads the file or folder `data` beside the experiment."""
    return DataSpec(name, {"path": "data"} | params, validation=validation)


def refused(given: DataSpec, folder: Path, expected: str) -> None:
    """Check that data are refused in one line."""
    with pytest.raises(UserError, match=expected) as caught:
        prepare(given, str(folder))
    assert "\n" not in str(caught.value)


def picture(path: Path, value: int, size: tuple[int, int] = (4, 6)) -> None:
    """Write a picture of one colour, of a height and a width."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (value, 0, 255 - value)).save(path)
