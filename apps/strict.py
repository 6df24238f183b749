"""What a user writes: tables whose unknown keys are refused, `key=value`, and errors in words.

Every message names key, value and rule.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, time
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from apps.errors import Code, UserError, did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_LONGEST_ARRAY: Final = 8
"""Values of an array that a message shows."""


class Strict(BaseModel):
    """A table of a user's file: unknown keys are refused, the nearest known one is named."""

    # Strict: "3" is no number and true is none either.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, table: Any) -> Any:
        if isinstance(table, Mapping):
            check_keys(table, cls.known_keys())
        return table

    @classmethod
    def known_keys(cls) -> Sequence[str]:
        """Keys that the table may have."""
        return list(cls.model_fields)


class Table:
    """A table of a user's file that travels in messages as it is: a frozen dataclass.

    As a field of a `Strict` model it is read as strictly. Elsewhere, and when it is made in
    Python, nothing is checked: an experiment is checked once, when its file is read.
    """

    @classmethod
    def known_keys(cls) -> Sequence[str]:
        """Keys that the table may have."""
        return [item.name for item in fields(cast("type[DataclassInstance]", cls))]

    @classmethod
    def former_keys(cls) -> Mapping[str, str]:
        """Keys of earlier versions that a file may still have, and what they are called now."""
        return {}

    @classmethod
    def unfolded(cls, table: Any) -> Any:
        """Return the table that a short form in the file stands for."""
        return table

    def part(self, kind: type[Table]) -> dict[str, Any]:
        """Return the fields that the table has from one of its bases, to make another of it."""
        return {key: getattr(self, key) for key in kind.known_keys()}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the keys before the values, in the words of `check_keys`."""
        own: dict[str, Any] = {**handler.resolve_ref_schema(handler(source))}
        # Wherever the class is a field, what it refers to is the checked table.
        reference = own.pop("ref", None)
        # Strict about values: the table itself comes as a dictionary, not as an instance.
        own["strict"] = False
        strict = own.get("config", {}).get("extra_fields_behavior") == "forbid"

        def read(table: Any) -> Any:
            table = cls.unfolded(table)
            if strict and isinstance(table, Mapping):
                table = with_present_keys(table, cls.former_keys())
                check_keys(table, cls.known_keys())
            return table

        return core_schema.no_info_before_validator_function(
            read, cast(CoreSchema, own), ref=reference
        )


def with_present_keys(table: Mapping[str, Any], former: Mapping[str, str]) -> dict[str, Any]:
    """Return a table with its keys of earlier versions under their present names.

    Args:
        table: as it was written.
        former: the keys of earlier versions, and what they are called now.

    Raises:
        ValueError: the table has a key under both of its names.

    >>> with_present_keys({"rate": 0.1, "scale": 0.2}, {"rate": "mutation_rate"})
    {'mutation_rate': 0.1, 'scale': 0.2}
    """
    for old, new in former.items():
        if old in table and new in table:
            raise ValueError(f"{new!r} is set twice, also as {old!r}, its former name; remove that")
    return {former.get(key, key): value for key, value in table.items()}


def check_keys(table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Check a table's keys.

    Raises:
        ValueError: a key is unknown; the message names it and the nearest known one.
    """
    for key in table:
        if key not in known:
            raise ValueError(
                f"unknown key {key!r}; {did_you_mean(key, known)}known keys are {', '.join(known)}"
            )


@dataclass(frozen=True)
class Breach:
    """A rule that a table breaks, in the words of who wrote the table.

    Attributes:
        place: keys and numbers on the way to the value; empty for the table as a whole.
        rule: what is required.
        shown: " = " and the value, or "" where it is missing, a table, or a long array.
        kind: pydantic's name of the rule: "missing", say.
    """

    place: tuple[int | str, ...]
    rule: str
    shown: str
    kind: str

    def told(self, where: str) -> str:
        """Return place, value and rule; without a place the rule alone."""
        return f"{where}{self.shown}: {self.rule}" if where else self.rule


def breaches(error: ValidationError) -> Iterator[Breach]:
    """Yield what pydantic found, in the order of the table's fields."""
    for item in error.errors(include_url=False):
        kind, value = item["type"], item["input"]
        rule = item["msg"].removeprefix("Value error, ")
        rule = re.sub("(valid )?dictionary( or (an )?instance of [A-Za-z]+)?", "valid table", rule)
        rule = re.sub("[Tt]uple", "array", rule)
        hidden = kind == "missing" or isinstance(value, Mapping) or _is_long(value)
        yield Breach(item["loc"], rule, "" if hidden else f" = {value!r}", kind)


def _is_long(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    return len(value) > _LONGEST_ARRAY or any(isinstance(each, Mapping | list) for each in value)


def key_value(text: str, option: str, code: Code) -> tuple[str, Any]:
    """Return the two sides of a `key=value` of the command line.

    Args:
        text: what was given.
        option: the command's option, for the message.
        code: of the error.

    Returns:
        The key, and the value: TOML, or the text itself where it is none, or a date.

    Raises:
        UserError: there is no key, or no `=`.

    >>> key_value("training.epochs=10", "--set", "experiment-setting")
    ('training.epochs', 10)
    >>> key_value("queue=short", "--option", "site-option")
    ('queue', 'short')
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"{option} {text!r}: must have the form key=value", code=code)
    try:
        table = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key.strip(), value
    plain = len(table) == 1 and not isinstance(table["value"], date | time)
    return key.strip(), table["value"] if plain else value
