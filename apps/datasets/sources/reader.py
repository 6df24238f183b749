"""What all readers have in common: checked settings, files, and the parts they return."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

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

Form = dict[str, Any]
"""What other samples are made to inputs with, as plain data: it travels with a champion."""

TEST_SHARE: Final = 0.2
"""Share of the samples for testing, if neither the files nor the user determine it."""


def _share(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError("should be a share between 0 and 1, such as 0.2, or a number of samples")
    if isinstance(value, float) and value >= 1:
        raise ValueError("a share is less than 1; a number of samples has no decimal point")
    return value


Share = Annotated[float | int, BeforeValidator(_share)]
"""A share of the samples (0.2), or a number of them (400)."""

Seed = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Split:
    """How the experiment splits the data.

    Attributes:
        seed: of the experiment.
        validation: samples to hold out of the training part.
        stratified: whether each part that is drawn gets its share of every class.
    """

    seed: int
    validation: int
    stratified: bool = False

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


@dataclass(frozen=True)
class Told:
    """What users are told of data.

    Attributes:
        lines: which columns became which inputs, and the like.
        remarks: what looks as if it was not meant so.
    """

    lines: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Reader(Strict):
    """A kind of data: its settings, `data.params`, and how it is read.

    Attributes:
        package: what makes numbers of the files, by the name it is installed by; a run that goes on
            is held to its version.
    """

    package: ClassVar[str] = ""

    def files(self, folder: Path) -> Mapping[str, Path]:
        """Return the files that are read, by names that do not depend on where they lie.

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
            split: used if the files are not in parts already. A reader may leave holding out the
                validation data to `apps.datasets.load`.

        Raises:
            UserError: a file or a setting is wrong; the message names it.
        """

    def read_with_form(self, folder: Path, split: Split) -> tuple[Parts, Form]:
        """Return the data as `read` does, and what other samples are made to inputs with."""
        return self.read(folder, split), {}

    def told(self, folder: Path, split: Split) -> Told:
        """Return what became of the files, for users."""
        return Told()


def place(folder: Path, path: str) -> Path:
    """Return a path of the settings, which may begin at the experiment's folder."""
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


def drawn(
    samples: int, test: float | int | None, seed: int, classes: NDArray[Any] | None = None
) -> tuple[Rows, Rows]:
    """Draw the samples that are for testing.

    Args:
        samples: number of samples in all.
        test: their share or number; None for `TEST_SHARE`.
        seed: of the choice.
        classes: of each sample, where every class is to have its share.

    Returns:
        Numbers of the training samples and of the test samples, each in order.

    Raises:
        UserError: one of the two would be empty.

    >>> [len(rows) for rows in drawn(10, 0.3, seed=1)]
    [7, 3]
    """
    count = number_of(samples, test)
    order = Address(seed).stream(Purpose.TEST_SPLIT).permutation(samples)
    held, rest = held_out(order, count, None if classes is None else classes[order])
    return np.sort(rest), np.sort(held)


def one_class_each(what: str, y: Any) -> NDArray[Any]:
    """Return targets that are one class a sample [n], for a split of each class.

    Raises:
        UserError: they are others.
    """
    labels = np.asarray(y) if not isinstance(y, Mapping) else np.empty(0)
    if labels.shape[1:] == (1,):
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "biu":
        raise UserError(
            f"data.stratified is for data with one class a sample, and the targets of {what} are "
            "others: take it out",
            code="data-split",
        )
    return labels


def held_out(order: Rows, count: int, classes: NDArray[Any] | None = None) -> tuple[Rows, Rows]:
    """Return the first samples of an order, and the rest, in that order.

    Args:
        order: numbers of the samples.
        count: how many are held out.
        classes: of each sample in the order, where every class is to have its share: then the
            first ones of each class are held out, one at least where a class has two or more.

    >>> held_out(np.arange(6), 2, np.array([1, 1, 1, 1, 0, 0]))[0]
    array([0, 4])
    """
    if classes is None or not count:
        return order[:count], order[count:]
    _, numbers, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    wanted = sizes * count / len(order)
    # Of every class that has two samples or more each side has one, while there are enough.
    least, most = np.minimum(1, sizes - 1), sizes - 1
    shares = np.clip(np.floor(wanted).astype(int), least, most)
    while missing := int(np.sign(count - shares.sum())):
        free = shares < most if missing > 0 else shares > least
        if not free.any():
            free = shares < sizes if missing > 0 else shares > 0
        shares[np.argmax(np.where(free, missing * (wanted - shares), -np.inf))] += missing
    rank = np.empty(len(order), int)
    for number in range(len(sizes)):
        rank[numbers == number] = np.arange(sizes[number])
    first = rank < shares[numbers]
    return order[first], order[~first]


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
