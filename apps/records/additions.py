"""What was added to a run after it had begun, which a reader of its statistics is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from apps.records.environment import read_environment
from apps.records.run_dir import RunDir

_COUNTS: Final = "trial_counts"
_ARMS: Final = "added_arms"


@dataclass(frozen=True)
class Additions:
    """Trials and arms that a run was not begun with.

    Attributes:
        trial_counts: the numbers of trials that it had one after the other, rising; none where no
            trials were added.
        arms: names of the arms that were added, the first added first.
    """

    trial_counts: tuple[int, ...] = ()
    arms: tuple[str, ...] = ()

    def grown(self, there: int, asked: int, arms: tuple[str, ...]) -> Additions:
        """Return what has been added once a run goes on.

        Args:
            there: number of trials that it has.
            asked: number of trials that it shall have.
            arms: names of the arms that it shall have and has not.

        >>> Additions().grown(5, 5, ())
        Additions(trial_counts=(), arms=())
        >>> Additions().grown(5, 10, ("mean",)).grown(10, 12, ("unit",))
        Additions(trial_counts=(5, 10, 12), arms=('mean', 'unit'))
        """
        counts = tuple(dict.fromkeys([*self.trial_counts, there, asked]))
        return Additions(
            counts if len(counts) > 1 else (), tuple(dict.fromkeys([*self.arms, *arms]))
        )

    def of(self, arms: Collection[str], trials: int) -> Additions:
        """Return those of some arms, and of a number of trials, at most.

        >>> Additions((5, 10), ("mean", "unit")).of(["control", "unit"], 5)
        Additions(trial_counts=(), arms=('unit',))
        """
        counts = tuple(count for count in self.trial_counts if count <= trials)
        return Additions(
            counts if len(counts) > 1 else (), tuple(arm for arm in self.arms if arm in arms)
        )

    def written(self) -> dict[str, Any]:
        """Return what `environment.json` says of them: nothing where nothing was added."""
        found = {_COUNTS: [*self.trial_counts], _ARMS: [*self.arms]}
        return {key: value for key, value in found.items() if value}

    def told(self) -> Iterator[str]:
        """Yield what a reader of the statistics must know, a sentence each.

        >>> [each[:53] for each in Additions((5, 10)).told()]
        ['Trials were added to this run, which had 5, then 10: ']
        """
        if self.trial_counts:
            had = ", then ".join(map(str, self.trial_counts))
            yield (
                f"Trials were added to this run, which had {had}: intervals and p values hold if "
                "that was not decided by looking at the first ones."
            )
        if self.arms:
            names = ", ".join(self.arms)
            yield (
                f"Added after other arms had been run: {names}. p values are corrected for the "
                "arms that are here, not for others that were tried and left out."
            )


def read_additions(run: RunDir) -> Additions:
    """Return what was added to a run: nothing where its record cannot be read."""
    try:
        record = read_environment(run)
        counts = tuple(int(count) for count in record.get(_COUNTS, ()))
        arms = record.get(_ARMS, [])
        return Additions(counts, tuple(map(str, arms)) if isinstance(arms, list) else ())
    except (TypeError, ValueError):
        return Additions()
