"""What the driver and the workers say to each other: frozen, plain data.

A task's message says *what* is computed, a `Workplace` *where*: only the first is part of a
result's fingerprint. Paths in messages are relative to the run directory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any, Final, Literal, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from apps.errors import HeterosisError
from apps.files import DamagedFile, sha256

NUMERICS: Final = 2
"""Version of the code that computes results: raised when the same message gives other numbers."""

Json = Any
"""None, bool, int, float, str, and lists and dictionaries of these."""

Params = dict[str, Json]


_PLACE: Final = {"place": True}
"""Marks a field that says where something is, not what: not part of a fingerprint."""


# ------------------------------------------------------------------------------ specifications
@dataclass(frozen=True)
class DataSpec:
    """Which data, and how they are split.

    Attributes:
        name: a built-in data set or a plug-in `"module:function"`.
        params: keyword arguments of the plug-in or settings of the built-in.
        validation: samples held out of the training set.
        train_limit: use only this many of the remaining training samples; None for all.
        folder: where the files are; None to search the usual places.
        digest: SHA-256 of a plug-in's source, so that a changed one is noticed.
    """

    name: str
    params: Params = field(default_factory=dict)
    validation: int = 10_000
    train_limit: int | None = None
    folder: str | None = field(default=None, metadata=_PLACE)
    digest: str = ""


@dataclass(frozen=True)
class NetworkSpec:
    """Which network: a named builder or a plug-in `"module:function"`, and its arguments."""

    builder: str
    params: Params = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class TrainingSpec:
    """How a member is trained.

    Attributes:
        batch_size: samples a step.
        optimizer: a Keras optimiser's name; None for the one the model was compiled with, or Adam.
        optimizer_params: its keyword arguments.
        loss: a Keras loss, for a model that its builder did not compile.
        metrics: Keras metrics, likewise.
    """

    batch_size: int
    optimizer: str | None = None
    optimizer_params: Params = field(default_factory=dict)
    loss: str = "sparse_categorical_crossentropy"
    metrics: tuple[str, ...] = ("accuracy",)


@dataclass(frozen=True)
class OperatorSpec:
    """A registered operator or a plug-in, and its settings."""

    name: str
    params: Params = field(default_factory=dict)


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
    """

    distance: OperatorSpec
    method: OperatorSpec
    temperature: float = 1.0
    minimum_size: int = 1
    elitism: bool = True
    between: float = 0.0


# ------------------------------------------------------------------------------------- results
@dataclass(frozen=True)
class CheckpointRef:
    """A stored network: its file below the run directory and the SHA-256 of its bytes."""

    path: str = field(metadata=_PLACE)
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
    """

    child: int
    merge: int
    parents: tuple[CheckpointRef, ...]
    members: tuple[int, ...]
    fitness: tuple[float, ...]
    optimizer: tuple[CheckpointRef, ...] = ()
    mutate: bool = True
    species: int = 0


@dataclass(frozen=True)
class Representative:
    """The network that stands for a species."""

    species: int
    checkpoint: CheckpointRef


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
    """

    fingerprint: str
    method: str
    members: tuple[int, ...]
    fitness: float
    final: dict[str, float]
    checkpoint: CheckpointRef
    cost: Cost


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
    """Start from a merge of parents, mutated."""

    crossover: CrossoverSpec
    mutation: OperatorSpec
    plan: ChildPlan | None = None
    kind: Literal["offspring"] = "offspring"


Start = Fresh | Continue | Restart | Offspring


@dataclass(frozen=True)
class TrainTask:
    """Train one member from the end of epoch `first_epoch` to the end of `last_epoch`.

    Attributes:
        start: has its checkpoint or plan filled in by `resolve` when the upstream result is known.
        folder: where the result goes; not part of the fingerprint.
        average: when given, the member's network is this average of its weights.
        rates: factor on the learning rate for every epoch of the segment; empty for 1 throughout.
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
    folder: str = field(metadata=_PLACE)
    average: AverageSpec | None = None
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class MateTask:
    """Rank a population, choose parents, plan the children.

    Attributes:
        epoch: completed epochs at the halt.
        fitness: the key of `TrainResult.final` to be minimised.
        members: population size N. Upstream come the members in their order and, where species
            last over halts, the mating plan before.
        mating: `all` survivors are merged into one network, or `pairs` of them into as many as
            there are pairs, or parents are chosen within `species`.
        parents: number of survivors, T; with species, parents of one child.
        optimizer: a child's state is `fresh`, the first parent's (`inherit`), that of the member
            whose number it takes (`own`), or the parents' `average`.
        spare_first: whether the first child of a merge stays unmutated.
        species: how to find species; only for that kind of mating.
        crossover: with which the children are made: it is measured as it will be aligned.
        measure: whether distances and loss barriers between parents are measured.
    """

    seed: int
    trial: int
    epoch: int
    members: int
    fitness: str
    mating: Literal["all", "pairs", "species"]
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
    folder: str = field(metadata=_PLACE)


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
    folder: str = field(metadata=_PLACE)


@dataclass(frozen=True)
class ExportTask:
    """Write the champion of a run as a Keras file and check it against its recorded metrics."""

    seed: int
    data: DataSpec
    network: NetworkSpec
    training: TrainingSpec
    checkpoint: CheckpointRef
    expected: dict[str, float]
    folder: str = field(metadata=_PLACE)


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
    """

    root: str
    search_path: str | None = None
    threads: int = 1
    checkpoint_every_s: float = 600.0
    task_timeout_s: float = math.inf


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
        return replace(task, start=replace(start, checkpoint=upstream.checkpoint))
    if isinstance(start, Offspring) and isinstance(upstream, MatingPlan):
        return replace(task, start=replace(start, plan=upstream.children[task.member]))
    raise HeterosisError(f"a start of kind {start.kind!r} cannot follow a {type(upstream)}")


# ----------------------------------------------------------------------------------- as JSON
_Message = TypeVar("_Message")

_NON_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def to_json(message: object) -> bytes:
    """Return a message as strict JSON; non-finite numbers become the strings NaN, Infinity."""
    return json.dumps(_plain(message, places=True), indent=1, allow_nan=False).encode()


def from_json(kind: type[_Message], content: bytes) -> _Message:
    """Return the message of class `kind` that `content` holds.

    Raises:
        DamagedFile: `content` is not such a message.
    """
    try:
        adapter: TypeAdapter[_Message] = _adapter(cast(Any, kind))
        return adapter.validate_python(json.loads(content))
    except (ValueError, RecursionError, ValidationError) as error:
        raise DamagedFile(f"not a {kind.__name__}: {error}") from error


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)  # Making one takes far longer than using it.


def fingerprint(task: Task, upstream: Upstream = ()) -> str:
    """Return the address of a task's result by content.

    It covers the resolved message but for the places in it, what the upstream results hold (their
    own fingerprints and the bytes of their checkpoints), and `NUMERICS`.
    """
    return content_key(task, [_identity(result) for result in upstream])


def content_key(task: Task, upstream: Sequence[str]) -> str:
    """Return the address of a task by its message and the addresses of what it waits for."""
    content = [NUMERICS, type(task).__name__, _plain(task), list(upstream)]
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _identity(result: Result | Failure) -> str:
    if isinstance(result, Failure):
        return "failed"
    if isinstance(result, TrainResult | HarvestResult):
        return f"{result.fingerprint} {result.checkpoint.sha256}"
    return result.fingerprint


def _plain(value: Json, places: bool = False) -> Json:
    if is_dataclass(value):
        return {
            item.name: _plain(getattr(value, item.name), places)
            for item in fields(value)
            if places or not item.metadata.get("place")
        }
    if isinstance(value, dict):
        return {key: _plain(item, places) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, places) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return _NON_FINITE[str(value)]
    return value
