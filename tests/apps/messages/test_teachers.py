"""Who teaches is named, or a number of the best."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from apps.messages.teachers import Teachers, TeachSpec

ADAPTER: TypeAdapter[Any] = TypeAdapter(Teachers)


@pytest.mark.parametrize("value", ["parents", "survivors", "all", 1, 6])
def test_who_teaches(value: Any) -> None:
    found = ADAPTER.validate_python(value)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("value", ["best", "6", 0, -1, True, 1.0, None])
def test_what_names_nobody_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="a number of the best from 1"):
        ADAPTER.validate_python(value)


def test_parents_teach_unless_others_are_asked_for() -> None:
    assert TeachSpec().teachers == "parents"
