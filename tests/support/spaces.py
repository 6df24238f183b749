"""A search space with genes of every kind, and one of its genomes."""

from __future__ import annotations

from typing import Any

from apps.genetics.domains import Choice, Float, Integer
from apps.genetics.genes import Gene, Space

SPACE = Space(
    (
        Gene("layers", Integer(1, 3)),
        Gene("units", Integer(16, 256, log=True, step=16), per="layers"),
        Gene("pooling", Choice(("none", "max", "mean"))),
        Gene("pool", Choice((2, 3, 5), ordered=True), when={"pooling": ("max", "mean")}),
        Gene("dropout", Float(0.0, 0.5)),
        Gene("learning_rate", Float(1e-4, 1e-1, log=True), target="optimizer"),
    )
)
GENOME: dict[str, Any] = {
    "layers": 2,
    "units": [64, 32],
    "pooling": "max",
    "pool": 3,
    "dropout": 0.25,
    "learning_rate": 0.001,
}


def one(domain: Choice | Float | Integer, **more: Any) -> Space:
    """A space of a single gene."""
    return Space((Gene("g", domain, **more),))
