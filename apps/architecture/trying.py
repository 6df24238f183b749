"""What trials with random numbers have in common: lengths, and what counts as equal."""

from __future__ import annotations

from typing import Final, NamedTuple

OPEN: Final = 4
"""Length of an axis that may have any."""


class Slack(NamedTuple):
    """Differences that count as none, relative to the largest output.

    Attributes:
        single: in floats of 32 bits and more.
        half: in those of 16 bits.
    """

    single: float
    half: float


OF_LAYERS: Final = Slack(1e-3, 5e-2)
"""Of a layer with arrays of its own."""

OF_OPERATIONS: Final = Slack(1e-4, 2e-2)
"""Of an operation without arrays."""
