"""What is to become small or large: a metric and its direction.

Everything that compares networks compares costs, of which the lower one is better: what has no
`Objective` knows no direction, and what has one cannot forget it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Mode = Literal["min", "max"]
"""Whether a lower or a higher value of a metric is better."""

HELD_OUT: Final = "val_"
WHOLE: Final = "train_"
"""Before a metric's name: on the held-out data, on the whole training set; without, a running mean
over the last epoch's batches, while the network changed."""


@dataclass(frozen=True)
class Objective:
    """The metric that ranks networks and chooses champions.

    Attributes:
        metric: a key of `TrainResult.final`.
        mode: its direction.
    """

    metric: str
    mode: Mode = "min"

    def cost(self, value: float) -> float:
        """Return a value of the metric as a cost: lower is better.

        >>> Objective("val_auc", "max").cost(0.75)
        -0.75
        """
        return -value if self.mode == "max" else value

    def value(self, cost: float) -> float:
        """Return the value of the metric that has a cost."""
        return self.cost(cost)

    @property
    def is_running(self) -> bool:
        """Whether it is a running mean, which merges and averages do not have."""
        return not self.metric.startswith((HELD_OUT, WHOLE))

    @property
    def of_champions(self) -> Objective:
        """What champions are chosen by: a metric that every kind of network has."""
        return replace(self, metric=f"{WHOLE}{self.metric}") if self.is_running else self

    @property
    def name(self) -> str:
        """The metric's own name, whatever data it is measured on.

        >>> Objective("val_loss").name
        'loss'
        """
        return self.metric.removeprefix(HELD_OUT).removeprefix(WHOLE)

    @property
    def best(self) -> str:
        """Its best value in words.

        >>> Objective("val_auc", "max").best
        'highest val_auc'
        """
        return f"{'highest' if self.mode == 'max' else 'lowest'} {self.metric}"
