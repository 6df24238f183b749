"""`teach`: what the members after a halt learn beside the labels, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from apps.strict import Table

LOSSES_OF_NUMBERS: Final = frozenset(
    {"mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "poisson"}
)
"""Keras's losses of numbers that predictions can be targets of."""


def _names_teachers(value: Any) -> Any:
    named = isinstance(value, str) and value in ("parents", "survivors", "all")
    if not named and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError('should be "parents", "survivors", "all", or a number of the best from 1')
    return value


Teachers = Annotated[Literal["parents", "survivors", "all"] | int, BeforeValidator(_names_teachers)]


@dataclass(frozen=True)
class TeachSpec(Table):
    """`teach`: the members after a halt learn what networks before it predict, beside the labels.

    Attributes:
        weight: of the teachers' mean prediction in the loss; the labels have the rest.
        temperature: that softens the predictions of classes, the teachers' and the member's.
        teachers: whose mean prediction: of the member's own `parents`, of all `survivors` that have
            children, of `all` members without a failure, or of so many of the best.
    """

    weight: Annotated[float, Field(gt=0, le=1)] = 0.5
    temperature: Annotated[float, Field(gt=0)] = 1.0
    teachers: Teachers = "parents"
