"""The average of a member's weights along its own path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from apps.datasets.arrays import Array
from apps.genetics import averaging
from apps.genetics.weights import cast_like
from apps.messages.specs import AverageSpec
from apps.records.checkpoints import Checkpoint
from apps.training.trainer import Trainer


class PathAverage:
    """The running average of a member's weights, if it has one."""

    def __init__(self, spec: AverageSpec | None, begun: Checkpoint) -> None:
        """Go on from a checkpoint's average. Without a spec there is none."""
        self._spec = spec
        goes_on = spec is not None and begun.averaged > 0
        self._average: Mapping[str, Array] = begun.average if goes_on else {}
        self._count = begun.averaged if goes_on else 0

    def add(self, trainer: Trainer, epoch: int) -> None:
        """Take in what a trainer holds after `epoch` completed epochs."""
        if self._spec is None or epoch <= self._spec.after_epoch:
            return
        weights = trainer.member.weights()
        if self._spec.kind == "ema" and self._count:
            self._average = averaging.ema(self._average, weights, self._spec.decay)
        else:
            self._average = averaging.running_mean(self._average, weights, self._count)
        self._count += 1

    @property
    def is_there(self) -> bool:
        """Whether the member stands for an average."""
        return bool(self._average)

    def with_state(
        self, trainer: Trainer, ended: Mapping[str, Array] | None = None, refresh: bool = False
    ) -> Checkpoint:
        """Return the member's state and average; `refresh` measures its statistics anew.

        Args:
            trainer: holds the member.
            ended: the network that training ended with, which counts where there is no average.
            refresh: whether the statistics of the average are measured.
        """
        average = self._average
        if not average:
            return replace(trainer.member.state(), average=ended or {})
        if refresh and trainer.member.statistics:
            measured = trainer.measures.refreshed(cast_like(average, trainer.member.weights()))
            average = {**average, **{name: measured[name] for name in trainer.member.statistics}}
        return replace(trainer.member.state(), average=average, averaged=self._count)
