"""A task's result as a file: `result.json` beside its checkpoint, written last, atomically."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from apps.files import DamagedFile, read_limited, sha256_file, write_atomic
from apps.messages.fingerprints import from_json, to_json
from apps.messages.results import EpochRecord, Failure, Result
from apps.records.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from apps.records.run_dir import FAILURE, PARTIAL, PARTIAL_RECORD, RESULT

LARGEST: Final = 64 * 2**20
"""Largest size of a record that is read, in bytes."""

_Result = TypeVar("_Result", bound=Result)


@dataclass(frozen=True)
class Partial:
    """The record of a partial checkpoint, in the middle of a segment."""

    fingerprint: str
    sha256: str
    records: tuple[EpochRecord, ...]
    start: dict[str, float]


@dataclass(frozen=True)
class _LastingFailure:
    """The record of a failure that another attempt would repeat."""

    fingerprint: str
    failure: Failure


@dataclass(frozen=True)
class PartialState:
    """A partial checkpoint as it is read: the state, and the epochs recorded before it."""

    state: Checkpoint
    records: tuple[EpochRecord, ...]
    start: dict[str, float]


def save_result(folder: Path, result: Result) -> None:
    """Write the record that makes a task done; its checkpoint is stored before.

    What was stored on the way to it is no longer needed and goes.
    """
    write_atomic(folder / RESULT, to_json(result))
    for name in (PARTIAL_RECORD, PARTIAL):
        (folder / name).unlink(missing_ok=True)


def load_result(folder: Path, kind: type[_Result], fingerprint: str) -> _Result | None:
    """Return the finished result of a task, or None when it is to be computed.

    A record that is missing, damaged or of another message does not count.
    """
    result = stored_result(folder, kind)
    return result if result is not None and result.fingerprint == fingerprint else None


def stored_result(folder: Path, kind: type[_Result]) -> _Result | None:
    """Return the record in a task's folder, whatever its fingerprint; None without one."""
    try:
        return from_json(kind, read_limited(folder / RESULT, LARGEST))
    except (OSError, DamagedFile):
        return None


def save_failure(folder: Path, fingerprint: str, failure: Failure) -> None:
    """Write the record of a failure that another attempt would repeat."""
    write_atomic(folder / FAILURE, to_json(_LastingFailure(fingerprint, failure)))


def load_failure(folder: Path, fingerprint: str) -> Failure | None:
    """Return the recorded failure of a task, or None when it is to be computed."""
    record = _stored_failure(folder)
    return record.failure if record is not None and record.fingerprint == fingerprint else None


def is_recorded(folder: Path, failure: Failure) -> bool:
    """Whether a failure is the one that is recorded in a task's folder."""
    record = _stored_failure(folder)
    return record is not None and record.failure == failure


def _stored_failure(folder: Path) -> _LastingFailure | None:
    try:
        return from_json(_LastingFailure, read_limited(folder / FAILURE, LARGEST))
    except (OSError, DamagedFile):
        return None


def checkpoint_is_whole(path: Path, digest: str) -> bool:
    """Whether a checkpoint is there with the recorded bytes."""
    try:
        return sha256_file(path) == digest
    except OSError:
        return False


def save_partial(
    folder: Path,
    fingerprint: str,
    state: Checkpoint,
    records: list[EpochRecord],
    start: dict[str, float],
) -> None:
    """Store a partial checkpoint, so that a lost worker costs little."""
    digest = save_checkpoint(folder / PARTIAL, state)
    record = Partial(fingerprint, digest, tuple(records), start)
    write_atomic(folder / PARTIAL_RECORD, to_json(record))


def load_partial(folder: Path, fingerprint: str) -> PartialState | None:
    """Return the partial checkpoint of the same task, or None."""
    try:
        record = from_json(Partial, read_limited(folder / PARTIAL_RECORD, LARGEST))
        if record.fingerprint != fingerprint:
            return None
        state = load_checkpoint(folder / PARTIAL, record.sha256)
    except (OSError, DamagedFile):
        return None
    return PartialState(state, record.records, record.start)


def partial_epochs(folder: Path) -> tuple[EpochRecord, ...]:
    """Return the epochs of a segment that a partial checkpoint holds; none without one."""
    try:
        return from_json(Partial, read_limited(folder / PARTIAL_RECORD, LARGEST)).records
    except (OSError, DamagedFile):
        return ()
