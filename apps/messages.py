"""What the driver and the workers say to each other: frozen, plain data.

A task's message says *what* is computed, a `Workplace` *where*: only the first is part of a
result's fingerprint. Paths in messages are relative to the run directory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from apps.errors import HeterosisError
from apps.specs import (
    ADDED,
    NO_GENOME,
    PLACE,
    AverageSpec,
    CrossoverSpec,
    DataSpec,
    Genome,
    NetworkSpec,
    OperatorSpec,
    SearchSpec,
    SpeciesSpec,
    TrainingSpec,
)


# ------------------------------------------------------------------------------------- results
@dataclass(frozen=True)
class CheckpointRef:
    """A stored network: its file below the run directory and the SHA-256 of its bytes."""

    path: str = field(metadata=PLACE)
    sha256: str


@dataclass(frozen=True)
class Cost:
    """What a task took, and where it ran."""

    started_unix_s: float
    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    host: str
    worker: str


@dataclass(frozen=True)
class EpochRecord:
    """The metrics of one epoch. `epoch` counts from 1; `wall_s` is the epoch's own time."""

    epoch: int
    metrics: dict[str, float]
    wall_s: float


@dataclass(frozen=True)
class TrainResult:
    """A trained member: the result of a `TrainTask`.

    Attributes:
        status: `diverged` when a loss was not finite; training stopped there.
        epochs: one record an epoch of this segment.
        final: metrics at the end, on the whole training, validation and test sets, and the running
            means of the last epoch (`loss` and the like): NaN for an average of weights.
        start: `loss` and `val_loss` of an offspring before training; empty otherwise.
        log: remarks worth a line in the run's log.
        genome: the member's own, of a search.
        parameters: number of trained weights.
    """

    fingerprint: str
    member: int
    status: Literal["done", "diverged"]
    reason: str
    epochs: tuple[EpochRecord, ...]
    final: dict[str, float]
    start: dict[str, float]
    checkpoint: CheckpointRef
    cost: Cost
    log: tuple[str, ...] = ()
    genome: Genome = NO_GENOME
    parameters: int = 0


@dataclass(frozen=True)
class Failure:
    """A task without a result, as a value: it ranks last and is never a parent."""

    reason: str
    log: str = ""
    member: int = -1


@dataclass(frozen=True)
class ChildPlan:
    """One child of a mating: who its parents are.

    Attributes:
        child: its member number.
        merge: number of the merge it comes from; children of one merge share its random choices.
        parents: the parents' networks, best first.
        members: the parents' member numbers.
        fitness: the parents' fitness, lower is better.
        optimizer: networks whose optimiser states it inherits, averaged if there are several;
            empty for a fresh one.
        mutate: False for a child that stays the merge itself.
        species: the species it is born into.
        genome: its own, of a search.
        genomes: the parents', likewise.
    """

    child: int
    merge: int
    parents: tuple[CheckpointRef, ...]
    members: tuple[int, ...]
    fitness: tuple[float, ...]
    optimizer: tuple[CheckpointRef, ...] = ()
    mutate: bool = True
    species: int = 0
    genome: Genome = field(default=NO_GENOME, metadata=ADDED)
    genomes: tuple[Genome, ...] = field(default=(), metadata=ADDED)


@dataclass(frozen=True)
class Representative:
    """The network that stands for a species.

    Attributes:
        genome: its own, of a search.
        best: the best fitness that the species ever had.
        stagnant: halts since then.
    """

    species: int
    checkpoint: CheckpointRef
    genome: Genome = NO_GENOME
    best: float = math.inf
    stagnant: int = 0


@dataclass(frozen=True)
class MatingPlan:
    """The result of a `MateTask`: the ranking, and a plan for every child.

    Attributes:
        order: members from best to worst, those without a finite fitness last.
        species: the species of each member, by member number; -1 for a failed one.
        representatives: the network that stands for each species at the next halt.
        next_species: the first species number never used so far.
        merges: what was measured between the first two parents of each merge: `distance_raw`,
            `distance_aligned`, `barrier_raw`, `barrier_aligned`; NaN where it cannot be.
    """

    fingerprint: str
    order: tuple[int, ...]
    species: tuple[int, ...]
    children: tuple[ChildPlan, ...]
    cost: Cost
    representatives: tuple[Representative, ...] = ()
    next_species: int = 1
    merges: tuple[dict[str, float], ...] = ()


@dataclass(frozen=True)
class HarvestResult:
    """The champion of one arm of one trial: the result of a `HarvestTask`.

    Attributes:
        fitness: what chose it; where the task's is `loss`, it is `train_loss`, which a network that
            was not trained itself has too.
        final: as a `TrainResult`'s; the running means are NaN for a merge.
        genome: the network's, of a search.
        parameters: number of trained weights.
    """

    fingerprint: str
    method: str
    members: tuple[int, ...]
    fitness: float
    final: dict[str, float]
    checkpoint: CheckpointRef
    cost: Cost
    genome: Genome = NO_GENOME
    parameters: int = 0


@dataclass(frozen=True)
class ExportResult:
    """The run's champion as files for its users: the result of an `ExportTask`."""

    fingerprint: str
    path: str
    sha256: str
    final: dict[str, float]
    cost: Cost


# --------------------------------------------------------------------------------------- tasks
@dataclass(frozen=True)
class Fresh:
    """Start from new random weights."""

    kind: Literal["fresh"] = "fresh"


@dataclass(frozen=True)
class Continue:
    """Go on as if never halted: weights, optimiser and random states of the member itself."""

    checkpoint: CheckpointRef | None = None
    kind: Literal["continue"] = "continue"


@dataclass(frozen=True)
class Restart:
    """Go on from the member's own weights with a fresh optimiser."""

    checkpoint: CheckpointRef | None = None
    kind: Literal["restart"] = "restart"


@dataclass(frozen=True)
class Offspring:
    """Start from a merge of parents, mutated.

    Attributes:
        inherit: False to start from new random weights: the parents give their genes only.
        strangers: whether parents of another architecture than the first one's are merged too.
    """

    crossover: CrossoverSpec
    mutation: OperatorSpec
    plan: ChildPlan | None = None
    inherit: bool = field(default=True, metadata=ADDED)
    strangers: bool = field(default=False, metadata=ADDED)
    kind: Literal["offspring"] = "offspring"


@dataclass(frozen=True)
class Survive:
    """Go on as the member that the halt's plan says, as if never halted."""

    kind: Literal["survive"] = "survive"


Start = Fresh | Continue | Restart | Offspring | Survive


@dataclass(frozen=True)
class TrainTask:
    """Train one member from the end of epoch `first_epoch` to the end of `last_epoch`.

    Attributes:
        start: has its checkpoint or plan filled in by `resolve` when the upstream result is known.
        folder: where the result goes; not part of the fingerprint.
        average: when given, the member's network is this average of its weights.
        rates: factor on the learning rate for every epoch of the segment; empty for 1 throughout.
        genome: the member's own, of a search; filled in by `resolve` after a halt.
    """

    seed: int
    trial: int
    member: int
    first_epoch: int
    last_epoch: int
    data: DataSpec
    network: NetworkSpec
    training: TrainingSpec
    start: Start
    folder: str = field(metadata=PLACE)
    average: AverageSpec | None = None
    rates: tuple[float, ...] = ()
    genome: Genome = field(default=NO_GENOME, metadata=ADDED)


@dataclass(frozen=True)
class MateTask:
    """Rank a population, choose parents, plan the children.

    Attributes:
        epoch: completed epochs at the halt.
        fitness: the key of `TrainResult.final` to be minimised.
        members: population size N. Upstream come the members in their order and, where species
            last over halts, the mating plan before.
        mating: `all` survivors are merged into one network, or `pairs` of them into as many as
            there are pairs, or parents are chosen within `species`; or the best go on by
            themselves (`survivors`).
        parents: number of survivors, T; with species, parents of one child.
        optimizer: a child's state is `fresh`, the first parent's (`inherit`), that of the member
            whose number it takes (`own`), or the parents' `average`.
        spare_first: whether the first child of a merge stays unmutated.
        species: how to find species; only for that kind of mating.
        crossover: with which the children are made: it is measured as it will be aligned.
        measure: whether distances and loss barriers between parents are measured.
        search: how the children's architectures are made; None where all have the same.
        offspring: population size after the halt; 0 for N again.
    """

    seed: int
    trial: int
    epoch: int
    members: int
    fitness: str
    mating: Literal["all", "pairs", "species", "survivors"]
    parents: int
    selection: OperatorSpec
    optimizer: Literal["fresh", "inherit", "own", "average"]
    spare_first: bool
    species: SpeciesSpec | None
    crossover: CrossoverSpec
    measure: bool
    data: DataSpec
    network: NetworkSpec
    training: TrainingSpec
    folder: str = field(metadata=PLACE)
    search: SearchSpec | None = field(default=None, metadata=ADDED)
    offspring: int = field(default=0, metadata=ADDED)

    @property
    def children(self) -> int:
        """Population size after the halt."""
        return self.offspring or self.members


@dataclass(frozen=True)
class HarvestTask:
    """Make one network of a finished population: the arm's champion.

    Attributes:
        members: population size N. Upstream come the members in their order and, if there was
            one, the last mating plan, which says who is of one species.
        method: the `best` member, or the `mean` or `greedy` mean of a species where that is
            better yet.
        align: whether the members are permuted onto the best one before, and by what.
        repair: whether the merge's units get back the spread that the members' units had.
        epochs: completed epochs, all of them.
    """

    seed: int
    trial: int
    members: int
    fitness: str
    method: Literal["best", "mean", "greedy"]
    align: Literal["none", "weights", "activations"]
    repair: bool
    epochs: int
    data: DataSpec
    network: NetworkSpec
    training: TrainingSpec
    folder: str = field(metadata=PLACE)


@dataclass(frozen=True)
class ExportTask:
    """Write the champion of a run as a Keras file and check it against its recorded metrics."""

    seed: int
    data: DataSpec
    network: NetworkSpec
    training: TrainingSpec
    checkpoint: CheckpointRef
    expected: dict[str, float]
    folder: str = field(metadata=PLACE)


Task = TrainTask | MateTask | HarvestTask | ExportTask
Result = TrainResult | MatingPlan | HarvestResult | ExportResult
Upstream = Sequence[Result | Failure]


@dataclass(frozen=True)
class Workplace:
    """Where tasks work: not part of any fingerprint.

    Attributes:
        root: the run directory.
        search_path: folder of the experiment file, where plug-ins are looked for.
        threads: intra-op threads of a task.
        checkpoint_every_s: a partial checkpoint at least this often; infinite for never.
        task_timeout_s: a task that takes longer is ended.
        tensorboard: whether members write their metrics for TensorBoard.
    """

    root: str
    search_path: str | None = None
    threads: int = 1
    checkpoint_every_s: float = 600.0
    task_timeout_s: float = math.inf
    tensorboard: bool = False


def population(
    upstream: Upstream, members: int
) -> tuple[list[TrainResult | Failure], MatingPlan | None]:
    """Return the upstream outcomes as a population and the mating plan that came before it.

    Raises:
        HeterosisError: they are something else (a bug of the driver).
    """
    found = [each for each in upstream[:members] if isinstance(each, TrainResult | Failure)]
    plans = [each for each in upstream[members:] if isinstance(each, MatingPlan)]
    if len(found) != members:
        raise HeterosisError(f"a population of {members} was to come, {len(found)} did")
    return found, plans[0] if plans else None


def resolve(task: TrainTask, upstream: Result) -> TrainTask:
    """Return `task` with its start filled in from the result that it waited for.

    Raises:
        HeterosisError: the upstream result does not fit the start (a bug of the driver).
    """
    start = task.start
    if isinstance(start, Continue | Restart) and isinstance(upstream, TrainResult):
        own = replace(start, checkpoint=upstream.checkpoint)
        return replace(task, start=own, genome=upstream.genome)
    if isinstance(start, Offspring | Survive) and isinstance(upstream, MatingPlan):
        plan = upstream.children[task.member]
        if isinstance(start, Offspring):
            return replace(task, start=replace(start, plan=plan), genome=plan.genome)
        return replace(task, start=Continue(plan.parents[0]), genome=plan.genome)
    raise HeterosisError(f"a start of kind {start.kind!r} cannot follow a {type(upstream)}")
