"""A member's metrics for TensorBoard: a folder of event files for each task."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from apps.errors import UserError


def check_installed() -> None:
    """Check that event files can be written.

    Raises:
        UserError: TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise UserError(
            "--tensorboard needs the package tensorboard, which is not installed: "
            "pip install tensorboard",
            code="package-missing",
        )


class EventLog:
    """Writes the metrics of one task, epoch by epoch; without a folder it writes nothing."""

    def __init__(self, folder: Path | None) -> None:
        """Start an empty log; what an earlier attempt left is removed.

        Args:
            folder: of this task's event files; None for no log.
        """
        self._writer: Any = None
        if folder is not None:
            from tensorboard.summary import Writer

            shutil.rmtree(folder, ignore_errors=True)
            self._writer = Writer(str(folder))

    def __enter__(self) -> EventLog:
        """Return the log itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def add(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write an epoch's metrics; `epoch` counts from 1."""
        if self._writer is None:
            return
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()
