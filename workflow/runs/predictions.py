"""Predictions of a run's champion: samples from a file, answers as a table."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from apps.champion import Champion
from apps.datasets.arrays import Array, Named
from apps.datasets.preparation import Preparation
from apps.datasets.sources.images import ENDINGS as PICTURES
from apps.datasets.sources.images import asked_pictures
from apps.datasets.sources.table import asked_rows
from apps.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEST: Final = "test"
"""The argument that names the run's own test data."""

ENDINGS: Final = (".npy", ".npz", ".csv", ".parquet")
"""Endings of the files that samples are read from."""


@dataclass(frozen=True)
class Asked:
    """Samples that a champion is asked.

    Attributes:
        x: inputs [n, ...], or several by name.
        pictures: the file of each, where they are pictures.
    """

    x: Named
    pictures: tuple[str, ...] = ()


def read_asked(path: Path, preparation: Preparation, unknown: bool = False) -> Asked:
    """Return the samples of a file, or of a folder of pictures, as a champion takes them.

    Args:
        path: as of `read_samples`. Of a champion of a table: also a table packed, whose columns are
            found by their names and made to inputs as in the training; of pictures: a picture, or a
            folder of them.
        preparation: of the champion.
        unknown: whether a value of a category that no training row had is taken as none of them;
            else it is refused.

    Raises:
        UserError: there is no such file, it is of another kind, or holds something else.
    """
    kind = preparation.form.get("kind")
    if kind in ("table", "images") and not path.exists():
        raise UserError(f"{path}: No such file", code="predict-input")
    if kind == "table" and path.suffix not in (".npy", ".npz"):
        if not path.is_file():
            raise UserError(f"{path}: is not a file", code="predict-input")
        return Asked(asked_rows(preparation.form, path, unknown))
    if kind == "images" and (path.is_dir() or path.suffix.lower() in PICTURES):
        files, x = asked_pictures(preparation.form, path)
        return Asked(x, tuple(map(str, files)))
    if kind == "images" and path.suffix not in ENDINGS:
        raise UserError(
            f"{path}: give a picture ({', '.join(sorted(PICTURES))}), a folder of pictures, a file "
            f"of pixels ({', '.join(ENDINGS)}), or name {TEST!r}",
            code="predict-input",
        )
    return Asked(read_samples(path, preparation.names))


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


def tabled(champion: Champion, outputs: Named, pictures: Sequence[str] = ()) -> pd.DataFrame:
    """Return the champion's outputs as a table.

    Args:
        champion: the network.
        outputs: of the network [n, ...].
        pictures: the file of each sample, where they are pictures.

    Returns:
        A row a sample, with `picture` first where there are any. Of classes: `class`, then
        `probability_0` and so on, a column a class, by its name where the data have names; of other
        networks `output`, or `output_0` and so on. Where the network has several outputs, each
        column's name begins with its output's.
    """
    if isinstance(outputs, Mapping):
        tables = [
            _tabled(champion, array, name).add_prefix(f"{name}_") for name, array in outputs.items()
        ]
        table = pd.concat(tables, axis=1)
    else:
        table = _tabled(champion, outputs, None)
    if pictures:
        table.insert(0, "picture", list(pictures))
    return table


def _tabled(champion: Champion, outputs: Array, name: str | None) -> pd.DataFrame:
    probabilities = champion.probabilities(outputs, name)
    if probabilities is not None:
        called = champion.preparation.classes if name is None else []
        # A network may have more outputs than there are classes, whose names may be numbers.
        numbered = [*called] == [*range(len(called))]
        others = range(len(called), probabilities.shape[1])
        called = [*called, *(each if numbered else f"output_{each}" for each in others)]
        called = called[: probabilities.shape[1]]
        columns = {
            f"probability_{each}": row for each, row in zip(called, probabilities.T, strict=True)
        }
        classes = [called[number] for number in probabilities.argmax(axis=1)]
        return pd.DataFrame({"class": classes, **columns})
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
