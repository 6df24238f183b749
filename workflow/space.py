"""`[space]` of the experiment file: which of a network's parameters a search may choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from apps.genetics.domains import Choice, Domain, Float, Integer
from apps.genetics.errors import GeneticsError
from apps.genetics.genes import Gene, Space
from apps.strict import Strict

Value = bool | int | float | str


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

    values: tuple[Value, ...] | None = Field(default=None, strict=False)
    ordered: bool = False
    low: int | float | None = None
    high: int | float | None = None
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
        return self

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
        ValueError: it has no points, or a parameter refers to one that is not there.
    """
    try:
        return Space(
            tuple(
                Gene(name, gene.domain, gene.per, gene.when, gene.of, gene.structural)
                for name, gene in settings.items()
            )
        )
    except GeneticsError as error:
        raise ValueError(f"space: {error}") from error
