"""`[[arms]]` of the experiment file: strategies, each with halts, average, schedule and harvest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from apps.messages.results import FORWARD_PASS
from apps.messages.specs import (
    AverageSpec,
    FamilySpec,
    HarvestSpec,
    OuterSpec,
)
from apps.strict import Strict, check_keys, with_present_keys
from workflow.experiment.halts import OF_BOTH, Halt, LearningRate, Setting, WeightDecay
from workflow.experiment.options import Epochs, Name, named_table


class Average(Strict):
    """`average`: a member's network is an average of its weights over past epochs.

    Attributes:
        kind: `none`; `swa`, the plain mean after each epoch; `ema`, an exponential average.
        window: the last epochs that are averaged: a fraction of all epochs, or their number.
        decay: the share of the average that `ema` keeps per epoch.
        at: whether the window lies before the `end` of the run only, or before `halts` as well,
            so that averages are crossed.
    """

    kind: Literal["none", "swa", "ema"] = "none"
    window: Epochs = 0.25
    decay: float = Field(default=0.9, ge=0, lt=1)
    at: Literal["end", "halts"] = "end"


class Schedule(Strict):
    """`schedule`: a factor on the learning rate, epoch by epoch.

    Attributes:
        kind: `constant`; `cosine`, from 1 down to `final`; `step`, times `factor` every `every`
            epochs.
        over: the whole `run`, or anew for every `leg` between two halts of the arm.
        start: the fraction of it during which the learning rate is constant at first.
        final: the factor at the end of `cosine`.
        factor: of one `step`.
        every: epochs between two steps.
    """

    kind: Literal["constant", "cosine", "step"] = "constant"
    over: Literal["run", "leg"] = "run"
    start: float = Field(default=0.5, ge=0, lt=1)
    final: float = Field(default=0.0, ge=0, le=1)
    factor: float = Field(default=0.1, gt=0, le=1)
    every: int = Field(default=10, ge=1)

    def rates(self, epochs: int, halts: Sequence[int]) -> tuple[float, ...]:
        """Return the factor of every epoch [epochs]."""
        if self.kind == "constant":
            return (1.0,) * epochs
        ends = [0, *(halts if self.over == "leg" else ()), epochs]
        rates: list[float] = []
        for first, last in pairwise(ends):
            begin = first + round(self.start * (last - first))
            rates += [self._rate(epoch - begin, last - begin) for epoch in range(first, last)]
        return tuple(rates)

    def _rate(self, done: int, of: int) -> float:
        if done <= 0:
            return 1.0
        if self.kind == "step":
            return float(self.factor ** (done // self.every))
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done / of))


def _fitting(shared: Mapping[str, Any], halt: Any) -> dict[str, Any]:
    """Return the arm's keys for a halt, without `species` if the halt has another mating."""
    other = isinstance(halt, Mapping) and halt.get("mating", "species") != "species"
    return {key: value for key, value in shared.items() if not (other and key == "species")}


class Arm(Strict):
    """`[[arms]]`: one strategy. Keys of `Halt` may stand here, for all halts of the arm.

    Attributes:
        name: as it appears in tables, report and folders.
        population: number of members; the experiment's if left out.
        epochs: the arm's own, one after the other: a multiple of the experiment's, or their number;
            the experiment's if left out. What the arm spends in all stays within population x
            epochs of the experiment; with `budget` the last population trains for as long as that
            lasts, and halts are at multiples of the experiment's epochs: with fewer members after
            each halt, that learn from `all` before it, few networks train long at its end.
        learning_rate: of the optimiser, in place of the experiment's.
        weight_decay: likewise: how much of a weight, times the learning rate, each step takes away.
        outer: an optimiser over the epochs, or the merges of a family.
        family: the relatives that every member is, which one task trains and merges.
        halts: as fractions of the epochs or in epochs; or tables of `Halt`.
        average: of a network's weights over past epochs.
        schedule: of the learning rate over all epochs of the arm.
        harvest: how the last population becomes the arm's champion.
    """

    name: Name
    population: int | None = Field(default=None, ge=1)
    epochs: Literal["budget"] | Epochs | None = None
    learning_rate: LearningRate | None = None
    weight_decay: WeightDecay | None = None
    outer: OuterSpec | None = None
    family: FamilySpec | None = None
    halts: tuple[Halt, ...] = Field(default=(), strict=False)
    average: Annotated[Average, named_table("kind")] = Field(default_factory=Average)
    schedule: Annotated[Schedule, named_table("kind")] = Field(default_factory=Schedule)
    harvest: Annotated[HarvestSpec, named_table("method")] = Field(default_factory=HarvestSpec)

    @model_validator(mode="before")
    @classmethod
    def _spread_over_halts(cls, table: Any) -> Any:
        if not isinstance(table, Mapping):
            return table
        if not isinstance(halts := table.get("halts", []), list | tuple):
            raise ValueError(f"halts are an array, such as [0.5], not {halts!r}")
        table = with_present_keys(table, Halt.former_keys())
        shared_keys = [key for key in Halt.known_keys() if key not in ("at", *OF_BOTH)]
        check_keys(table, [*cls.model_fields, *shared_keys])
        shared = {key: table[key] for key in shared_keys if key in table}
        if shared and not halts:
            raise ValueError(f"{next(iter(shared))!r} is set, but the arm has no halts")
        return {
            **{key: value for key, value in table.items() if key in cls.model_fields},
            "halts": [
                _fitting(shared, halt) | (dict(halt) if isinstance(halt, Mapping) else {"at": halt})
                for halt in halts
            ],
        }

    def completed(self, epochs: int, population: int, searches: bool = False) -> Self:
        """Return the arm with its halts and its averaging window in completed epochs.

        Args:
            epochs: K.
            population: the experiment's N, for an arm without its own.
            searches: whether the experiment has a `[space]`.

        Raises:
            ValueError: a rule is broken.
        """
        where = f"arms.{self.name}"
        budget = population * epochs
        first = population = self.population or population
        asked, own = self.halts, self._own_epochs(where, epochs)
        if self.epochs == "budget":
            asked, own = self._within(where, epochs, population, budget)
        epochs = epochs if own is None else own
        halts: tuple[Halt, ...] = ()
        for halt in asked:
            halts += (halt.completed(where, epochs, population, searches),)
            population = halts[-1].population or population
        ends = [int(halt.at) for halt in halts]
        if ends != sorted(set(ends)):
            raise ValueError(
                f"{where}.halts: halts are in order and after different epochs, these are after "
                f"epochs {ends} of {epochs}"
            )
        window = self.average.window
        if isinstance(window, float):
            if not 0 < window <= 1:
                raise ValueError(
                    f"{where}.average.window: {window} is neither a fraction up to 1 nor a whole "
                    "number of epochs"
                )
            window = max(1, round(window * epochs))
        if not 1 <= window <= epochs:
            raise ValueError(
                f"{where}.average.window: {window} of {epochs} epochs cannot be averaged"
            )
        average = self.average.model_copy(update={"window": window})
        return self.model_copy(
            update={"halts": halts, "average": average, "population": first, "epochs": own}
        )

    def _within(
        self, where: str, epochs: int, population: int, budget: int
    ) -> tuple[tuple[Halt, ...], int]:
        """Return the halts in epochs, and how many epochs in all the budget lasts for."""
        halts: list[Halt] = []
        spent, last = 0.0, 0
        for number, halt in enumerate(self.halts):
            at = round(halt.at * epochs) if isinstance(halt.at, float) else halt.at
            spent += population * self._relatives(self.halts[:number]) * (at - last)
            spent += halt.teachers(population) * FORWARD_PASS
            halts.append(replace(halt, at=at))
            population, last = halt.population or population, at
        # Thirds do not add up to whole numbers exactly.
        networks = population * self._relatives(self.halts)
        left = math.floor((budget - spent) / networks + 1e-9)
        if left < 1:
            raise ValueError(
                f"{where}.epochs: until epoch {last} it spends {spent:.4g} of its {budget} "
                f"network-epochs: less than one epoch is left for the {networks} networks after "
                "it; halt earlier"
            )
        return tuple(halts), last + left

    def _own_epochs(self, where: str, epochs: int) -> int | None:
        if self.epochs is None or self.epochs == "budget":
            return None
        own = round(self.epochs * epochs) if isinstance(self.epochs, float) else self.epochs
        if own < 1:
            raise ValueError(
                f"{where}.epochs: {self.epochs} is neither a multiple of the {epochs} epochs nor a "
                "number of epochs above 0"
            )
        return own

    def length(self, epochs: int) -> int:
        """Return a completed arm's own number of epochs; `epochs` is the experiment's."""
        return int(self.epochs or epochs)

    def spent(self, epochs: int) -> int:
        """Return the network-epochs of a completed arm's training; `epochs` is the experiment's."""
        return sum(self.networks(epoch) for epoch in range(self.length(epochs)))

    def networks(self, epoch: int) -> int:
        """Return a completed arm's number of networks in an epoch, relatives among them."""
        return self.size(epoch) * self._relatives([h for h in self.halts if h.at <= epoch])

    def _relatives(self, passed: Sequence[Halt]) -> int:
        family = self._latest("family", passed)
        return 1 if family is None else int(family.members)

    @property
    def passes(self) -> int:
        """Forward passes over the training set that a completed arm's teachers take, at most."""
        return sum(halt.teachers(self.size(int(halt.at) - 1)) for halt in self.halts)

    def check_budget(self, epochs: int, population: int) -> None:
        """Check that an arm spends no more than the others.

        Raises:
            ValueError: it does; the message has the sums.
        """
        spent, taught, budget = self.spent(epochs), self.passes * FORWARD_PASS, population * epochs
        # Thirds do not add up to whole numbers exactly.
        if spent + taught > budget + 1e-9:
            legs = " + ".join(self._legs(epochs))
            passes = f", {self.passes} forward passes of teachers count {taught:.4g}"
            raise ValueError(
                f"arms.{self.name}: it spends {spent + taught:.4g} network-epochs ({legs} = {spent}"
                f"{passes if taught else ''}), more than population x epochs = {population} x "
                f"{epochs} = {budget}; train fewer networks, or for fewer epochs"
            )

    def _legs(self, epochs: int) -> list[str]:
        ends = [0, *(int(halt.at) for halt in self.halts), self.length(epochs)]
        return [f"{self.networks(first)} x {last - first}" for first, last in pairwise(ends)]

    def setting(self, epoch: int) -> Setting:
        """Return what a completed arm trains with in an epoch, counted from 0."""
        passed = [halt for halt in self.halts if halt.at <= epoch]
        optimizer, outer = {}, self._latest("outer", passed)
        family = self._latest("family", passed)
        for key in ("learning_rate", "weight_decay"):
            if (value := self._latest(key, passed)) is not None:
                optimizer[key] = float(value)
        return Setting(
            optimizer,
            outer if outer is not None and outer.momentum else None,
            passed[-1].teach if passed else None,
            family if family is not None and family.members > 1 else None,
        )

    def _latest(self, key: str, passed: Sequence[Halt]) -> Any:
        values = [getattr(self, key), *(getattr(halt, key) for halt in passed)]
        return next((value for value in reversed(values) if value is not None), None)

    def size(self, epoch: int) -> int:
        """Return a completed arm's number of members in an epoch, counted from 0."""
        sizes = [halt.population for halt in self.halts if halt.at <= epoch]
        size = sizes[-1] if sizes else self.population
        assert size is not None
        return size

    def halt_after(self, epoch: int) -> Halt | None:
        """Return the halt after `epoch` completed epochs, if the arm has one there."""
        return next((halt for halt in self.halts if halt.at == epoch), None)

    def average_spec(self, first: int, last: int, epochs: int) -> AverageSpec | None:
        """Return the average that a segment is part of, or None."""
        if self.average.kind == "none":
            return None
        ends = [epochs]
        if self.average.at == "halts":
            ends = [*(int(halt.at) for halt in self.halts), epochs]
        end = next(end for end in ends if end >= last)
        begin = max(0, end - int(self.average.window), *(e for e in [0, *ends] if e < end))
        if last <= begin:
            return None
        decay = self.average.decay if self.average.kind == "ema" else 0.0
        return AverageSpec(self.average.kind, begin, decay)

    def rates(self, epochs: int) -> tuple[float, ...]:
        """Return the factor on the learning rate of every epoch [epochs]."""
        scheduled = self.schedule.rates(epochs, [int(halt.at) for halt in self.halts])
        return tuple(rate * self._leg_rate(epoch) for epoch, rate in enumerate(scheduled))

    def _leg_rate(self, epoch: int) -> float:
        passed = [halt.learning_rate_factor for halt in self.halts if halt.at <= epoch]
        return passed[-1] if passed else 1.0

    def timeline(self, epochs: int) -> tuple[object, ...]:
        """Return what the arm does in each epoch [epochs]; arms share equal beginnings."""
        rates = self.rates(epochs)
        return tuple(
            (
                self._step(epoch),
                self.average_spec(epoch, epoch + 1, epochs),
                rates[epoch],
                self.setting(epoch),
            )
            for epoch in range(epochs)
        )

    def _step(self, epoch: int) -> object:
        halt = self.halt_after(epoch)
        return None if halt is None else (self.halts.index(halt), halt)
