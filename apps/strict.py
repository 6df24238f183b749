"""Tables that a user writes: unknown keys are refused, every message names key, value and rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


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
