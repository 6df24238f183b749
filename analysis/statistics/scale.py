"""Whether one loss can be a share of another: the unit in which arms are compared.

A quotient of losses has a meaning where zero is the least a loss can be, and says something where
no divisor is nearly zero. Likelihoods of densities and similarities have no such zero, even in a
run in which they happen to stay above it, and of a user's own loss nobody knows: their arms are
compared by differences, in the loss's own unit. Every relative measure asks here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.numerals import number, percent, span

FRACTION: Final = "fraction"
"""The unit of `(control - arm) / control`."""

LOSS: Final = "loss"
"""The unit of `control - arm`: the loss's own (of an area, loss x epochs)."""

NEARLY_NOTHING: Final = 0.2
"""A divisor below this share of the median of its like would rule every mean of quotients.

With it, and not with half of it, equal arms whose losses come close to zero are told apart in 5 %.
"""

LOSSES: Final = ("loss", "train_loss", "val_loss", "test_loss")
"""Columns of `members`, `epochs` and `trials` that are values of the run's loss."""


BELOW_ZERO: Final = ("cosinesimilarity", "poisson")
"""Keras's losses that can be below zero, in small letters without underscores."""


@dataclass(frozen=True)
class Zero:
    """What is known of the zero of a run's loss, on whatever data the loss is computed.

    Attributes:
        lowest: loss of the run, as `lowest_loss` returns it.
        names: of the run's losses, as `analysis.tables.loss_names` returns them.
    """

    lowest: float = math.nan
    names: tuple[str, ...] = ()

    @property
    def unproven(self) -> tuple[str, ...]:
        """The names of losses that may be below zero: plug-ins and `BELOW_ZERO`."""
        return tuple(
            name
            for name in self.names
            if ":" in name or name.replace("_", "").lower() in BELOW_ZERO
        )

    @property
    def is_least(self) -> bool:
        """Whether no loss can be below zero, and none is."""
        return not (self.lowest < 0 or self.unproven)


ANY_ZERO: Final = Zero()
"""Of losses that are not said to be below zero."""


def lowest_loss(tables: Mapping[str, pd.DataFrame]) -> float:
    """Return the lowest finite loss of any member, epoch, arm and trial; NaN if there is none.

    Args:
        tables: data frames by name; `members`, `epochs` and `trials` are used.
    """
    values = [
        tables[name][column].to_numpy(dtype=np.float64)
        for name in ("members", "epochs", "trials")
        for column in LOSSES
        if column in tables[name]
    ]
    every = np.concatenate(values)
    finite = every[np.isfinite(every)]
    return float(finite.min()) if finite.size else np.nan


def units(divisors: pd.Series, kinds: pd.Series, zero: Zero = ANY_ZERO) -> pd.Series:
    """Return the unit of comparison of each row: one for all rows of a kind.

    `FRACTION` if zero is the least a loss can be, and each finite divisor of the kind is above
    zero and at least `NEARLY_NOTHING` of their median; `LOSS` otherwise.

    Args:
        divisors: losses of the yardstick, shape (n,); those that are not finite say nothing.
        kinds: what each is a loss of, shape (n,), the same index.
        zero: of the run's loss.

    Returns:
        Units, shape (n,), with the index of `kinds`.

    >>> units(pd.Series([0.5, 0.4, 0.5, 0.0]), pd.Series(["a", "a", "b", "b"])).tolist()
    ['fraction', 'fraction', 'loss', 'loss']
    """
    finite = divisors.astype("float64").where(np.isfinite(divisors))
    grouped = finite.groupby(kinds)
    smallest, middle = grouped.transform("min"), grouped.transform("median")
    divided = (smallest.gt(0) & smallest.ge(NEARLY_NOTHING * middle)) | smallest.isna()
    return pd.Series(np.where(divided & zero.is_least, FRACTION, LOSS), index=kinds.index)


def size_text(improvement: float, unit: str, *, sign: bool = True) -> str:
    """Return an improvement as a percentage, or as a number of three digits.

    >>> size_text(0.1234, "fraction"), size_text(0.1234, "loss"), size_text(12, "loss", sign=False)
    ('+12.3 %', '+0.123', '12.0')
    """
    if unit == FRACTION:
        return percent(improvement, sign=sign)
    plus = "+" if sign and 0 < improvement < math.inf else ""
    return plus + number(improvement, 3)


def span_text(low: float, high: float, unit: str) -> str:
    """Return the interval of an improvement in brackets, "" if it has no ends.

    >>> span_text(0.012, 0.034, "fraction"), span_text(0.012, 0.034, "loss")
    ('[1.2, 3.4]', '[0.0120, 0.0340]')
    """
    if unit == FRACTION or not (math.isfinite(low) and math.isfinite(high)):
        return span(low, high)
    return f"[{number(low, 3)}, {number(high, 3)}]"


def without_sole_unit(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table for a file: its column `unit` only where not every row is a `FRACTION`."""
    return table.drop(columns="unit") if table["unit"].eq(FRACTION).all() else table
