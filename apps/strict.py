"""Tables that a user writes: unknown keys are refused, every message names key, value and rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema


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
        return [item.name for item in fields(cls)]  # type: ignore[arg-type]

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
                check_keys(table, cls.known_keys())
            return table

        return core_schema.no_info_before_validator_function(
            read, cast(CoreSchema, own), ref=reference
        )


def check_keys(table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Check a table's keys.

    Raises:
        ValueError: a key is unknown; the message names it and the nearest known one.
    """
    for key in table:
        if key not in known:
            nearest = get_close_matches(key, known, n=1)
            hint = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise ValueError(f"unknown key {key!r}; {hint}known keys are {', '.join(known)}")
