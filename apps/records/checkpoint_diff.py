"""Two stored networks: are they the same, and if not, how far apart?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from apps.records.checkpoints import load_checkpoint


def largest_difference(one: Path, other: Path) -> tuple[str, float]:
    """Return the array in which two networks differ most, and by how much.

    Args:
        one: a checkpoint.
        other: a checkpoint; the order does not matter.

    Returns:
        The array's name, and the largest absolute difference of its numbers: infinite when the
        networks are not of one architecture, 0 when they have the same weights.

    Raises:
        DamagedFile: a file is missing or not a checkpoint.
    """
    left, right = (load_checkpoint(path).network for path in (one, other))
    apart = [name for name in {**left, **right} if name not in left or name not in right]
    if apart:
        return apart[0], float("inf")
    worst = ("", 0.0)
    for name, array in left.items():
        if array.shape != right[name].shape:
            return name, float("inf")
        gap = np.abs(array.astype(np.float64) - right[name].astype(np.float64))
        largest = float(gap.max(initial=0.0))
        # A NaN on one side alone is as far apart as can be.
        largest = largest if np.isfinite(largest) else float("inf")
        if largest > worst[1]:
            worst = (name, largest)
    return worst
