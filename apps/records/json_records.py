"""Records of a run that are JSON tables, for those who cannot do without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from apps.errors import UserError

AGAIN: Final = "start the same `heterosis run` again to have it written"
"""What mends a record that is missing or damaged."""


def read_record(path: Path) -> dict[str, Any]:
    """Return a record of a run directory by its keys.

    Raises:
        UserError: it is missing, cannot be read, or is no table.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: is needed here and cannot be read: {error.strerror}; {AGAIN}",
            code="run-damaged",
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}; {AGAIN}", code="run-damaged") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a table is needed here; {AGAIN}", code="run-damaged")
    return content


def not_written_by_a_run(path: Path, why: str) -> UserError:
    """Return the error of a record that is JSON, but lacks what a run writes into it."""
    return UserError(f"{path}: is not what a run writes: {why}; {AGAIN}", code="run-damaged")
