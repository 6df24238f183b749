"""Arrays of one NumPy file, already in parts or to be split."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from apps.datasets.arrays import Array
from apps.datasets.sources.reader import (
    Parts,
    Reader,
    Seed,
    Share,
    Split,
    drawn,
    existing_file,
    one_class_each,
)
from apps.errors import UserError

_PARTS: Final = ("train", "validation", "test")
_WHOLE: Final = ("x", "y", "w")
_NAMES: Final = (*_WHOLE, *(f"{letter}_{part}" for part in _PARTS for letter in _WHOLE))


class Npz(Reader):
    """A file of `numpy.savez`: `x_train, y_train, x_test, y_test`, or `x, y` to be split.

    In parts there may be `x_validation, y_validation` too. Weights of samples are `w_train`, ...,
    or `w`.

    Attributes:
        path: of the file.
        test: share or number of the samples that are for testing; for `x, y` only.
        seed: of that choice; the experiment's if left out.
    """

    path: str
    test: Share | None = None
    seed: Seed | None = None

    def files(self, folder: Path) -> Mapping[str, Path]:
        """Return the file."""
        return {"path": existing_file(folder, self.path, "path")}

    def read(self, folder: Path, split: Split) -> Parts:
        """Return the arrays as they are in the file."""
        path = self.files(folder)["path"]
        arrays = _arrays(path)
        if odd := [name for name in arrays if name not in _NAMES]:
            raise UserError(
                f"{path}: holds {odd[0]}; known names are {', '.join(_NAMES)}", code="data-form"
            )
        if "x" in arrays or "y" in arrays:
            return self._split(path, arrays, split)
        if self.test is not None or self.seed is not None:
            raise UserError(
                f"{path}: has parts of its own; data.params.test and seed are for a file with x "
                "and y: take them out",
                code="data-setting",
            )
        given = [part for part in _PARTS if {f"x_{part}", f"y_{part}", f"w_{part}"} & {*arrays}]
        for part in {*given, "train", "test"}:
            _check_there(path, arrays, (f"x_{part}", f"y_{part}"))
        return {part: _fields(arrays, f"_{part}") for part in given}

    def _split(self, path: Path, arrays: Mapping[str, Array], split: Split) -> Parts:
        _check_there(path, arrays, ("x", "y"))
        if more := sorted(arrays.keys() - {*_WHOLE}):
            raise UserError(
                f"{path}: holds x and y, to be split, and {more[0]}: leave one out",
                code="data-form",
            )
        fields = _fields(arrays, "")
        lengths = {len(array) if array.ndim else 0 for array in fields}
        if len(lengths) > 1:
            told = ", ".join(f"{name} {array.shape}" for name, array in sorted(arrays.items()))
            raise UserError(f"{path}: x and y must be of one length, got {told}", code="data-form")
        seed = split.seed if self.seed is None else self.seed
        classes = one_class_each("npz", arrays["y"]) if split.stratified else None
        rows = drawn(lengths.pop(), self.test, seed, classes)
        train, test = (tuple(array[each] for array in fields) for each in rows)
        return {"train": train, "test": test}


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as opened:
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            return dict(opened)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: not a file of numeric arrays that numpy.savez wrote: {error}",
            code="data-damaged",
        ) from error


def _check_there(path: Path, arrays: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in arrays:
            raise UserError(
                f"{path}: there is no array {name}, it holds {', '.join(arrays) or 'none'}; write "
                "it with numpy.savez, with x_train, y_train, x_test, y_test, or with x, y",
                code="data-form",
            )


def _fields(arrays: Mapping[str, Array], end: str) -> tuple[Array, ...]:
    return tuple(arrays[f"{each}{end}"] for each in _WHOLE if f"{each}{end}" in arrays)
