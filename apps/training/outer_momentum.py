"""An optimiser over the epochs: Nesterov momentum of the steps that whole epochs make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from apps.datasets.arrays import Array
from apps.errors import UserError
from apps.genetics.weights import Weights, is_floating
from apps.messages.specs import OuterSpec
from apps.networks.optimizers import averages_its_path
from apps.training.trainer import Trainer


def outer_step(
    slow: Mapping[str, Array], fast: Mapping[str, Array], buffer: Mapping[str, Array], mu: float
) -> tuple[dict[str, Array], dict[str, Array]]:
    r"""Return the weights from which the next epoch starts, and the new momentum.

    .. math:: \delta = \theta - \phi, \quad m' = \mu m + \delta, \quad
              \theta' = \theta - (\mu m' + \delta)

    with theta the weights before the epoch and phi those after it. Without momentum theta' is phi.

    Args:
        slow: theta, name -> array.
        fast: phi, the same names and shapes.
        buffer: m, likewise; empty for zeros.
        mu: the momentum, in [0, 1).

    Returns:
        theta' and m', in the arrays' own dtypes.

    Reference: SNOO, arXiv:2510.15830, with an outer learning rate of 1 and one epoch of inner
    steps.

    >>> outer_step({"w": np.ones(1)}, {"w": np.zeros(1)}, {}, 0.5)
    ({'w': array([-0.5])}, {'w': array([1.])})
    """
    weights, momentum = {}, {}
    for name, theta in slow.items():
        delta = theta.astype(np.float64) - fast[name].astype(np.float64)
        kept = mu * buffer[name].astype(np.float64) if name in buffer else 0.0
        moved = kept + delta
        momentum[name] = moved.astype(theta.dtype)
        weights[name] = (theta - (mu * moved + delta)).astype(theta.dtype)
    return weights, momentum


def check_optimizer(optimizer: Any) -> None:
    """Check that momentum over epochs goes with the optimiser within them.

    The way of an epoch is no gradient where the weights are, at every step, a mean of the whole
    path: whatever becomes of that mean at the outer step, the losses were higher than without.

    Raises:
        UserError: it does not.
    """
    if averages_its_path(optimizer):
        raise UserError(
            "outer is set, by the arm or its recipe, and the optimiser is ScheduleFreeAdamW, whose "
            "weights are at every step a mean of its whole path, which momentum over epochs leads "
            "astray: give the arm outer = { momentum = 0 }, or name another training.optimizer",
            code="training-setting",
        )


class Outer:
    """The optimiser over a member's epochs, if it has one.

    Attributes:
        momentum: its state.
    """

    def __init__(self, spec: OuterSpec | None, momentum: Mapping[str, Array]) -> None:
        """Go on from a momentum; empty for a fresh one. Without a spec every step is as it is."""
        self._spec = spec
        self.momentum = momentum if spec is not None else {}

    def step(self, slow: Weights, fast: Weights, statistics: frozenset[str]) -> Weights:
        """Return the weights to go on from, after a way from `slow` to `fast`."""
        if self._spec is None:
            return fast
        learnt = [n for n, array in slow.items() if n not in statistics and is_floating(array)]
        weights, self.momentum = outer_step(
            {name: slow[name] for name in learnt}, fast, self.momentum, self._spec.momentum
        )
        return {**fast, **weights}

    @contextmanager
    def epoch(self, trainer: Trainer) -> Iterator[None]:
        """Step over the epoch that is trained within; see `Member.moved` for the optimiser's."""
        if self._spec is None:
            yield
            return
        member = trainer.member
        slow = member.weights()
        yield
        member.move(self.step(slow, member.weights(), member.statistics))
