"""A user's operators that go wrong on purpose: copied beside an experiment by the tests."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.genetics.mutation import gaussian


def mutate(
    rng: np.random.Generator,
    weights: dict[str, Any],
    keep: frozenset[str] = frozenset(),
    members: Sequence[int] = (),
    trial: int = 0,
    epoch: int = 1,
    how: str = "raise",
    marker: str = "",
) -> dict[str, Any]:
    """Mutate as usual, but for some children: as long as the file `marker` is there."""
    address = rng.bit_generator.seed_seq.spawn_key
    _, of_trial, member, halt = address
    if member in members and (of_trial, halt) == (trial, epoch) and Path(marker).exists():
        accident(how, Path(marker))
        return {name: np.full_like(array, np.nan) for name, array in weights.items()}
    return dict(gaussian(rng, weights, 0.05, keep=keep))


def select(
    rng: np.random.Generator,
    fitness: Sequence[float],
    count: int,
    how: str = "raise",
    marker: str = "",
) -> tuple[int, ...]:
    """Select the first that have not failed, if nothing happens."""
    accident(how, Path(marker))
    return tuple(member for member, loss in enumerate(fitness) if np.isfinite(loss))[:count]


def accident(how: str, marker: Path) -> None:
    """Have an accident of a kind; `marker` is where it leaves or awaits a trace."""
    if how == "raise":
        raise ArithmeticError("an accident [/on purpose]")
    if how == "exit":
        with marker.open("a") as file:
            file.write(".")
        os._exit(3)
    if how in ("hang", "hoard"):
        with marker.open("a") as file:
            file.write(".")
    if how == "hang":
        time.sleep(3600)
    if how == "hoard":
        hoard = np.ones(150 * 2**20)
        time.sleep(2.5)  # long enough to be seen
        os.kill(os.getpid() * int(hoard[0]), signal.SIGKILL)
    if how == "exit once" and not marker.exists():
        marker.touch()
        os._exit(3)
    if how == "wait":
        while not marker.exists():
            time.sleep(0.02)
