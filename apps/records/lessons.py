"""Predictions of the training targets <-> one safetensors file, checked by its SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from apps.files import DamagedFile, read_limited, sha256, write_atomic
from apps.messages.results import CheckpointRef
from apps.messages.tasks import Workplace
from apps.records.checkpoints import LARGEST

Predictions = NDArray[Any] | Mapping[str, NDArray[Any]]
"""Of one output [samples, ...], or of several by name."""

_ONLY: Final = "output"
_NAMED: Final = "outputs/"


def save_predictions(path: Path, predictions: Predictions) -> str:
    """Write predictions atomically.

    Returns:
        The SHA-256 of the file.

    Raises:
        OSError: the file cannot be written; an older one is still whole.
    """
    named = (
        {f"{_NAMED}{name}": array for name, array in predictions.items()}
        if isinstance(predictions, Mapping)
        else {_ONLY: predictions}
    )
    content = save({name: np.ascontiguousarray(array) for name, array in named.items()})
    write_atomic(path, content)
    return sha256(content)


def load_predictions(ref: CheckpointRef, place: Workplace) -> Predictions:
    """Read the predictions that a message refers to, below the run directory of `place`.

    Raises:
        DamagedFile: the file is missing, not one of predictions, or not the one recorded.
    """
    path = Path(place.root) / ref.path
    try:
        content = read_limited(path, LARGEST)
    except OSError as error:
        raise DamagedFile(f"{path}: predictions are needed here: {error.strerror}") from error
    if sha256(content) != ref.sha256:
        raise DamagedFile(f"{path}: the bytes differ from the recorded SHA-256 {ref.sha256}")
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise DamagedFile(f"{path}: not a file of predictions: {error}") from error
    if _ONLY in arrays:
        return arrays[_ONLY]
    return {name.removeprefix(_NAMED): array for name, array in sorted(arrays.items())}
