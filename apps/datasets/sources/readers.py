"""The readers by name, their settings checked, and a digest of what they read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from apps.datasets.sources.friedman import Friedman
from apps.datasets.sources.idx_folder import IdxFolder
from apps.datasets.sources.images import Images
from apps.datasets.sources.mackey_glass import MackeyGlass
from apps.datasets.sources.npz import Npz
from apps.datasets.sources.reader import Reader
from apps.datasets.sources.table import Table
from apps.errors import UserError
from apps.files import sha256, sha256_file
from apps.strict import breaches

READERS: Final[dict[str, type[Reader]]] = {
    "friedman": Friedman,
    "idx": IdxFolder,
    "images": Images,
    "mackey_glass": MackeyGlass,
    "npz": Npz,
    "table": Table,
}
"""Kinds of data by the name that an experiment gives as `data.name`."""


def make_reader(name: str, params: Mapping[str, Any]) -> Reader:
    """Return the reader `name` with the settings `params`.

    Raises:
        UserError: a setting is missing, unknown or wrong; in one line.

    >>> make_reader("npz", {"path": "mine.npz", "test": 0.5}).test
    0.5
    """
    try:
        return READERS[name].model_validate(dict(params))
    except ValidationError as error:
        first = next(breaches(error))
        key = ".".join(["data.params", *map(str, first.place)])
        if first.kind == "missing":
            raise UserError(
                f'{key} is needed by data.name = "{name}"; it has the settings '
                f"{', '.join(READERS[name].known_keys())}",
                code="data-setting",
            ) from error
        raise UserError(
            f'{key}{first.shown} of data.name = "{name}": {first.rule}', code="data-setting"
        ) from error


def content_digest(reader: Reader, folder: Path) -> str:
    """Return the SHA-256 of the contents of a reader's files; "" if it has none.

    Args:
        reader: names the files.
        folder: of the experiment.

    Raises:
        UserError: they are missing or cannot be read.
    """
    files = reader.files(folder)
    try:
        lines = [f"{sha256_file(path)} {name}" for name, path in sorted(files.items())]
    except OSError as error:
        raise UserError(
            f"{error.filename}: cannot be read: {error.strerror}", code="data-damaged"
        ) from error
    return sha256("\n".join(lines).encode()) if lines else ""
