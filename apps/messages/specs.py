"""What is asked for: data, network, training, operators, as frozen, plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from apps.genetics.genes import Space

Json = Any
"""None, bool, int, float, str, and lists and dictionaries of these."""

Params = dict[str, Json]

PLACE: Final = {"place": True}
"""Marks a field that says where something is, not what: not part of a fingerprint."""

ADDED: Final = {"added": True}
"""Marks a field of a task that older results know nothing of: at its default it is not part of a
fingerprint, so that they stay good."""


EngineName = Literal["auto", "xla", "graph", "fit"]
"""What trains: see `apps.training.engine_choice`."""


@dataclass(frozen=True)
class DataSpec:
    """Which data, and how they are split.

    Attributes:
        name: a built-in data set or a plug-in `"module:function"`.
        params: keyword arguments of the plug-in or settings of the built-in; paths in them begin
            at the experiment's folder.
        validation: samples held out of the training set.
        train_limit: use only this many of the remaining training samples; None for all.
        folder: where the files are; None to search the usual places.
        digest: SHA-256 of a plug-in's source, or of what a reader's files hold, so that a change is
            noticed.
    """

    name: str
    params: Params = field(default_factory=dict)
    validation: int = 10_000
    train_limit: int | None = None
    folder: str | None = field(default=None, metadata=PLACE)
    digest: str = ""


@dataclass(frozen=True)
class NetworkSpec:
    """Which network: a named builder or a plug-in `"module:function"`, and its arguments."""

    builder: str
    params: Params = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class OperatorSpec:
    """A registered operator or a plug-in, and its settings."""

    name: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingSpec:
    """How a member is trained.

    Attributes:
        batch_size: samples a step.
        optimizer: a Keras optimiser's name or a plug-in; None for the one the model was compiled
            with, or Adam.
        optimizer_params: its keyword arguments.
        loss: a Keras loss or a plug-in, for a model that its builder did not compile; or one for
            each output by name.
        metrics: Keras metrics or plug-ins, likewise.
        callbacks: what is told of a member's epochs; see `apps.training.callbacks`.
        digest: SHA-256 of the plug-ins' sources, so that a changed one is noticed.
        engine: what trains; `auto` for a rule on the network.
        few_steps: whether the architecture is one of many in a search, each trained for few steps;
            `phenotype` fills it in.
    """

    batch_size: int
    optimizer: str | None = None
    optimizer_params: Params = field(default_factory=dict)
    loss: str | dict[str, str] = "sparse_categorical_crossentropy"
    metrics: tuple[str, ...] | dict[str, tuple[str, ...]] = ("accuracy",)
    callbacks: tuple[OperatorSpec, ...] = field(default=(), metadata=ADDED)
    digest: str = field(default="", metadata=ADDED)
    engine: EngineName = field(default="auto", metadata=ADDED)
    few_steps: bool = field(default=False, metadata=ADDED)


@dataclass(frozen=True)
class Genome:
    """What one member of a search has of its own: keyword arguments beside the experiment's.

    Attributes:
        network: of the builder.
        optimizer: of the optimiser.
    """

    network: Params = field(default_factory=dict)
    optimizer: Params = field(default_factory=dict)


NO_GENOME: Final = Genome()
"""Of a member that has nothing of its own: outside of a search, all."""


@dataclass(frozen=True)
class CrossoverSpec:
    """How parents become one network.

    Attributes:
        name: a registered crossover or a plug-in.
        params: its settings.
        align: whether parents are permuted onto the first one before: by their weights, or by
            their activations on a probe batch.
        repair: whether the merge's units get back the spread that the parents' units had.
    """

    name: str
    params: Params = field(default_factory=dict)
    align: Literal["none", "weights", "activations"] = "none"
    repair: bool = False


@dataclass(frozen=True)
class AverageSpec:
    """An average of a member's weights along its own path.

    Attributes:
        kind: `swa`, the mean over epochs, or `ema`, an exponential average.
        after_epoch: the first epoch that counts is the one after this many.
        decay: of the exponential average, an epoch.
    """

    kind: Literal["swa", "ema"]
    after_epoch: int
    decay: float = 0.0


@dataclass(frozen=True)
class SpeciesSpec:
    """How a population is divided into species, and how these breed.

    Attributes:
        distance: between members; a registered one.
        method: a registered way to find species, and its settings.
        temperature: of the shared fitness, see `apps.genetics.reproduction`.
        minimum_size: smaller species do not breed.
        elitism: whether the champion of a species goes on unchanged.
        between: probability of a parent from another species.
        basins: in a search, how much the distance between two networks of one architecture counts
            beside the distance between architectures.
        stagnation: a species whose best has not improved for so many halts has no children, unless
            it holds the best of all; 0 for never.
    """

    distance: OperatorSpec
    method: OperatorSpec
    temperature: float = 1.0
    minimum_size: int = 1
    elitism: bool = True
    between: float = 0.0
    basins: float = field(default=0.0, metadata=ADDED)
    stagnation: int = field(default=0, metadata=ADDED)


@dataclass(frozen=True)
class SearchSpec:
    """How a halt of a search makes the children's architectures.

    Attributes:
        space: what may be chosen.
        rate: probability that a gene of a child mutates.
        scale: of a number's mutation, a fraction of its range.
        cross: whether a child's genes come from all of its parents, or from the first alone.
        inherit: whether a child starts from its parents' weights, or from new random ones.
        strangers: whether parents of another architecture than the first one's give weights too.
    """

    space: Space
    rate: float
    scale: float
    cross: bool
    inherit: bool
    strangers: bool


def phenotype(
    network: NetworkSpec, training: TrainingSpec, genome: Genome
) -> tuple[NetworkSpec, TrainingSpec]:
    """Return what a member's genome makes of the experiment's network and training."""
    return (
        replace(network, params={**network.params, **genome.network}),
        replace(
            training,
            optimizer_params={**training.optimizer_params, **genome.optimizer},
            few_steps=bool(genome.network),
        ),
    )
