"""What a user wrote and what is wrong with it, in the user's words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from apps.errors import UserError
from apps.strict import Strict, breaches, key_value


class Table(Strict):
    count: int
    inner: dict[str, int] | None = None


def told(**table: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Table.model_validate(table)
    return [each.told(".".join(map(str, each.place))) for each in breaches(caught.value)]


def test_a_breach_names_place_value_and_rule() -> None:
    assert told(count="3") == ["count = '3': Input should be a valid integer"]
    assert told(inner={}) == ["count: Field required"]
    assert told(count=1, inner=[1]) == ["inner = [1]: Input should be a valid table"]
    assert told(count=1, inner=[{}]) == ["inner: Input should be a valid table"]
    assert told(count=1, inner=[0] * 9) == ["inner: Input should be a valid table"]


def test_a_breach_of_the_whole_table_has_no_place() -> None:
    (line,) = told(cuont=1)
    assert line == "unknown key 'cuont'; did you mean 'count'? known keys are count, inner"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=3", 3),
        ("k = [1, 2]", [1, 2]),
        ("k=true", True),
        ('k="3"', "3"),
        ("k=plain text", "plain text"),
        ("k=a=b", "a=b"),
        ("k=", ""),
        ("k=2024-01-31", "2024-01-31"),
        ("k=12:30:00", "12:30:00"),
        ("k=1\nother=2", "1\nother=2"),
    ],
)
def test_a_value_is_toml_or_text(text: str, value: Any) -> None:
    assert key_value(text, "--option", "site-option") == ("k", value)


@pytest.mark.parametrize("text", ["", "key", "=3", " =3"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--set .*must have the form key=value") as caught:
        key_value(text, "--set", "experiment-setting")
    assert caught.value.code == "experiment-setting"
