"""`[space]` of the experiment file: which of a network's parameters a search may choose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from apps.genetics.domains import Choice, Domain, Float, Integer
from apps.genetics.errors import GeneticsError
from apps.genetics.genes import Gene, Space
from apps.strict import Strict

Value = bool | int | float | str


# A union's own errors are one for each of its kinds.
def _plain_values(values: Any) -> Any:
    if not isinstance(values, list | tuple) or not all(isinstance(v, Value) for v in values):
        raise ValueError("should be an array of numbers, texts, true or false")
    return values


def _bound(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("should be a finite number")
    return value


Values = Annotated[tuple[Value, ...], BeforeValidator(_plain_values), Field(strict=False)]
Bound = Annotated[int | float, BeforeValidator(_bound)]


class GeneSettings(Strict):
    """One parameter: `["relu", "tanh"]`, or a table with `values`, or with `low` and `high`.

    Attributes:
        values: what may be chosen, of any kind.
        ordered: neighbours among the values are alike: a mutation goes to one of them.
        low: the least number; whole numbers make the parameter one.
        high: the greatest.
        log: drawn and mutated on a logarithmic scale.
        step: of whole numbers, from `low` on.
        per: name of a whole number among the parameters above: a list of so many values.
        when: the parameter is there only if these others have one of these values.
        of: whose argument it is: the `network` builder's or the `optimizer`'s.
        structural: whether it changes the shape of the network's arrays; by default what the
            network has in whole numbers and choices does.
    """

    values: Values | None = None
    ordered: bool = False
    low: Bound | None = None
    high: Bound | None = None
    log: bool = False
    step: int | None = Field(default=None, ge=1)
    per: str | None = None
    when: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    of: Literal["network", "optimizer"] = "network"
    structural: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, table: Any) -> Any:
        if isinstance(table, list | tuple):
            return {"values": table}
        if isinstance(table, Mapping) and isinstance(when := table.get("when"), Mapping):
            several = {k: v if isinstance(v, list | tuple) else (v,) for k, v in when.items()}
            return {**table, "when": {key: tuple(values) for key, values in several.items()}}
        return table

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if len(bounds) != (2 if self.values is None else 0):
            raise ValueError(
                "a parameter has `values`, or `low` and `high`: for example "
                '["relu", "tanh"] or { low = 16, high = 256 }'
            )
        whole = all(isinstance(bound, int) for bound in bounds)
        if self.values is not None and (self.log or self.step is not None):
            raise ValueError("`log` and `step` are for `low` and `high`, not for `values`")
        if self.values is None and self.ordered:
            raise ValueError("`ordered` is for `values`: numbers from `low` to `high` are ordered")
        if self.step is not None and not whole:
            raise ValueError("`step` is for whole numbers: write `low` and `high` without a point")
        return self

    @property
    def numbers(self) -> list[float]:
        """The bounds, or those of the values that are numbers."""
        given = (self.low, self.high, *(self.values or ()))
        return [float(each) for each in given if isinstance(each, int | float)]

    @property
    def domain(self) -> Domain:
        """The values as the core has them."""
        if self.values is not None:
            return Choice(self.values, self.ordered)
        low, high = self.low, self.high
        if isinstance(low, int) and isinstance(high, int):
            return Integer(low, high, self.log, self.step or 1)
        assert low is not None
        assert high is not None
        return Float(float(low), float(high), self.log)


def as_space(settings: Mapping[str, GeneSettings]) -> Space:
    """Return the search space of an experiment's `[space]`.

    Raises:
        ValueError: it is empty or has no points, or a parameter refers to one that is not there.
    """
    if not settings:
        raise ValueError("space: it has no parameter; name one, or leave the table [space] out")
    rate = settings.get("learning_rate")
    if rate is not None and rate.of == "optimizer" and min(rate.numbers, default=1) <= 0:
        raise ValueError("space.learning_rate: a learning rate is greater than 0")
    try:
        return Space(
            tuple(
                Gene(name, gene.domain, gene.per, gene.when, gene.of, gene.structural)
                for name, gene in settings.items()
            )
        )
    except GeneticsError as error:
        raise ValueError(f"space: {error}") from error
