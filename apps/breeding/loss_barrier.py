"""Distances and loss barriers between two parents."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from apps.architecture.unit_trace import UnknownSymmetry
from apps.breeding.merge import align_parents
from apps.genetics.distance import raw_distance
from apps.genetics.weights import Weights, is_floating
from apps.seeds import Address
from apps.training.trainer import Trainer

_STEPS: Final = 5


class Kinship:
    """Measures pairs of parents on the probe, the first samples of the training data."""

    unknown: Final = dict.fromkeys(
        ("distance_raw", "distance_aligned", "barrier_raw", "barrier_aligned"), math.nan
    )
    """The measures of a merge with a single parent."""

    def __init__(self, trainer: Trainer, align: str, address: Address) -> None:
        """Measure with a trainer.

        Args:
            trainer: of the parents' architecture; what was in it is replaced.
            align: how the parents will be aligned; by weights where they will not be.
            address: seeds the alignment, as in the merge itself.
        """
        self._trainer = trainer
        self._align = "weights" if align == "none" else align
        self._address = address

    def measure(self, first: Weights, second: Weights) -> dict[str, float]:
        """Return raw and aligned distance and barrier; NaN where symmetries are not known."""
        found = dict(self.unknown)
        statistics = self._trainer.member.statistics
        found["distance_raw"] = raw_distance(first, second, statistics)
        at_first = self._loss(_between(first, second, 0.0))
        found["barrier_raw"] = self._barrier(first, second, at_first)
        try:
            _, aligned = align_parents(self._trainer, [first, second], self._align, self._address)
        except UnknownSymmetry:
            return found
        if all(np.array_equal(aligned[name], array) for name, array in second.items()):
            raw = {"distance_aligned": "distance_raw", "barrier_aligned": "barrier_raw"}
            return found | {name: found[same] for name, same in raw.items()}
        found["distance_aligned"] = raw_distance(first, aligned, statistics)
        found["barrier_aligned"] = self._barrier(first, aligned, at_first)
        return found

    def _barrier(self, first: Weights, second: Weights, at_first: float) -> float:
        r"""Return the loss barrier on the straight line between two networks.

        .. math:: \max_t L((1-t) a + t b) - ((1-t) L(a) + t L(b))

        over t = 0, 1/4, 1/2, 3/4, 1; at least 0, since the ends count.

        Args:
            first: a, the same for all that it is compared with.
            second: b.
            at_first: L(a).

        Reference: Frankle et al., arXiv:1912.05671; Ainsworth et al., arXiv:2209.04836.
        """
        steps = np.linspace(0.0, 1.0, _STEPS)
        others = [self._loss(_between(first, second, float(t))) for t in steps[1:]]
        losses = np.array([at_first, *others])
        chord = (1 - steps) * losses[0] + steps * losses[-1]
        return float(np.max(losses - chord))

    def _loss(self, weights: Weights) -> float:
        measures = self._trainer.measures
        return measures.loss_of(measures.refreshed(weights), "probe")["loss"]


def _between(first: Weights, second: Weights, t: float) -> Weights:
    return {
        name: ((1 - t) * array + t * second[name]).astype(array.dtype)
        if is_floating(array)
        else array
        for name, array in first.items()
    }
