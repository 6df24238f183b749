"""The order of the training data in an epoch, which is a member's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.messages.tasks import TrainTask
from apps.seeds import Address, Purpose


def epoch_order(task: TrainTask, epoch: int, data: Ordered) -> NDArray[np.int64]:
    """Return the order of the training data in an epoch; `epoch` counts from 0."""
    now, *earlier = (
        Address(task.seed, task.trial, task.member, each) for each in (epoch, *range(epoch))
    )
    streams = (address.stream(Purpose.DATA_ORDER) for address in earlier)
    return data.order(now.stream(Purpose.DATA_ORDER), streams)


class Ordered(Protocol):
    """Data whose samples or batches have an order that can be drawn."""

    def order(
        self, rng: np.random.Generator, earlier: Iterable[np.random.Generator]
    ) -> NDArray[np.int64]:
        """Return an order for one epoch; `earlier` are the generators of those before it."""
        ...
