"""Seeds as addresses: every random decision of a run has one and depends on nothing else.

The arm is not part of an address: the arms of a trial share random numbers, so they are paired.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Any, Final

import numpy as np

from apps.errors import UserError

GLOBAL_GENERATORS: Final = threading.RLock()
"""Held while Python's and numpy's global generators are seeded and drawn from."""


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


@dataclass(frozen=True)
class Address:
    """Where a random decision stands in an experiment.

    Attributes:
        seed: the experiment's seed, at least 0.
        trial: trial number, from 0.
        member: member (or mating) number, from 0.
        epoch: completed epochs at the time of the decision, from 0.
    """

    seed: int
    trial: int = 0
    member: int = 0
    epoch: int = 0

    def stream(self, purpose: Purpose) -> np.random.Generator:
        """Return the generator of this address.

        Args:
            purpose: what the numbers are for.

        Raises:
            UserError: a part of the address is negative.

        Reference:
            `numpy.random.SeedSequence`, spawn keys.

        >>> a = Address(1, member=3).stream(Purpose.MUTATION).random()
        >>> a == Address(1, member=3).stream(Purpose.MUTATION).random()
        True
        >>> a == Address(1, member=4).stream(Purpose.MUTATION).random()
        False
        """
        key = (int(purpose), self.trial, self.member, self.epoch)
        if self.seed < 0 or min(key) < 0:
            raise UserError(
                f"a seed and its address are at least 0, got seed {self.seed}, {key}", code="seed"
            )
        return np.random.default_rng(np.random.SeedSequence(entropy=self.seed, spawn_key=key))

    def seed_integer(self, purpose: Purpose) -> int:
        """Return this address's seed for a library that wants a Python integer below 2**31."""
        return seed_integer(self.stream(purpose))


def seed_integer(rng: np.random.Generator) -> int:
    """Draw a seed for a library that wants a Python integer below 2**31."""
    return int(rng.integers(2**31))


def global_state() -> tuple[Any, ...]:
    """Return what Python's and numpy's global generators are at, to be compared later."""
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, np.asarray(keys).tobytes(), *rest


@contextmanager
def global_draws(seed: int) -> Iterator[None]:
    """Let Python's and numpy's global generators begin from a seed, and put them back.

    Args:
        seed: below 2**32.
    """
    with GLOBAL_GENERATORS:
        kept = random.getstate(), np.random.get_state()
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])
