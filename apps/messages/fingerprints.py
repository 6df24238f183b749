"""Messages as JSON, and the fingerprint by which a task's result is found again."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from apps.files import DamagedFile, sha256
from apps.messages.results import Failure, Upstream
from apps.messages.specs import FINGERPRINT_NAME, Json
from apps.messages.tasks import Task

NUMERICS: Final = 7
"""Version of the numerical code: raised when the same message gives other numbers."""

_Message = TypeVar("_Message")

_NON_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def to_json(message: object) -> bytes:
    """Return a message as strict JSON; non-finite numbers become the strings NaN, Infinity."""
    return json.dumps(_plain(message, places=True), indent=1, allow_nan=False).encode()


def from_json(kind: type[_Message], content: bytes) -> _Message:
    """Return the message of class `kind` that `content` holds.

    Raises:
        DamagedFile: `content` is not such a message.
    """
    try:
        adapter: TypeAdapter[_Message] = _adapter(cast(Any, kind))
        return adapter.validate_python(json.loads(content))
    except (ValueError, RecursionError, ValidationError) as error:
        raise DamagedFile(f"not a {kind.__name__}: {error}") from error


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)  # Making one takes far longer than using it.


def fingerprint(task: Task, upstream: Upstream = ()) -> str:
    """Return the fingerprint of a task's result.

    It covers the resolved message without its places, the upstream results (their own fingerprints
    and the bytes of their checkpoints), and `NUMERICS`.
    """
    return content_key(
        task, ["failed" if isinstance(each, Failure) else each.identity for each in upstream]
    )


def content_key(task: Task, upstream: Sequence[str]) -> str:
    """Return the key of a task in its graph: its message and the keys of the tasks it waits for."""
    content = [NUMERICS, type(task).__name__, _plain(task), list(upstream)]
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _unsaid(item: Field[Any], value: Json) -> bool:
    """Whether a field is not part of a fingerprint."""
    if item.metadata.get("added"):
        made = item.default_factory
        return bool(value == (item.default if made is MISSING else made()))
    return bool(item.metadata.get("place"))


def _name(item: Field[Any], places: bool) -> str:
    return item.name if places else str(item.metadata.get(FINGERPRINT_NAME, item.name))


def _plain(value: Json, places: bool = False) -> Json:
    if is_dataclass(value):
        return {
            _name(item, places): _plain(getattr(value, item.name), places)
            for item in fields(value)
            if places or not _unsaid(item, getattr(value, item.name))
        }
    if isinstance(value, dict):
        return {key: _plain(item, places) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, places) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return _NON_FINITE[str(value)]
    return value
