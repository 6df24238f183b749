"""What a task returns, a result or a failure: frozen, plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from apps.errors import HeterosisError
from apps.messages.specs import (
    ADDED,
    NO_GENOME,
    PLACE,
    Genome,
)

FORWARD_PASS: Final = 1 / 3
"""Network-epochs of one network's forward pass over the training set."""


@dataclass(frozen=True)
class CheckpointRef:
    """A stored network: its file below the run directory and the SHA-256 of its bytes."""

    path: str = field(metadata=PLACE)
    sha256: str


@dataclass(frozen=True)
class Cost:
    """What a task took, and where it ran.

    Attributes:
        earlier_epochs: of its epochs those that attempts which were cut off had trained, kept by a
            partial checkpoint. All else is the last attempt's.
    """

    started_unix_s: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0
    host: str = ""
    worker: str = ""
    earlier_epochs: int = 0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What every task hands back.

    Attributes:
        fingerprint: of the task and what it waited for; `apps.tasks.perform` fills it in.
        cost: likewise.
    """

    fingerprint: str = ""
    cost: Cost = Cost()

    @property
    def identity(self) -> str:
        """What tells this result from others to the tasks behind it."""
        return self.fingerprint


@dataclass(frozen=True, kw_only=True)
class NetworkResult(Result):
    """A stored network and what it reaches.

    Attributes:
        final: metrics at the end, on the whole training, validation and test sets, and the running
            means of the last epoch (`loss` and the like): NaN of a network that was not trained
            itself, an average of weights or a merge.
        genome: the network's, in a search.
        parameters: number of trained weights.
    """

    final: dict[str, float]
    checkpoint: CheckpointRef
    genome: Genome = NO_GENOME
    parameters: int = 0

    @property
    def identity(self) -> str:
        """The fingerprint and the bytes of the network."""
        return f"{self.fingerprint} {self.checkpoint.sha256}"


@dataclass(frozen=True)
class EpochRecord:
    """The metrics of one epoch. `epoch` counts from 1; `wall_s` is the epoch's own time."""

    epoch: int
    metrics: dict[str, float]
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class TrainResult(NetworkResult):
    """A trained member: the result of a `TrainTask`.

    Attributes:
        status: `diverged` when a loss was not finite; training stopped there.
        epochs: one record per epoch of this segment.
        start: `val_loss` of an offspring before training; empty for other starts.
        log: remarks for the run's log.
        engine: what trained it: `xla`, `graph` or `fit`.
        engine_reason: why that one.
        givers: of an offspring, the parents, by member number, that its weights come from; None
            where an older version did not record it.
    """

    member: int
    status: Literal["done", "diverged"]
    reason: str
    epochs: tuple[EpochRecord, ...]
    start: dict[str, float]
    log: tuple[str, ...] = ()
    engine: str = field(default="", metadata=ADDED)
    engine_reason: str = field(default="", metadata=ADDED)
    givers: tuple[int, ...] | None = field(default=None, metadata=ADDED)

    @property
    def trained_by(self) -> str:
        """The engine and why it, in one line; "" where an older version did not record it."""
        return f"{self.engine}: {self.engine_reason}" if self.engine else ""


@dataclass(frozen=True)
class Failure:
    """A task without a result, as a value: it ranks last and is never a parent.

    Attributes:
        reason: for the user.
        log: of the task, below the run directory.
        member: whose training failed; -1: it was another kind of task that did.
    """

    reason: str
    log: str = ""
    member: int = -1


@dataclass(frozen=True)
class ChildPlan:
    """One child of a mating: its parents, and what it inherits.

    Attributes:
        child: its member number.
        merge: number of the merge it comes from; children of one merge share its random choices.
        parents: the parents' networks, in the order in which they were selected, or nearest first.
        members: the parents' member numbers.
        fitness: the parents', as costs (`Objective.cost`): lower is better.
        optimizer: networks whose optimiser states it inherits, averaged if there are several;
            empty for a fresh one.
        mutate: False for a child that stays the merge itself.
        species: the species it is born into.
        genome: the child's, in a search.
        genomes: the parents', likewise.
        strange: the parents, by member number, whose architecture is not the first parent's: they
            give genes, and weights only where `Offspring.merge_architectures` is set.
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
    strange: tuple[int, ...] = field(default=(), metadata=ADDED)


@dataclass(frozen=True)
class Representative:
    """The network that stands for a species.

    Attributes:
        genome: the network's, in a search.
        best: what the best fitness that the species ever had counts, likewise.
        stagnant: number of halts since then.
    """

    species: int
    checkpoint: CheckpointRef
    genome: Genome = NO_GENOME
    best: float = math.inf
    stagnant: int = 0


@dataclass(frozen=True, kw_only=True)
class MatingPlan(Result):
    """The result of a `MateTask`: the ranking, and a plan for every child.

    Attributes:
        order: the members from best to worst; those without a finite fitness are last.
        species: the species of each member, by member number; -1 for a failed one.
        representatives: the network that stands for each species at the next halt.
        next_species: the first species number never used so far.
        merges: what was measured between the first two parents of each merge: `distance_raw`,
            `distance_aligned`, `barrier_raw`, `barrier_aligned`; NaN where it could not be.
    """

    order: tuple[int, ...]
    species: tuple[int, ...]
    children: tuple[ChildPlan, ...]
    representatives: tuple[Representative, ...] = ()
    next_species: int = 1
    merges: tuple[dict[str, float], ...] = ()


@dataclass(frozen=True)
class LessonRecord:
    """The mean prediction of some teachers on the training set.

    Attributes:
        teachers: their member numbers.
        predictions: the stored arrays.
    """

    teachers: tuple[int, ...]
    predictions: CheckpointRef


@dataclass(frozen=True, kw_only=True)
class TeachResult(Result):
    """What the members after a halt are taught: the result of a `TeachTask`.

    Attributes:
        lessons: one for each group of teachers.
        of_child: which of them each child learns, by its member number.
        passes: number of networks that predicted the training set, once each.
    """

    lessons: tuple[LessonRecord, ...]
    of_child: tuple[int, ...]
    passes: int

    @property
    def network_epochs(self) -> float:
        """What it cost: a forward pass is a third of an epoch of training."""
        return self.passes * FORWARD_PASS


@dataclass(frozen=True, kw_only=True)
class HarvestResult(NetworkResult):
    """The champion of one arm of one trial: the result of a `HarvestTask`.

    Attributes:
        method: how it was made: the `best` member, or the `mean` or `greedy` mean of several.
        members: which ones.
        fitness: what chose it, `Objective.cost` of it: lower is better; where the task's fitness is
            `loss` it is `train_loss`, which a merge or an average has too.
    """

    method: str
    members: tuple[int, ...]
    fitness: float


@dataclass(frozen=True, kw_only=True)
class ExportResult(Result):
    """The run's champion as files for its users: the result of an `ExportTask`."""

    path: str
    sha256: str
    final: dict[str, float]


Upstream = Sequence[Result | Failure]


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
