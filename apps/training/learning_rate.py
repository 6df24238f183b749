"""The learning rate of a member, which a schedule of the experiment multiplies."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.errors import UserError
from apps.networks.optimizers import innermost, parts


class LearningRate:
    """An optimiser's learning rate: of all that are wrapped in it, where there are several."""

    def __init__(self, optimizer: Any) -> None:
        """Take the optimiser's own rates as the base; a schedule of its own has none."""
        found = {id(each): _variable(each) for each in parts(optimizer)}
        self._bases = [(rate, float(rate.numpy())) for rate in found.values() if rate is not None]
        self._updating = [found[id(each)] for each in innermost(optimizer)]
        self._set = self._now()

    @property
    def is_one(self) -> bool:
        """Whether there is one rate, and no schedule of the optimiser's own."""
        return len(self._updating) == 1 and self._updating[0] is not None

    def set_base(self, rate: float) -> None:
        """Set the learning rate that `multiply` takes multiples of.

        Raises:
            UserError: there are several, or a schedule.
        """
        updating, *others = self._updating
        if not self.is_one:
            raise UserError(
                "training.optimizer_params sets a learning_rate, and the network was compiled with "
                f"{'several optimisers' if others else 'a schedule'}: leave it out, or say "
                "training.optimizer, which may be a function of yours that takes it",
                code="training-setting",
            )
        self._bases = [
            (variable, rate if variable is updating else base) for variable, base in self._bases
        ]

    def multiply(self, factor: float) -> None:
        """Set the learning rate to a multiple of the base.

        Raises:
            UserError: the optimiser has a schedule of its own.
        """
        if factor != 1.0 and any(rate is None for rate in self._updating):
            raise UserError(
                "a schedule is set for an optimiser that was compiled with a schedule of its own; "
                "leave one of them out",
                code="training-setting",
            )
        for variable, base in self._bases:
            variable.assign(base * factor)
        self._set = self._now()

    def check_kept(self) -> None:
        """Check that nobody else has set the rate since: the next multiple would undo it.

        Raises:
            UserError: a callback has.
        """
        if not np.allclose(self._now(), self._set, rtol=1e-4, atol=0.0, equal_nan=True):
            raise UserError(
                "a callback of training.callbacks sets the learning rate, and the arm's schedule, "
                "learning_rate_factor or family sets it in every epoch: leave one of them out",
                code="callback",
            )

    def _now(self) -> list[float]:
        return [float(variable.numpy()) for variable, _ in self._bases]


def _variable(optimizer: Any) -> Any:
    rate = getattr(optimizer, "_learning_rate", None)
    return rate if hasattr(rate, "assign") else None
