"""The last few of what is costly to make."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """Keeps what was asked for last, and drops what was not asked for the longest.

    Values that weigh much together are dropped sooner, down to a few that are always kept. Threads
    share one: who asks for what another is making waits for it. A maker may ask, too.

    >>> recent: Recent[int] = Recent(most=2)
    >>> [recent.get(number, lambda: number * 10) for number in (1, 2, 1, 3)]
    [10, 20, 10, 30]
    >>> recent.get(1, lambda: 0), recent.get(2, lambda: 0)
    (10, 0)
    """

    def __init__(
        self,
        most: int,
        weigh: Callable[[_Value], int] = lambda value: 0,
        allowed: int = 0,
        always: int = 1,
    ) -> None:
        """Keep nothing yet.

        Args:
            most: how many values are kept at most.
            weigh: gives a value's weight, which may change while it is kept.
            allowed: what all values may weigh together; without `weigh` they weigh nothing.
            always: so many are kept whatever they weigh.
        """
        self._most = most
        self._weigh = weigh
        self._allowed = allowed
        self._always = always
        self._kept: OrderedDict[Hashable, _Value] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """Return the value of `key`, made when it is not kept."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                while len(self._kept) > self._most or self._too_heavy():
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _too_heavy(self) -> bool:
        return (
            len(self._kept) > self._always
            and sum(map(self._weigh, self._kept.values())) > self._allowed
        )

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept.clear()
