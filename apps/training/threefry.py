"""Random numbers in compiled programs: ThreeFry, which XLA computes quickly.

XLA's own choice on a CPU is so slow that an epoch with dropout took sixteen times as long as one
without it; with ThreeFry it takes a tenth longer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_local = threading.local()
_patching = threading.Lock()


@contextmanager
def threefry() -> Iterator[None]:
    """Let programs traced in this thread use ThreeFry where TensorFlow chooses the algorithm."""
    with _patching:
        _patch()
    _local.depth = getattr(_local, "depth", 0) + 1
    try:
        yield
    finally:
        _local.depth -= 1


@cache
def _patch() -> None:
    # All random functions of TensorFlow ask here for key, counter and algorithm.
    from tensorflow.python.ops import random_ops_util as util

    original = util.get_key_counter_alg

    def by_name(seed: Any, alg: Any) -> Any:
        chosen = util.Algorithm.AUTO_SELECT.value if alg is None else alg
        if getattr(_local, "depth", 0) and (
            not hasattr(chosen, "dtype")
            and util.convert_alg_to_int(chosen) == util.Algorithm.AUTO_SELECT.value
        ):
            alg = util.Algorithm.THREEFRY.value
        return original(seed, alg)

    util.get_key_counter_alg = by_name
