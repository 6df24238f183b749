"""A tiny task for `heterosis doctor`: what a run needs, as a worker sees it."""

from __future__ import annotations

import os
import platform
import socket
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from apps.datasets.load import prepare
from apps.errors import HeterosisError
from apps.files import write_atomic
from apps.messages.specs import DataSpec

PACKAGES: Final = (
    "heterosis",
    "parsl",
    "tensorflow",
    "keras",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "safetensors",
)
"""Packages that need equal versions on both sides, for equal results and readable messages."""

ASKED: Final = "asked"
ANSWERED: Final = "answered"


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        what: was checked, in a few words.
        ok: whether it is as it should be.
        found: what was seen.
        next_step: what to do if it is not.
    """

    what: str
    ok: bool
    found: str
    next_step: str = ""


def versions() -> dict[str, str]:
    """Return the versions of Python and `PACKAGES` in this process."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def checkup(folder: str, data: DataSpec, search_path: str, gpus: bool) -> dict[str, Any]:
    """Return what this worker has and sees, as plain data; never raises.

    `workers` are those of its pool, on one node, that may use the same cores if none is bound to
    its own.

    Args:
        folder: shared with the driver, which has written a file `ASKED`; its content is copied to a
            file `ANSWERED`.
        data: that must be found.
        search_path: where plug-ins are looked for.
        gpus: whether to ask TensorFlow for GPUs, which loads it.
    """
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "interpreter": sys.executable,
        "versions": versions(),
        "cores": cores(),
        "workers": int(os.environ.get("PARSL_WORKER_COUNT", "1")),
        "folder_error": _answer(Path(folder)),
        "data_error": _find(data, search_path),
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        "gpus": _gpus() if gpus else [],
    }


def _answer(folder: Path) -> str:
    try:
        write_atomic(folder / ANSWERED, (folder / ASKED).read_bytes())
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    return ""


def _find(data: DataSpec, search_path: str) -> str:
    try:
        prepare(data, search_path)
    except HeterosisError as error:
        return str(error)
    return ""


def _gpus() -> list[str]:
    from apps.runtime import load_keras

    load_keras()
    import tensorflow as tf

    return [device.name for device in tf.config.list_physical_devices("GPU")]
