"""The last few of what is costly to make."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """Keeps what was asked for last, and drops what was not asked for the longest.

    Threads share one: who asks for what another is making waits for it. A maker may ask, too.

    >>> recent: Recent[int] = Recent(most=2)
    >>> [recent.get(number, lambda: number * 10) for number in (1, 2, 1, 3)]
    [10, 20, 10, 30]
    >>> recent.get(1, lambda: 0), recent.get(2, lambda: 0)
    (10, 0)
    """

    def __init__(self, most: int) -> None:
        """Keep nothing yet, and `most` values at most."""
        self._most = most
        self._kept: OrderedDict[Hashable, _Value] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """Return the value of `key`, made when it is not kept."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept.clear()
