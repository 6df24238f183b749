"""How many trials a run had before some were added: a second look at the data, which is told."""

from __future__ import annotations

from typing import Any, Final

from apps.records.environment import read_environment
from apps.records.run_dir import RunDir

_KEY: Final = "trial_counts"


def read_trial_counts(run: RunDir) -> tuple[int, ...]:
    """Return the numbers of trials that a run had one after the other, rising.

    Empty where none were added, or its record cannot be read.
    """
    try:
        return tuple(int(count) for count in read_environment(run).get(_KEY, ()))
    except (TypeError, ValueError):
        return ()


def written(counts: tuple[int, ...]) -> dict[str, Any]:
    """Return what `environment.json` says of them: nothing where none were added."""
    return {_KEY: [*counts]} if len(counts) > 1 else {}


def added(counts: tuple[int, ...], there: int, asked: int) -> tuple[int, ...]:
    """Return the numbers of trials of a run that goes on.

    Args:
        counts: as `read_trial_counts` returns them.
        there: number of trials that it has.
        asked: number of trials that it shall have.

    >>> added((), 5, 5), added((), 5, 10), added((5, 10), 10, 12)
    ((5,), (5, 10), (5, 10, 12))
    """
    return tuple(dict.fromkeys([*counts, there, asked]))


def told(counts: tuple[int, ...]) -> str:
    """Return what a reader of the statistics must know; "" where no trials were added.

    >>> told((5, 10))[:53]
    'Trials were added to this run, which had 5, then 10: '
    """
    if len(counts) < 2:
        return ""
    had = ", then ".join(map(str, counts))
    return (
        f"Trials were added to this run, which had {had}: intervals and p values hold if that was "
        "not decided by looking at the first ones."
    )
