"""What is wrong with an experiment's tables, in the terms of who wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from apps.strict import breaches
from workflow.experiment.halts import Halt

TOO_DEEP: Final = "tables or arrays are nested too deeply"


def explained(source: str, error: ValidationError, table: Mapping[str, Any]) -> str:
    """Return what breaks a rule, a line each.

    Args:
        source: where the tables are from.
        error: what was found.
        table: the experiment as it was written.
    """
    return "\n".join(dict.fromkeys(_lines(source, error, table)))


def _lines(source: str, error: ValidationError, table: Mapping[str, Any]) -> Iterator[str]:
    for breach in breaches(error):
        if breach.kind.startswith("recursion"):
            yield f"{source}: {'.'.join(map(str, breach.place[:3]))}: {TOO_DEEP}"
        else:
            yield f"{source}: {breach.told('.'.join(_place(breach.place, table)))}"


def _place(loc: Sequence[int | str], table: Mapping[str, Any]) -> list[str]:
    """Return where an error is, in the user's terms: arms by their names."""
    parts = [str(part) for part in loc]
    if parts[:1] != ["arms"] or len(parts) < 2:
        return parts
    arm = table["arms"][loc[1]]
    if not isinstance(arm, Mapping):
        return parts
    if isinstance(arm.get("name"), str):
        parts[1] = arm["name"]
    if parts[2:3] == ["halts"] and len(parts) > 4:
        halt = arm["halts"][loc[3]]
        names = {parts[4], *(old for old, new in Halt.former_keys().items() if new == parts[4])}
        if names & arm.keys() and not (isinstance(halt, Mapping) and names & halt.keys()):
            del parts[2:4]  # the key stands in the arm, for all of its halts
    return parts
