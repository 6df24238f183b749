"""The parts of tasks: data, network, training, operators, as frozen, plain data.

What an experiment file says and a message carries is one class, a `Table`: the limits of its
fields are checked when the file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from apps.genetics.genes import Space
from apps.messages.values import ClassWeight, Loss, Metrics
from apps.plugins.load import is_plugin
from apps.strict import Table

if TYPE_CHECKING:
    Json = Any
else:
    from pydantic import JsonValue as Json
"""None, bool, int, float, str, and lists and dictionaries of these."""

Params = dict[str, Json]
"""Settings that are passed on unchanged, of what JSON can hold: no dates or times."""

PLACE: Final = {"place": True}
"""Marks a field that says where something is, not what: not part of a fingerprint."""

ADDED: Final = {"added": True}
"""Marks a field that was added later: at its default it does not change a fingerprint."""

FINGERPRINT_NAME: Final = "fingerprint_name"
"""Key of a field's metadata: the name that fingerprints know it by, if it is another."""

FORMER_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "halts": {"rate": "learning_rate_factor"},
    "search": {"rate": "mutation_rate", "strangers": "merge_architectures"},
}
"""Keys of earlier versions' files, by the table that has them, and what they are called now."""

Align = Literal["none", "weights", "activations"]
"""Whether networks are permuted onto another before they are merged, and by what."""


EngineName = Literal["auto", "xla", "graph", "fit"]
"""What trains: see `apps.training.engine_choice`."""


@dataclass(frozen=True)
class DataSpec(Table):
    """`[data]`: which data, and how they are split.

    Attributes:
        name: a built-in data set or reader, or a plug-in `"module:function"`.
        params: settings of the data set, keyword arguments of the plug-in; paths in them begin at
            the experiment's folder.
        validation: samples to hold out of the training data, if it brings no validation data.
        train_limit: largest number of training samples, after the split.
        folder: where Fashion-MNIST's files are; if left out, the usual places are searched.
        digest: filled in when the run begins: SHA-256 of the data's files or the plug-in's source.
        stratified: whether each part that is drawn gets its share of every class.
    """

    name: str = "fashion_mnist"
    params: Params = field(default_factory=dict)
    validation: Annotated[int, Field(ge=1)] = 10_000
    train_limit: Annotated[int, Field(ge=1)] | None = None
    folder: str | None = field(default=None, metadata=PLACE)
    digest: str = ""
    stratified: bool = field(default=False, metadata=ADDED)


@dataclass(frozen=True)
class NetworkSpec(Table):
    """`[network]`: a named builder or a plug-in, and its arguments.

    Attributes:
        builder: the name of a built-in network, or a plug-in `"module:function"`.
        params: its keyword arguments.
        digest: filled in when the run begins: SHA-256 of the plug-in's source.
    """

    builder: str = "two_layer_dense"
    params: Params = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class OperatorSpec(Table):
    """A registered operator or a plug-in, and its settings: `"mean"` or `{ name = ..., ... }`."""

    name: str
    params: Params = field(default_factory=dict)

    @classmethod
    def unfolded(cls, table: Any) -> Any:
        """Return the name and the settings of an operator that is its name, or has them flat."""
        if isinstance(table, str):
            return {"name": table}
        if isinstance(table, Mapping) and "params" not in table:
            params = {key: value for key, value in table.items() if key != "name"}
            return {"name": table.get("name"), "params": params}
        return table


@dataclass(frozen=True)
class TrainingSpec(Table):
    """How a member is trained.

    Attributes:
        batch_size: samples per step; data that come in batches keep their own size.
        optimizer: a Keras optimiser's name or a plug-in; without one the model's own, or Adam.
        optimizer_params: its keyword arguments, schedules of the learning rate among them.
        loss: a Keras loss's name or a plug-in, or a table of these by output; a compiled model
            keeps its own.
        metrics: names or plug-ins, or several for each output by name; a compiled model keeps its
            own.
        class_weight: how much each class counts in the loss of training, by its name in the data,
            or by its number where they name none; those not named count 1. `balanced` gives all
            classes of the training set the same share.
        callbacks: names with settings, or plug-ins; they are called once per epoch of a member.
        digest: filled in when the run begins: SHA-256 of the plug-ins' sources.
        engine: what trains: `xla` compiles an epoch, `graph` does without compiling, `fit` is
            Keras's own loop; `auto` chooses by the network.
    """

    batch_size: Annotated[int, Field(ge=1)] = 128
    optimizer: str | None = None
    optimizer_params: Params = field(default_factory=dict)
    loss: Loss = "sparse_categorical_crossentropy"
    metrics: Metrics = ("accuracy",)
    class_weight: ClassWeight = field(default=None, metadata=ADDED)
    callbacks: Annotated[tuple[OperatorSpec, ...], Field(strict=False)] = field(
        default=(), metadata=ADDED
    )
    digest: str = field(default="", metadata=ADDED)
    engine: EngineName = field(default="auto", metadata=ADDED)

    @property
    def plugins(self) -> list[str]:
        """The plug-ins that it names."""
        metrics = self.metrics if isinstance(self.metrics, tuple) else ()
        by_output = self.metrics.values() if isinstance(self.metrics, dict) else ()
        losses = self.loss.values() if isinstance(self.loss, dict) else (self.loss,)
        named = [
            self.optimizer or "",
            *losses,
            *metrics,
            *(n for names in by_output for n in names),
        ]
        return [each for each in (*named, *(c.name for c in self.callbacks)) if is_plugin(each)]


@dataclass(frozen=True)
class Genome:
    """A member's genes in a search: keyword arguments that are added to the experiment's.

    Attributes:
        network: of the builder.
        optimizer: of the optimiser.
        training: settings of the training itself: batch size, which optimiser.
    """

    network: Params = field(default_factory=dict)
    optimizer: Params = field(default_factory=dict)
    training: Params = field(default_factory=dict, metadata=ADDED)

    @property
    def flat(self) -> Params:
        """All genes by name, whatever they are of."""
        return {**self.network, **self.optimizer, **self.training}


NO_GENOME: Final = Genome()
"""The genome of every member outside of a search."""


@dataclass(frozen=True)
class CrossoverSpec:
    """How parents become one network.

    Attributes:
        name: a registered crossover or a plug-in.
        params: its settings.
        align: whether the parents' units are first permuted onto the first parent's, matched by
            weights or by activations on a probe batch.
        repair: whether the merge's units are rescaled to the spread of the parents' units.
    """

    name: str
    params: Params = field(default_factory=dict)
    align: Align = "none"
    repair: bool = False


@dataclass(frozen=True)
class OuterSpec(Table):
    """`outer`: an optimiser over the epochs, whose gradient is the way that an epoch went.

    Attributes:
        momentum: Nesterov's, of the outer optimiser; 0 for none.
    """

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.7


@dataclass(frozen=True)
class FamilySpec(Table):
    """`family`: every member is several relatives that one task trains and merges.

    Attributes:
        members: number of relatives; each epoch counts as so many network-epochs.
        merges: how often in an epoch weights and the optimiser's state become their mean, and the
            outer optimiser takes its step; once a step at most.
    """

    members: Annotated[int, Field(ge=1)] = 1
    merges: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True)
class AverageSpec:
    """An average of a member's weights over past epochs.

    Attributes:
        kind: `swa`, the mean over epochs, or `ema`, an exponential average.
        after_epoch: number of completed epochs after which the average begins.
        decay: the share of the exponential average that is kept per epoch.
    """

    kind: Literal["swa", "ema"]
    after_epoch: int
    decay: float = 0.0


ALIGNED: Final = OperatorSpec("aligned")
TWO_SPECIES: Final = OperatorSpec("count", {"count": 2})


@dataclass(frozen=True)
class SpeciesSpec(Table):
    """How species are found at a halt and how they breed, for `mating = "species"`.

    Attributes:
        distance: the measure between members: `aligned`, `raw` or `disagreement`.
        method: how species are found: `threshold` (NEAT's), `count` (a target number), `dynamic` (a
            target that follows from the population, no species of a single member), `clustering` or
            `none`, with settings.
        temperature: of the shared fitness; a smaller one favours the better species more.
        minimum_size: members that a species needs to breed, unless it holds the best network.
        elitism: whether the champion of a species goes on unchanged.
        between: probability that a child's last parent is of another species.
        basins: in a search, how much the distance between the weights of two networks of one
            architecture counts beside the distance between architectures; NEAT gives weights 0.4.
        stagnation: number of halts without improvement after which a species has no children,
            unless it holds the best network; 0 for never. NEAT waits 15 generations.
    """

    distance: OperatorSpec = ALIGNED
    method: OperatorSpec = TWO_SPECIES
    temperature: Annotated[float, Field(gt=0)] = 1.0
    minimum_size: Annotated[int, Field(ge=1)] = 1
    elitism: bool = True
    between: Annotated[float, Field(ge=0, le=1)] = 0.0
    basins: Annotated[float, Field(ge=0)] = field(default=0.0, metadata=ADDED)
    stagnation: Annotated[int, Field(ge=0)] = field(default=0, metadata=ADDED)


TRUNCATION: Final = OperatorSpec("truncation")


@dataclass(frozen=True, kw_only=True)
class MatingSpec(Table):
    """What a halt of the file and the task that it becomes have in common.

    Attributes:
        parents: number of survivors, T; with species, number of parents of one child.
        selection: how the parents are chosen.
        optimizer: a child's optimiser state: `fresh`, the first parent's (`inherit`), that of the
            member whose number the child takes (`own`; fresh if there was none, or it failed), or
            the parents' `average`.
        first_unmutated: whether the first child of each merge is not mutated.
        species: how species are found and how they breed, for `mating = "species"`.
        measure: whether distances and loss barriers between parents are recorded.
    """

    parents: Annotated[int, Field(ge=1)] = 2
    selection: OperatorSpec = TRUNCATION
    optimizer: Literal["fresh", "inherit", "own", "average"] = "fresh"
    first_unmutated: bool = field(default=False, metadata={FINGERPRINT_NAME: "spare_first"})
    species: SpeciesSpec | None = None
    measure: bool = True


@dataclass(frozen=True, kw_only=True)
class VariationSpec(Table):
    """How genes change, for the file and for a task.

    Attributes:
        mutation_rate: probability that a gene of a child mutates; one does in any case, unless it
            is 0. Regularised evolution (Real et al., arXiv:1802.01548) changes one at a time.
        scale: standard deviation of a number's mutation, as a fraction of its range.
        cross: whether a child's genes come from all of its parents, or from the first alone.
        merge_architectures: whether parents of another architecture than the first one's give
            weights too.
    """

    mutation_rate: Annotated[float, Field(ge=0, le=1)] = field(
        default=0.1, metadata={FINGERPRINT_NAME: "rate"}
    )
    scale: Annotated[float, Field(gt=0)] = 0.2
    cross: bool = True
    merge_architectures: bool = field(default=False, metadata={FINGERPRINT_NAME: "strangers"})

    @classmethod
    def former_keys(cls) -> Mapping[str, str]:
        """Keys of earlier versions, and what they are called now."""
        return FORMER_KEYS["search"]


@dataclass(frozen=True, kw_only=True)
class SearchSpec(VariationSpec):
    """How a halt of a search makes the children's architectures.

    Attributes:
        space: what may be chosen.
        inherit: whether a child starts from its parents' weights, or from new random ones.
        nearest: whether the first of a child's parents is the one whose architecture is nearest to
            its own; otherwise the parents are in the order in which they were selected.
    """

    space: Space
    inherit: bool
    nearest: bool = field(default=False, metadata=ADDED)


@dataclass(frozen=True, kw_only=True)
class HarvestSpec(Table):
    """`harvest`: how the arm's champion is made of the last population.

    Attributes:
        method: the `best` member; or, where it is better, the `mean` of a species, or its `greedy`
            mean: of those members that lower the validation loss.
        align: whether the members' units are permuted onto the best member's before the mean, and
            by what.
        repair: whether the mean's units are rescaled to the spread of the members' units.
    """

    method: Literal["best", "mean", "greedy"] = "best"
    align: Align = "none"
    repair: bool = False


def phenotype(
    network: NetworkSpec, training: TrainingSpec, genome: Genome
) -> tuple[NetworkSpec, TrainingSpec]:
    """Return the experiment's network and training with a member's genes filled in."""
    return (
        replace(network, params={**network.params, **genome.network}),
        replace(
            training,
            optimizer_params={**training.optimizer_params, **genome.optimizer},
            **genome.training,
        ),
    )
