"""A table of the file that travels in messages is read strictly, and made in Python freely."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from apps.errors import UserError
from apps.strict import Strict, Table, breaches, key_value


@dataclass(frozen=True)
class Wheel(Table):
    """A table that may be a number."""

    inches: Annotated[float, Field(gt=0)] = 28.0
    spokes: int = 36

    @classmethod
    def unfolded(cls, table: Any) -> Any:
        return {"inches": table} if isinstance(table, float) else table


@dataclass(frozen=True, kw_only=True)
class Frame(Table):
    """What a bicycle of the file and one in a message have in common."""

    front: Wheel = Wheel()
    back: Wheel | None = None
    colours: Annotated[tuple[str, ...], Field(strict=False)] = ()
    others: dict[str, Wheel] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bicycle(Frame):
    """As the file has it."""

    gears: int


class Shop(Strict):
    """As the file has it."""

    one: Bicycle
    more: tuple[Bicycle, ...] = Field(default=(), strict=False)


def refused(table: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Shop.model_validate({"one": {"gears": 3} | table})
    found = caught.value.errors(include_url=False)
    return [(".".join(map(str, each["loc"])), each["msg"]) for each in found]


def test_a_table_is_read_with_its_short_forms_wherever_it_stands() -> None:
    table = {"gears": 1, "front": 26.0, "back": 27.0, "others": {"spare": 28.5}, "colours": ["red"]}
    shop = Shop.model_validate({"one": table, "more": [table]})
    expected = Bicycle(
        gears=1,
        front=Wheel(26.0),
        back=Wheel(27.0),
        others={"spare": Wheel(28.5)},
        colours=("red",),
    )
    assert shop == Shop(one=expected, more=(expected,))
    assert Shop.model_validate(shop.model_dump(mode="json")) == shop


@pytest.mark.parametrize(
    ("table", "where", "message"),
    [
        ({"front": {"inches": 0.0}}, "one.front.inches", "greater than 0"),
        ({"front": {"inches": math.nan}}, "one.front.inches", "finite number"),
        ({"front": {"spokes": "36"}}, "one.front.spokes", "valid integer"),
        ({"back": {"spokes": True}}, "one.back.spokes", "valid integer"),
        ({"front": 3}, "one.front", "dictionary"),
        ({"gears": 2.0}, "one.gears", "valid integer"),
        ({"back": {"spoke": 3}}, "one.back", "unknown key 'spoke'; did you mean 'spokes'?"),
        ({"others": {"a": {"b": 1}}}, "one.others.a", "known keys are inches, spokes"),
        ({"gear": 3}, "one", "unknown key 'gear'; did you mean 'gears'?"),
    ],
)
def test_a_mistake_is_told_where_it_stands(table: Any, where: str, message: str) -> None:
    ((place, text),) = refused(table)
    assert place == where
    assert message in text


def test_a_message_is_read_plainly() -> None:
    """What a later version stores besides is no damage."""
    found = TypeAdapter(Frame).validate_python(
        {"front": {"inches": 3, "more": 1}, "colours": ["r"]}
    )
    assert found == Frame(front=Wheel(3.0), colours=("r",))


def test_nothing_is_checked_where_it_is_made_in_python() -> None:
    assert Wheel(-1.0).inches == -1.0


def test_a_table_gives_what_it_shares() -> None:
    made = Bicycle(gears=7, back=Wheel(20.0))
    assert Frame(**made.part(Frame)) == Frame(back=Wheel(20.0))
    assert "gears" not in made.part(Frame)


# ------------------------------------------------------------------------------- errors in words
class Plain(Strict):
    """A table with a number and a table."""

    count: int
    inner: dict[str, int] | None = None


def told(**table: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Plain.model_validate(table)
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
