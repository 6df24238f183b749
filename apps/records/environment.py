"""What a run's `environment.json` says, for those who can do without it."""

from __future__ import annotations

import json
from typing import Any

from apps.records.run_dir import RunDir


def read_environment(run: RunDir) -> dict[str, Any]:
    """Return the record of a run's environment by its keys; {} where it cannot be read."""
    try:
        found = json.loads(run.environment_json.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
