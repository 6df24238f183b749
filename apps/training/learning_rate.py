"""The learning rate of a member, which a schedule of the experiment multiplies."""

from __future__ import annotations

from typing import Any

from apps.errors import UserError


class LearningRate:
    """An optimiser's learning rate."""

    def __init__(self, optimizer: Any) -> None:
        """Take the optimiser's own rate as the base; a schedule of its own has none."""
        self._optimizer = optimizer
        rate = getattr(optimizer, "_learning_rate", None)
        has_value = rate is not None and hasattr(rate, "assign")
        self._base = float(rate.numpy()) if rate is not None and has_value else None

    def set_base(self, rate: float) -> None:
        """Set the learning rate that `multiply` takes multiples of."""
        self._base = rate

    def multiply(self, factor: float) -> None:
        """Set the learning rate to a multiple of the base.

        Raises:
            UserError: the optimiser has a schedule of its own.
        """
        if self._base is not None:
            self._optimizer.learning_rate.assign(self._base * factor)
        elif factor != 1.0:
            raise UserError(
                "a schedule is set for an optimizer that was compiled with a schedule of its own; "
                "leave one of them out",
                code="training-setting",
            )
