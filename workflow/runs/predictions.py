"""Predictions of a run's champion: samples from a file, answers as a table."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from apps.champion import Champion
from apps.datasets.arrays import Array, Named
from apps.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEST: Final = "test"
"""Stands for the run's own test data."""

ENDINGS: Final = (".npy", ".npz", ".csv", ".parquet")
"""Of the files that samples are read from."""


def read_samples(path: Path, inputs: Sequence[str] = ()) -> Named:
    """Return the samples of a file [n, ...].

    Args:
        path: `.npy`; `.npz` with an array `x`, or one array only; `.csv` with a line of names, or
            `.parquet`, whose columns are the features in order.
        inputs: the names of the network's inputs where there are several: a `.npz` with an array
            for each is needed.

    Raises:
        UserError: there is no such file, it is of another kind, or holds something else.
    """
    if path.suffix not in ENDINGS:
        raise UserError(
            f"{path}: samples are read from {', '.join(ENDINGS)}, or name {TEST!r}",
            code="predict-input",
        )
    if inputs and path.suffix != ".npz":
        raise UserError(
            f"{path}: the network has the inputs {', '.join(inputs)}: give a .npz with an array "
            "for each",
            code="predict-input",
        )
    try:
        if path.suffix == ".npz":
            return _of_archive(path, inputs)
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror or error}", code="predict-input"
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: not a {path.suffix} file of numbers: {error}", code="predict-input"
        ) from error
    return _of_table(path, table)


def tabled(champion: Champion, outputs: Named) -> pd.DataFrame:
    """Return what the champion says of samples as a table.

    Args:
        champion: the network.
        outputs: of the network [n, ...].

    Returns:
        A row a sample. Of classes: `class`, then `probability_0` and so on, a column a class; of
        other networks `output`, or `output_0` and so on. Where the network has several outputs,
        each column's name begins with its output's.
    """
    if not isinstance(outputs, Mapping):
        return _tabled(champion, outputs, None)
    tables = [
        _tabled(champion, array, name).add_prefix(f"{name}_") for name, array in outputs.items()
    ]
    return pd.concat(tables, axis=1)


def _tabled(champion: Champion, outputs: Array, name: str | None) -> pd.DataFrame:
    probabilities = champion.probabilities(outputs, name)
    if probabilities is not None:
        columns = {f"probability_{each}": row for each, row in enumerate(probabilities.T)}
        return pd.DataFrame({"class": probabilities.argmax(axis=1), **columns})
    flat = outputs.reshape(len(outputs), -1)
    if flat.shape[1] == 1:
        return pd.DataFrame({"output": flat[:, 0]})
    names = _places(outputs.shape[1:])
    return pd.DataFrame({f"output_{n}": row for n, row in zip(names, flat.T, strict=True)})


def _places(shape: tuple[int, ...]) -> Iterator[str]:
    return ("_".join(map(str, place)) for place in np.ndindex(*shape))


def _of_archive(path: Path, inputs: Sequence[str]) -> Named:
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive)
        if inputs:
            return {name: np.asarray(archive[name]) for name in names if name in inputs}
        if "x" not in names and len(names) != 1:
            raise UserError(
                f"{path}: an array named x, or one array only, is needed; it has "
                f"{', '.join(names) or 'none'}",
                code="predict-input",
            )
        return np.asarray(archive["x" if "x" in names else names[0]])


def _of_table(path: Path, table: pd.DataFrame) -> Array:
    names = [str(name) for name in table.columns]
    numbered = names == [str(place) for place in range(len(names))]
    if path.suffix == ".csv" and not numbered and all(map(_is_number, names)):
        raise UserError(
            f"{path}: its first line must name the columns, got the numbers "
            f"{', '.join(names[:3])}, ...",
            code="predict-input",
        )
    odd = [n for n, kind in zip(names, table.dtypes, strict=True) if kind.kind not in "biuf"]
    if odd:
        raise UserError(
            f"{path}: columns must hold numbers, and {odd[0]!r} holds others", code="predict-input"
        )
    return table.to_numpy()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
