"""A network's whole state <-> one safetensors file: no pickle, checked by its SHA-256."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from apps.files import DamagedFile, read_limited, sha256, write_atomic
from apps.genetics.weights import cast_like
from apps.messages.results import CheckpointRef
from apps.messages.tasks import Workplace

Array = NDArray[Any]

LARGEST: Final = 64 * 2**30
"""Largest size of a checkpoint that is read, in bytes."""

_GROUPS: Final = ("weights", "optimizer", "random", "average", "outer")


@dataclass(frozen=True)
class Checkpoint:
    """A member's state, from which training goes on as if it had never halted.

    Attributes:
        weights: name -> array, in the network's order; the learnt arrays and running statistics.
        optimizer: its variables, in its own order; empty for a fresh one.
        random: states of the network's random layers, in the network's order.
        average: the running average of the weights in float64, or the weights that a `fit` would
            have ended with where these are others; empty if there is neither.
        averaged: number of networks in the running average.
        outer: the momentum of the optimiser over the epochs, of the learnt arrays; empty for a
            fresh one.
    """

    weights: Mapping[str, Array]
    optimizer: Mapping[str, Array] = field(default_factory=dict)
    random: Mapping[str, Array] = field(default_factory=dict)
    average: Mapping[str, Array] = field(default_factory=dict)
    averaged: int = 0
    outer: Mapping[str, Array] = field(default_factory=dict)

    @property
    def network(self) -> Mapping[str, Array]:
        """The network that the member stands for: its average if it has one, else its weights."""
        return cast_like(self.average, self.weights) if self.average else self.weights


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> str:
    """Write a checkpoint atomically.

    Returns:
        The SHA-256 of the file.

    Raises:
        OSError: the file cannot be written; an older one is still whole.
    """
    tensors = {
        f"{group}/{name}": np.ascontiguousarray(array).reshape(np.shape(array))
        for group in _GROUPS
        for name, array in getattr(checkpoint, group).items()
    }
    # The format does not keep the order of its arrays, and their order is part of the state. It is
    # one entry: the library writes several in any order, and equal states must have equal bytes.
    header = {"state": json.dumps({"order": list(tensors), "averaged": checkpoint.averaged})}
    content = save(tensors, metadata=header)
    write_atomic(path, content)
    return sha256(content)


def load_checkpoint(path: Path, expected: str | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: the file.
        expected: the SHA-256 its bytes must have; None for a file that has no record yet.

    Raises:
        DamagedFile: the file is missing, not a checkpoint, or not the one recorded.
    """
    try:
        content = read_limited(path, LARGEST)
    except OSError as error:
        raise DamagedFile(f"{path}: a checkpoint is needed here: {error.strerror}") from error
    if expected is not None and sha256(content) != expected:
        raise DamagedFile(f"{path}: the bytes differ from the recorded SHA-256 {expected}")
    try:
        tensors = load(content)
        header = json.loads(_metadata(content)["state"])
        order, averaged = header["order"], int(header["averaged"])
        groups: dict[str, dict[str, Array]] = {group: {} for group in _GROUPS}
        for key in order:
            group, name = key.split("/", 1)
            groups[group][name] = tensors[key]
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DamagedFile(f"{path}: not a checkpoint of heterosis: {error}") from error
    return Checkpoint(**groups, averaged=averaged)


def open_checkpoint(ref: CheckpointRef, place: Workplace) -> Checkpoint:
    """Read the checkpoint that a message refers to, below the run directory of `place`.

    Raises:
        DamagedFile: as `load_checkpoint`.
    """
    return load_checkpoint(Path(place.root) / ref.path, ref.sha256)


def _metadata(content: bytes) -> dict[str, str]:
    # The library reads the metadata only from a path; the format puts it first: length, then JSON.
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata
