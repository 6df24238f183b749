"""Files in MNIST's idx format: verified, unpacked, kept as memory-mapped arrays.

A known file's checksum is of its unpacked content, so that it holds however the file was packed.
Once that checksum is right the format needs no parsing: header and shape are what they were.
"""

from __future__ import annotations

import io
import math
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.errors import UserError
from apps.files import sha256, write_atomic

Arrays = dict[str, NDArray[np.uint8]]

_PACKING_OVERHEAD_BYTES: Final = 64 * 1024
_TYPES: Final = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@dataclass(frozen=True)
class IdxFile:
    """One file: its name without `.gz`, the array's shape, SHA-256 of the unpacked content."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def header_bytes(self) -> int:
        """Bytes before the array: a magic number and one length an axis."""
        return 4 + 4 * len(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of the unpacked file."""
        return self.header_bytes + math.prod(self.shape)

    @property
    def limit_bytes(self) -> int:
        """Largest number of bytes that is read, of the packed or the unpacked file."""
        return self.size_bytes + _PACKING_OVERHEAD_BYTES


def find(folder: Path, file: IdxFile) -> Path | None:
    """Return the path of the file in `folder`, packed before unpacked, or None."""
    candidates = (folder / f"{file.name}.gz", folder / file.name)
    return next((path for path in candidates if os.path.isfile(path)), None)


def read_folder(folder: Path, files: Mapping[str, IdxFile]) -> dict[str, bytes]:
    """Return the verified, unpacked content of every file, from `folder`.

    Raises:
        UserError: a file is missing, cannot be read, or is not the expected one.
    """
    missing = [file.name for file in files.values() if find(folder, file) is None]
    if missing and os.path.isfile(folder):
        raise UserError(
            f"{folder}: this is a file; name the folder that holds the data's files",
            code="data-not-found",
        )
    if missing and not os.path.isdir(folder):
        raise UserError(f"{folder}: there is no such folder", code="data-not-found")
    if len(missing) == len(files):
        raise UserError(f"{folder}: none of the {len(files)} files is there", code="data-not-found")
    if missing:
        raise UserError(
            f"{folder}: missing {', '.join(missing)} (as .gz or unpacked)", code="data-not-found"
        )
    return {key: read_file(folder, file) for key, file in files.items()}


def read_file(folder: Path, file: IdxFile) -> bytes:
    """Return the verified, unpacked content of one file.

    Raises:
        UserError: it is missing, cannot be read, or is not the expected one.
    """
    path = find(folder, file)
    if path is None:
        raise UserError(
            f"{folder}: missing {file.name} (as .gz or unpacked)", code="data-not-found"
        )
    try:
        with path.open("rb") as stream:
            content = stream.read(file.limit_bytes)
    except OSError as error:
        raise UserError(f"{path}: {told(error)}", code="data-damaged") from error
    return verified(content, file, str(path), packed=path.suffix == ".gz")


def verified(content: bytes, file: IdxFile, source: str, *, packed: bool) -> bytes:
    """Return the unpacked `content` of `file` if it is what it should be.

    Raises:
        UserError: it is damaged, truncated, too long, or has another checksum.
    """
    whole = True
    if packed:
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(content, file.size_bytes + 1)
        except zlib.error as error:
            raise UserError(
                f"{source}: not a sound gzip file ({error}); replace it", code="data-damaged"
            ) from error
        whole = unpacker.eof
    if len(content) > file.size_bytes:
        raise UserError(
            f"{source}: longer than the {file.size_bytes:,} bytes expected; replace it",
            code="data-damaged",
        )
    if not whole or len(content) < file.size_bytes:
        raise UserError(
            f"{source}: truncated, unpacks to {len(content):,} bytes where {file.size_bytes:,} are"
            " expected; replace it",
            code="data-damaged",
        )
    if (found := sha256(content)) != file.sha256:
        raise UserError(
            f"{source}: wrong checksum, expected SHA-256 {file.sha256} of the unpacked content,"
            f" found {found}; replace it",
            code="data-damaged",
        )
    return content


def decode(contents: Mapping[str, bytes], files: Mapping[str, IdxFile]) -> Arrays:
    """Return the arrays of verified contents, read-only, without a copy."""
    return {
        key: np.frombuffer(contents[key], np.uint8, offset=file.header_bytes).reshape(file.shape)
        for key, file in files.items()
    }


def parsed(content: bytes) -> NDArray[Any]:
    """Return the array of an unpacked idx file of any shape and type of numbers.

    Args:
        content: two bytes 0, one for the type, one for the number of axes; the lengths of the axes,
            4 bytes each; the numbers. All with the highest byte first.

    Raises:
        ValueError: it is not such a file, or another length than its header says.

    >>> parsed(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7]))
    array([5, 7], dtype=uint8)
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError("its first bytes are not those of the format")
    kind = np.dtype(_TYPES[content[2]])
    begin = 4 + 4 * content[3]
    shape = [int(length) for length in np.frombuffer(content[4:begin], ">u4")]
    size = begin + math.prod(shape) * kind.itemsize
    if len(shape) != content[3] or not shape or len(content) != size:
        raise ValueError(f"it has {len(content):,} bytes, of which its header says {size:,}")
    array = np.frombuffer(content, kind, offset=begin).reshape(shape)
    return array.astype(kind.newbyteorder("="))


def store(folder: Path, arrays: Arrays) -> None:
    """Write each array into `folder` as `KEY.npy`, atomically.

    Raises:
        OSError: the folder cannot be written.
    """
    for key, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        write_atomic(folder / f"{key}.npy", buffer.getvalue())


def mapped(folder: Path, files: Mapping[str, IdxFile]) -> Arrays | None:
    """Return the stored arrays, memory-mapped and read-only.

    Returns:
        The arrays, or None when one is missing or not of its type, shape and length.
    """
    arrays: Arrays = {}
    for key, file in files.items():
        path = folder / f"{key}.npy"
        try:
            array = np.lib.format.open_memmap(path, mode="r")
            length = path.stat().st_size
        except (OSError, ValueError):
            return None
        if array.shape != file.shape or array.dtype != np.uint8:
            return None
        if length != array.offset + array.nbytes:
            return None
        arrays[key] = np.asarray(array)
    return arrays


def told(error: Exception) -> str:
    """Return an error's message in a line, with the file it is about."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror} ({error.filename})"
    return str(error) or type(error).__name__
