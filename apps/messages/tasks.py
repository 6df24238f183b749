"""Tasks, the messages from the driver to the workers: frozen, plain data.

A task's message says *what* is computed, a `Workplace` *where*: only the first is part of a
result's fingerprint. Paths in messages are relative to the run directory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from apps.errors import HeterosisError
from apps.messages.objective import Mode, Objective
from apps.messages.results import (
    CheckpointRef,
    ChildPlan,
    MatingPlan,
    Result,
    TeachResult,
    TrainResult,
)
from apps.messages.specs import (
    ADDED,
    FINGERPRINT_NAME,
    NO_GENOME,
    PLACE,
    AverageSpec,
    CrossoverSpec,
    DataSpec,
    FamilySpec,
    Genome,
    HarvestSpec,
    MatingSpec,
    NetworkSpec,
    OperatorSpec,
    OuterSpec,
    SearchSpec,
    TrainingSpec,
)
from apps.messages.teachers import Teachers


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
        inherit: False to start from new random weights: the parents then give genes only.
        merge_architectures: whether parents of another architecture than the first one's are merged
            too.
        nearest: whether those parents are that differ from the child in the widths of layers alone,
            by a crossover that chooses units.
    """

    crossover: CrossoverSpec
    mutation: OperatorSpec
    plan: ChildPlan | None = None
    inherit: bool = field(default=True, metadata=ADDED)
    merge_architectures: bool = field(
        default=False, metadata=ADDED | {FINGERPRINT_NAME: "strangers"}
    )
    nearest: bool = field(default=False, metadata=ADDED)
    kind: Literal["offspring"] = "offspring"


@dataclass(frozen=True)
class Survive:
    """Go on as the member that the mating plan names, as if never halted."""

    kind: Literal["survive"] = "survive"


Start = Fresh | Continue | Restart | Offspring | Survive


@dataclass(frozen=True)
class Lesson:
    """What a member learns from its teachers.

    Attributes:
        weight: of their mean prediction in the loss; the labels have the rest.
        temperature: of the predictions of classes.
        predictions: the teachers'; `resolve_lesson` fills it in.
    """

    weight: float
    temperature: float
    predictions: CheckpointRef | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every task is asked.

    A kind of task is a class of these, one of `Result`, and a module that declares what computes
    one from the other, see `apps.tasks.kind`.

    Attributes:
        home: the module that declares the kind; by default the one that the class is in.
        seed: of the experiment.
        folder: where the result goes, below the run directory; not part of the fingerprint.
    """

    home: ClassVar[str] = ""

    seed: int
    data: DataSpec
    network: NetworkSpec
    training: TrainingSpec
    folder: str = field(metadata=PLACE)


@dataclass(frozen=True, kw_only=True)
class TrainTask(Task):
    """Train one member from the end of epoch `first_epoch` to the end of `last_epoch`.

    Attributes:
        start: `resolve` fills in its checkpoint or plan when the upstream result is known.
        average: the average that becomes the member's network; None for its weights themselves.
        rates: factors on the learning rate, one per epoch of the segment; empty for 1 throughout.
        genome: the member's, in a search; `resolve` fills it in after a halt.
        outer: the optimiser over its epochs, if it has one.
        lesson: what it learns beside the labels.
        family: the relatives that it is, if it is several.
    """

    home: ClassVar[str] = "apps.tasks.train"

    trial: int
    member: int
    first_epoch: int
    last_epoch: int
    start: Start
    average: AverageSpec | None = None
    rates: tuple[float, ...] = ()
    genome: Genome = field(default=NO_GENOME, metadata=ADDED)
    outer: OuterSpec | None = field(default=None, metadata=ADDED)
    lesson: Lesson | None = field(default=None, metadata=ADDED)
    family: FamilySpec | None = field(default=None, metadata=ADDED)

    @property
    def relatives(self) -> int:
        """Number of networks that train side by side as the member."""
        return 1 if self.family is None else self.family.members

    @property
    def sets_rate(self) -> bool:
        """Whether the learning rate is set in every epoch: nobody else may."""
        return bool(self.rates) or self.family is not None

    @property
    def network_epochs(self) -> int:
        """Epochs of training that are asked for, over all relatives."""
        return self.relatives * (self.last_epoch - self.first_epoch)


@dataclass(frozen=True, kw_only=True)
class RankingTask(Task):
    """What every task is asked that ranks a population.

    Attributes:
        members: population size N. Upstream come the members, in their order, before all others.
        fitness: the key of `TrainResult.final` that ranks the members; those without a finite one
            come last.
        fitness_mode: its direction.
    """

    trial: int
    members: int
    fitness: str
    fitness_mode: Mode = field(default="min", metadata=ADDED)

    @property
    def objective(self) -> Objective:
        """What ranks the members."""
        return Objective(self.fitness, self.fitness_mode)


@dataclass(frozen=True, kw_only=True)
class MateTask(MatingSpec, RankingTask):
    """Rank a population, choose parents, plan the children.

    Attributes:
        epoch: completed epochs at the halt. Upstream comes, where species last over halts, the
            mating plan before.
        mating: `all` survivors are merged into one network, or `pairs` of them into as many as
            there are pairs, or parents are chosen within `species`; or the best go on by
            themselves (`survivors`).
        crossover: of the children; barriers are measured with its alignment.
        search: how the children's architectures are made; None where all have the same.
        offspring: population size after the halt; 0 for N again.
    """

    home: ClassVar[str] = "apps.tasks.mate"

    epoch: int
    mating: Literal["all", "pairs", "species", "survivors"]
    crossover: CrossoverSpec
    search: SearchSpec | None = field(default=None, metadata=ADDED)
    offspring: int = field(default=0, metadata=ADDED)

    @property
    def children(self) -> int:
        """Population size after the halt."""
        return self.offspring or self.members


@dataclass(frozen=True, kw_only=True)
class TeachTask(RankingTask):
    """Predict the training targets with the networks of a halt, for the members after it.

    Members without a finite fitness teach nobody.

    Attributes:
        epoch: completed epochs at the halt. Upstream comes its mating plan.
        teachers: as `TeachSpec.teachers`.
        temperature: as `TeachSpec.temperature`.
    """

    home: ClassVar[str] = "apps.tasks.teach"

    epoch: int
    teachers: Teachers
    temperature: float


@dataclass(frozen=True, kw_only=True)
class HarvestTask(HarvestSpec, RankingTask):
    """Make one network of a finished population: the arm's champion.

    Attributes:
        epochs: completed epochs, all of them. Upstream comes, if there was one, the last mating
            plan, which says who is of one species.
    """

    home: ClassVar[str] = "apps.tasks.harvest"

    epochs: int

    @property
    def objective(self) -> Objective:
        """What chooses the champion: a metric that merges have too."""
        return super().objective.of_champions


@dataclass(frozen=True, kw_only=True)
class ExportTask(Task):
    """Write the champion of a run as a Keras file and check it against its recorded metrics."""

    home: ClassVar[str] = "apps.tasks.export"

    checkpoint: CheckpointRef
    expected: dict[str, float]


@dataclass(frozen=True)
class Workplace:
    """Where tasks work: not part of any fingerprint.

    Attributes:
        root: the run directory.
        search_path: folder of the experiment file, where plug-ins are looked for.
        threads: intra-op threads of a task.
        checkpoint_every_s: seconds between partial checkpoints; infinite for none.
        task_timeout_s: seconds after which a task is ended.
        tensorboard: whether members write their metrics for TensorBoard.
        stop_at_unix_s: when tasks end after their epoch, and no other begins; infinite for never.
    """

    root: str
    search_path: str | None = None
    threads: int = 1
    checkpoint_every_s: float = 600.0
    task_timeout_s: float = math.inf
    tensorboard: bool = False
    stop_at_unix_s: float = math.inf


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


def resolve_lesson(task: TrainTask, taught: TeachResult) -> TrainTask:
    """Return `task` with the predictions that its member learns from.

    Raises:
        HeterosisError: it learns from none (a bug of the driver).
    """
    lesson = taught.of_child[task.member]
    if task.lesson is None or lesson < 0:
        raise HeterosisError("a member waits for teachers that it does not have")
    predictions = taught.lessons[lesson].predictions
    return replace(task, lesson=replace(task.lesson, predictions=predictions))
