"""The fitness of a network: one of its losses, lower is better."""

from __future__ import annotations

import math
from typing import Final

from apps.messages.results import Failure, TrainResult

# The running mean over the last epoch's batches, while the network changed.
_RUNNING: Final = "loss"
_WHOLE: Final = "train_loss"


def fitness_of(member: TrainResult | Failure, key: str) -> float:
    """Return a member's fitness among those of its population; NaN for one that failed or diverged.

    An average of weights took no step itself and has no running loss: its `loss` is `train_loss`.
    A population is averaged as a whole or not at all.
    """
    if isinstance(member, Failure) or member.status != "done":
        return math.nan
    value = member.final.get(key, math.nan)
    if key == _RUNNING and math.isnan(value):
        return member.final.get(_WHOLE, math.nan)
    return value


def harvest_key(key: str) -> str:
    """Return the metric that champions are chosen by, one that every kind of network has.

    Merges and averages have no running `loss`, so it is the loss on the whole training set instead.
    """
    return _WHOLE if key == _RUNNING else key
