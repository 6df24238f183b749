"""What every reader of data has: settings that are checked, files, and parts that it returns."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from apps.errors import UserError
from apps.seeds import Address, Purpose
from apps.strict import Strict

Rows = NDArray[np.int64]

Parts = dict[str, Any]
"""`train`, `test` and perhaps `validation` -> `(x, y)` or `(x, y, weights)`; see
`apps.datasets.checks.checked`."""

TEST_SHARE: Final = 0.2
"""Share of the samples that are for testing, where neither the files nor the user say."""


def _share(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError("should be a share between 0 and 1, such as 0.2, or a number of samples")
    if isinstance(value, float) and value >= 1:
        raise ValueError("a share is less than 1; a number of samples is written without a point")
    return value


Share = Annotated[float | int, BeforeValidator(_share)]
"""A part of the samples, as a share or as their number."""

Seed = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Split:
    """What the experiment says of the parts.

    Attributes:
        seed: of the experiment.
        validation: samples to hold out of the training part.
    """

    seed: int
    validation: int

    def held_out(self, samples: int) -> int:
        """Return how many of the training part's samples are held out.

        Raises:
            UserError: they are all of them.
        """
        if self.validation >= samples:
            raise UserError(
                f"data.validation must be smaller than the training set, which has {samples:,} "
                f"samples; got {self.validation:,}",
                code="data-split",
            )
        return self.validation


class Reader(Strict):
    """The settings of a kind of data, its `data.params`, and how it is read."""

    def files(self, folder: Path) -> Mapping[str, Path]:
        """Return the files that the data are read from, by names that do not say where they are.

        Args:
            folder: of the experiment; relative paths begin there.

        Raises:
            UserError: they are missing.
        """
        return {}

    @abstractmethod
    def read(self, folder: Path, split: Split) -> Parts:
        """Return the data.

        Args:
            folder: of the experiment.
            split: how they are split where the files do not say; a reader that does not hold out
                the validation part itself leaves that to `apps.datasets.load`.

        Raises:
            UserError: a file or a setting is wrong; the message names it.
        """


def place(folder: Path, path: str) -> Path:
    """Return where a path of a user's settings is."""
    return folder / os.path.expanduser(path)


def existing_file(folder: Path, path: str, key: str) -> Path:
    """Return the file that a setting names.

    Raises:
        UserError: there is none.
    """
    return _existing(folder, path, key, "file")


def existing_folder(folder: Path, path: str, key: str) -> Path:
    """Return the folder that a setting names.

    Raises:
        UserError: there is none.
    """
    return _existing(folder, path, key, "folder")


def drawn(samples: int, test: float | int | None, seed: int) -> tuple[Rows, Rows]:
    """Draw the samples that are for testing.

    Args:
        samples: number of all.
        test: their share or number; None for `TEST_SHARE`.
        seed: decides which.

    Returns:
        Numbers of the training samples and of the test samples, each in order.

    Raises:
        UserError: one of the two would be empty.

    >>> [len(rows) for rows in drawn(10, 0.3, seed=1)]
    [7, 3]
    """
    count = number_of(samples, test)
    order = Address(seed).stream(Purpose.TEST_SPLIT).permutation(samples)
    return np.sort(order[count:]), np.sort(order[:count])


def number_of(samples: int, test: float | int | None) -> int:
    """Return how many of the samples are for testing.

    Raises:
        UserError: none or all of them.
    """
    share = TEST_SHARE if test is None else test
    count = round(share * samples) if isinstance(share, float) else share
    if not 0 < count < samples:
        raise UserError(
            f"data.params.test = {share} of {samples:,} samples are {count:,} for testing: both "
            "parts need at least one",
            code="data-split",
        )
    return count


def _existing(folder: Path, path: str, key: str, kind: str) -> Path:
    found = place(folder, path)
    if found.is_file() if kind == "file" else found.is_dir():
        return found
    what = f"is not a {kind}" if found.exists() else f"there is no such {kind}"
    raise UserError(
        f"{found}: {what}; data.params.{key} names it, from the experiment's folder on",
        code="data-not-found",
    )
