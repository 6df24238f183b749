"""Values of the tables of an experiment that have several forms, with their rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

Names = Annotated[tuple[str, ...], Field(strict=False)]


def _one_loss(value: Any) -> Any:
    # A union's own errors are one for each of its kinds.
    losses = value.values() if isinstance(value, dict) else [value]
    if not all(isinstance(each, str) for each in losses):
        raise ValueError("should be a name, or a table of names by output")
    return value


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def _lists_of_names(value: Any) -> Any:
    lists = value.values() if isinstance(value, dict) else [value]
    if not all(map(_is_names, lists)):
        raise ValueError("should be an array of names, or a table of arrays by output")
    return value


def _weights_of_classes(value: Any) -> Any:
    if value is None or value == "balanced":
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError('should be "balanced", or a table of weights by the classes')
    weights: dict[str, Any] = {}
    for key, weight in value.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 <= weight < math.inf:
            raise ValueError(f"the weight of a class is a number from 0, got {weight!r} of {key}")
        weights[str(key)] = float(weight)
    return weights


Loss = Annotated[str | dict[str, str], BeforeValidator(_one_loss)]
Metrics = Annotated[Names | dict[str, Names], BeforeValidator(_lists_of_names)]
ClassWeight = Literal["balanced"] | dict[str, float] | None
"""Weights by the classes' names in the data, or by their numbers where they have none; None for all
classes alike."""

GivenClassWeight = Annotated[ClassWeight, BeforeValidator(_weights_of_classes)]
"""The same, as a file may have it."""
