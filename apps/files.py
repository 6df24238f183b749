"""Files written atomically (write beside, fsync, rename), checksums, limits on reading."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from apps.errors import Code, HeterosisError


class DamagedFile(HeterosisError):
    """A file is not what its record says: truncated, changed or larger than allowed."""

    code: Code = "damaged-file"


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a crash leaves the old file or the new one.

    Args:
        path: the file; its folder is made when missing.
        content: all of its bytes.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_limited(path: Path, limit: int) -> bytes:
    """Return the file's bytes.

    Raises:
        DamagedFile: the file holds more than `limit` bytes.
        OSError: the file is missing or cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise DamagedFile(
                f"{path}: holds {size} bytes; of such a file at most {limit} are read"
            )
        return file.read(size)


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
