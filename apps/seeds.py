"""Seeds as addresses: every random decision of a run has one, and nothing else decides it.

The arm is not part of an address: arms of a trial see common random numbers, which pairs them.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np

from apps.errors import UserError


@unique
class Purpose(IntEnum):
    """What a stream is for. The numbers are part of every result: never renumber (12 was used)."""

    INITIAL_WEIGHTS = 1
    DATA_ORDER = 2
    RANDOM_LAYERS = 3
    SELECTION = 4
    MATING = 5
    CROSSOVER = 6
    MUTATION = 7
    ALIGNMENT = 8
    DATA_SPLIT = 9
    PROBE = 10
    ARCHITECTURE = 11
    TEST_SPLIT = 13
    MADE_DATA = 14


def stream(
    seed: int, purpose: Purpose, *, trial: int = 0, member: int = 0, epoch: int = 0
) -> np.random.Generator:
    """Return the generator of one address.

    Args:
        seed: the experiment's seed, at least 0.
        purpose: what the numbers decide.
        trial: trial number, from 0.
        member: member (or mating) number, from 0.
        epoch: completed epochs at the time of the decision, from 0.

    Raises:
        UserError: a part of the address is negative.

    Reference:
        `numpy.random.SeedSequence`, spawn keys.

    >>> a = stream(1, Purpose.MUTATION, member=3).random()
    >>> a == stream(1, Purpose.MUTATION, member=3).random()
    True
    >>> a == stream(1, Purpose.MUTATION, member=4).random()
    False
    """
    address = (int(purpose), trial, member, epoch)
    if seed < 0 or min(address) < 0:
        raise UserError(
            f"a seed and its address are at least 0, got seed {seed}, {address}", code="seed"
        )
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=address))


def seed_integer(rng: np.random.Generator) -> int:
    """Draw a seed for a library that wants a Python integer below 2**31."""
    return int(rng.integers(2**31))
