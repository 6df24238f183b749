"""A halt of an arm: how the next population is made of the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field

from apps.genetics.distance import DISTANCES
from apps.genetics.genes import Space
from apps.genetics.mutation import MUTATIONS, decayed
from apps.genetics.selection import SELECTIONS
from apps.genetics.speciation import SPECIATIONS
from apps.genetics.unit_selection import ALL_CROSSOVERS
from apps.messages.specs import (
    FORMER_KEYS,
    Align,
    CrossoverSpec,
    FamilySpec,
    MatingSpec,
    OperatorSpec,
    OuterSpec,
    SearchSpec,
    SpeciesSpec,
    VariationSpec,
)
from apps.messages.teachers import TeachSpec
from workflow.experiment.options import Epochs, check_operator

LearningRate = Annotated[float, Field(gt=0)]
WeightDecay = Annotated[float, Field(ge=0)]

OF_BOTH: Final = ("population", "learning_rate", "weight_decay", "outer", "family")
"""Keys of an arm and of each of its halts: a halt's replaces the arm's from there on."""

MEAN: Final = OperatorSpec("mean")
SMALL_NOISE: Final = OperatorSpec("gaussian", {"scale": 0.05})


@dataclass(frozen=True, kw_only=True)
class SearchSettings(VariationSpec):
    """How a halt makes the architectures of the children, where the experiment has a `[space]`.

    Attributes:
        inherit: a child starts from the `weights` of its first parent, grown or cut to its
            architecture, merged with those of parents of the same architecture; from those of the
            `nearest` of its parents, where `select` also takes units of parents that differ in the
            widths of layers alone; or from new random ones (`genes`).
    """

    inherit: Literal["weights", "nearest", "genes"] = "weights"

    def spec(self, space: Space) -> SearchSpec:
        """Return the table as it travels in messages."""
        return SearchSpec(
            space=space,
            inherit=self.inherit != "genes",
            nearest=self.inherit == "nearest",
            **self.part(VariationSpec),
        )


@dataclass(frozen=True)
class Setting:
    """What an arm's members are trained with beside the experiment's `[training]`, in an epoch.

    Attributes:
        optimizer: settings of the optimiser that replace the experiment's.
        outer: the optimiser over the epochs.
        lesson: how they are taught.
        family: the relatives that each of them is.
    """

    optimizer: Mapping[str, float] = field(default_factory=dict)
    outer: OuterSpec | None = None
    lesson: TeachSpec | None = None
    family: FamilySpec | None = None


@dataclass(frozen=True, kw_only=True)
class Halt(MatingSpec):
    """One halt: how the next population is made of the one before it.

    Attributes:
        at: when, as a fraction of the epochs or in epochs; in epochs once `completed`.
        mating: `all`: the survivors are merged into one network, from which all children come;
            `pairs`: each pair of survivors is merged, and the children are shared out among the
            pairs; `species`: the parents of a child are chosen within a species; `self`: every
            member goes on from its own weights with a fresh optimiser; `survivors`: the best go on
            as if never halted, the others end.
        crossover: how the parents' weights become the child's.
        align: whether the parents' units are permuted onto the best parent's before the crossover,
            and whether by weights or activations.
        repair: whether the merge's units are rescaled to the spread of the parents' units (REPAIR).
        mutation: noise on every child's weights.
        mutation_decay: factor on the mutation's strength from one halt of the arm to the next.
        learning_rate_factor: on the learning rate until the next halt, beside the schedule's.
        population: number of members after the halt; as before if left out.
        search: how the children's architectures are made.
        teach: what the members learn beside the labels until the next halt.
        learning_rate: from here on, until a halt that has its own; as before if left out.
        weight_decay: likewise.
        outer: likewise, the optimiser over the epochs.
        family: likewise, the relatives that every member is.
    """

    at: Epochs
    mating: Literal["all", "pairs", "species", "self", "survivors"] = "all"
    crossover: OperatorSpec = MEAN
    align: Align = "none"
    repair: bool = False
    mutation: OperatorSpec = SMALL_NOISE
    mutation_decay: Annotated[float, Field(ge=0, le=1)] = 1.0
    learning_rate_factor: Annotated[float, Field(gt=0)] = 1.0
    population: Annotated[int, Field(ge=1)] | None = None
    search: SearchSettings | None = None
    teach: TeachSpec | None = None
    learning_rate: LearningRate | None = None
    weight_decay: WeightDecay | None = None
    outer: OuterSpec | None = None
    family: FamilySpec | None = None

    @classmethod
    def former_keys(cls) -> Mapping[str, str]:
        """Keys of earlier versions, and what they are called now."""
        return FORMER_KEYS["halts"]

    @property
    def breeds(self) -> bool:
        """Whether the next members are children: otherwise those that there are go on."""
        return self.mating not in ("self", "survivors")

    @property
    def crossover_spec(self) -> CrossoverSpec:
        """The crossover as it travels in messages."""
        return CrossoverSpec(self.crossover.name, self.crossover.params, self.align, self.repair)

    def mutation_spec(self, number: int) -> OperatorSpec:
        """Return the mutation at the arm's halt `number`, from 0, with its decay applied."""
        params = dict(self.mutation.params)
        for key in ("scale", "fraction"):
            strength = params.get(key)
            if isinstance(strength, int | float) and self.mutation_decay != 1.0:
                params[key] = decayed(strength, self.mutation_decay, number)
        return OperatorSpec(self.mutation.name, params)

    def completed(self, where: str, epochs: int, population: int, searches: bool) -> Self:
        """Return the halt in completed epochs, checked against the arm and the experiment.

        Args:
            where: the arm, for messages.
            epochs: K.
            population: number of members before the halt.
            searches: whether the experiment has a `[space]`.

        Raises:
            ValueError: it breaks one.
        """
        at = round(self.at * epochs) if isinstance(self.at, float) else self.at
        if isinstance(self.at, float) and not 0 < self.at < 1:
            raise ValueError(
                f"{where}.halts: {self.at} is neither a fraction between 0 and 1 nor a whole "
                "number of epochs"
            )
        if not 0 < at < epochs:
            raise ValueError(
                f"{where}.halts: with {epochs} epochs a halt lies after epoch 1 to {epochs - 1}; "
                f"{self.at} is after epoch {at}"
            )
        least = 2 if self.mating == "pairs" else 1
        if self.breeds and not least <= self.parents <= population:
            raise ValueError(
                f"{where}.parents: {self.parents} parents cannot be chosen from a population of "
                f"{population}" + (" in pairs" if least == 2 else "")
            )
        species = self.species
        if self.mating == "species":
            species = species or SpeciesSpec()
        elif species is not None:
            raise ValueError(f"{where}.species is set, but mating is {self.mating!r}")
        after = population if self.population is None else self.population
        if self.mating == "self" and after != population:
            raise ValueError(
                f'{where}.population: every member goes on by itself with mating "self", so that '
                f"there are {population} after it, not {after}"
            )
        if self.mating == "survivors" and after > population:
            raise ValueError(
                f"{where}.population: {after} cannot survive of a population of {population}"
            )
        if self.search is not None and not (searches and self.breeds):
            why = "the experiment has no [space]" if self.breeds else f"mating is {self.mating!r}"
            raise ValueError(f"{where}.search is set, but {why}")
        if self.teach is not None and self.mating == "self":
            raise ValueError(
                f'{where}.teach is set, but with mating "self" every member goes on by itself; '
                'members that are taught come from a mating, or are "survivors"'
            )
        teachers = self.teach.teachers if self.teach is not None else None
        if teachers == "parents" and self.mating == "survivors":
            raise ValueError(
                f'{where}.teach.teachers is "parents", but with mating "survivors" a network is '
                'its own parent and would teach itself; give "survivors", "all" or a number'
            )
        search = (self.search or SearchSettings()) if searches and self.breeds else None
        halt = replace(self, at=at, species=species, population=after, search=search)
        for key, (registry, operator) in halt.operators().items():
            check_operator(registry, operator, f"{where}.{key}")
        return halt

    def teachers(self, population: int) -> int:
        """Return how many networks predict the training set at the halt, at most.

        Args:
            population: number of members before it.
        """
        if self.teach is None:
            return 0
        if isinstance(self.teach.teachers, int):
            return min(self.teach.teachers, population)
        if self.teach.teachers == "all":
            return population
        most = {"all": self.parents, "pairs": self.parents, "survivors": self.population}
        return min(most.get(self.mating) or population, population)

    def operators(self) -> dict[str, tuple[Mapping[str, Any], OperatorSpec]]:
        """Return the operators by key, each with its registry."""
        named: dict[str, tuple[Mapping[str, Any], OperatorSpec]] = {
            "selection": (SELECTIONS, self.selection),
            "crossover": (ALL_CROSSOVERS, self.crossover),
            "mutation": (MUTATIONS, self.mutation),
        }
        if self.species is not None:
            named["species.distance"] = (DISTANCES, self.species.distance)
            named["species.method"] = (SPECIATIONS, self.species.method)
        return named
