"""The format idx."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from apps.datasets.idx import parsed
from apps.datasets.load import forget_datasets


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    forget_datasets()


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (13, ">f4")])
def test_idx_has_other_numbers_too(code: int, dtype: str) -> None:
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    content = struct.pack(">HBBII", 0, code, 2, 2, 3) + array.tobytes()
    found = parsed(content)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
