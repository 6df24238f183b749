"""`[space]` of the experiment file: the parameters that a search may choose, and their values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from apps.genetics.domains import Choice, Domain, Float, Integer
from apps.genetics.errors import GeneticsError
from apps.genetics.genes import Gene, Space
from apps.plugins.load import is_plugin
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
        values: the choices, of any kind.
        ordered: whether neighbouring values are alike, so that a mutation moves to a neighbour.
        low: the least value; if both bounds are whole numbers, so is the parameter.
        high: the greatest value.
        log: whether values are drawn and mutated on a logarithmic scale.
        step: between whole numbers, counted from `low`.
        per: an earlier whole-number parameter; the value is then a list of that length.
        when: earlier parameters and the values of theirs with which this one is used at all.
        of: whose argument it is: the `network` builder's or the `optimizer`'s; or the `training`'s,
            for `batch_size` and for `optimizer`, one of Keras's by name.
        structural: whether it changes the shapes of the network's arrays; by default, whether it is
            a whole number or a choice of the network's.
    """

    values: Values | None = None
    ordered: bool = False
    low: Bound | None = None
    high: Bound | None = None
    log: bool = False
    step: int | None = Field(default=None, ge=1)
    per: str | None = None
    when: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    of: Literal["network", "optimizer", "training"] = "network"
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
            raise ValueError("`step` is for whole numbers: write `low` and `high` without decimals")
        return self

    @property
    def numbers(self) -> list[float]:
        """The bounds, or those of the values that are numbers."""
        given = (self.low, self.high, *(self.values or ()))
        return [float(each) for each in given if isinstance(each, int | float)]

    @property
    def domain(self) -> Domain:
        """The values as `apps.genetics` describes them."""
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
    for name, gene in settings.items():
        if gene.of == "training":
            _check_training(name, gene)
    try:
        return Space(
            tuple(
                Gene(name, gene.domain, gene.per, gene.when, gene.of, gene.structural)
                for name, gene in settings.items()
            )
        )
    except GeneticsError as error:
        raise ValueError(f"space: {error}") from error


def _check_training(name: str, gene: GeneSettings) -> None:
    if name == "batch_size":
        given = [each for each in (gene.low, gene.high, *(gene.values or ())) if each is not None]
        right = all(type(each) is int and each >= 1 for each in given)
        rule = "batch sizes are whole numbers from 1"
    elif name == "optimizer":
        right = all(isinstance(each, str) and not is_plugin(each) for each in gene.values or (0,))
        rule = 'the values are names of Keras\'s optimizers, for example ["adam", "sgd"]'
    else:
        right, rule = False, "of the training only batch_size and optimizer are searched"
    if not right or gene.per is not None:
        raise ValueError(f"space.{name}: {rule}")
