"""One trial as a task graph: segments -> mating -> segments -> harvest, for every arm at once.

The graph is static: the size of every population is known before anything runs. Tasks are keyed by
content; arms that ask for the same segment share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar, cast

from apps.breeding.genomes import first_genome
from apps.errors import HeterosisError
from apps.messages.fingerprints import content_key
from apps.messages.specs import Genome, HarvestSpec, MatingSpec
from apps.messages.tasks import (
    Continue,
    Fresh,
    HarvestTask,
    Lesson,
    MateTask,
    Offspring,
    Restart,
    Start,
    Survive,
    Task,
    TeachTask,
    TrainTask,
)
from apps.records.run_dir import RunDir
from workflow.experiment.arms import Arm
from workflow.experiment.config import Experiment
from workflow.experiment.halts import Halt, Setting
from workflow.experiment.space import as_space

_Kind = TypeVar("_Kind", bound=Task, covariant=True)
_New = TypeVar("_New", bound=Task)

_PLAIN: Final = (None, None, 1.0, Setting())
"""An epoch of an arm's timeline in which it only trains."""


@dataclass(frozen=True)
class Node(Generic[_Kind]):
    """A task and the nodes it waits for: members first, then a mating.

    Attributes:
        key: its content, with that of all it waits for: nodes are equal when their keys are.
        population: the members that it mates or harvests; of a member that goes on by itself, that
            member in the segment before; empty for new members and children.
        mating: of a child, the mating it comes from; of a mating between species, the arm's one
            before; of a harvest, the arm's last; of teachers, the one at their halt.
        teaching: of a member that is taught, its teachers.
    """

    key: str
    task: _Kind = field(compare=False)
    population: tuple[Node[TrainTask], ...] = field(default=(), compare=False, repr=False)
    mating: Node[MateTask] | None = field(default=None, compare=False, repr=False)
    teaching: Node[TeachTask] | None = field(default=None, compare=False, repr=False)

    @property
    def upstream(self) -> tuple[str, ...]:
        """Keys of the nodes it waits for, in the order in which their results are handed to it."""
        return _keys(self.population, self.mating, self.teaching)

    @property
    def reads(self) -> tuple[Node[Task], ...]:
        """The nodes whose checkpoints, or predictions, the task may read."""
        taught = () if self.teaching is None else (self.teaching,)
        if self.mating is None or isinstance(self.task, HarvestTask | TeachTask):
            return (*self.population, *taught)
        # A child has its parents there, and a species that lasts the network that stands for it.
        return (*self.population, *self.mating.population, *taught)


@dataclass(frozen=True)
class Segment:
    """An arm's training between two halts, or where another arm departs from it.

    Attributes:
        number: its place among the arm's segments.
        first: completed epochs before it.
        last: completed epochs after it.
        halt: the halt before it, if there is one.
        mating: at the halt, if the members are children of one.
        teaching: of the members, if they are taught.
        members: the population, trained.
    """

    number: int
    first: int
    last: int
    halt: Halt | None
    mating: Node[MateTask] | None
    teaching: Node[TeachTask] | None
    members: tuple[Node[TrainTask], ...]


@dataclass
class TrialGraph:
    """All tasks of one trial.

    Attributes:
        nodes: by key, each after those it waits for.
        segments: of every arm, in order.
        harvests: of every arm.
    """

    trial: int
    nodes: dict[str, Node[Task]] = field(default_factory=dict)
    segments: dict[str, tuple[Segment, ...]] = field(default_factory=dict)
    harvests: dict[str, Node[HarvestTask]] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set, repr=False)

    def add(
        self,
        task: _New,
        population: Sequence[Node[TrainTask]] = (),
        mating: Node[MateTask] | None = None,
        teaching: Node[TeachTask] | None = None,
    ) -> Node[_New]:
        """Return the node of a task: the one that is there if an equal one is, else a new one.

        Raises:
            HeterosisError: another task has its folder, and would lose its results.
        """
        key = content_key(task, _keys(population, mating, teaching))
        if key not in self.nodes:
            if task.folder in self._folders:
                raise HeterosisError(
                    f"{task.folder}: two tasks of different content would be stored in it; what "
                    "tells them apart is missing in the arm's timeline"
                )
            self._folders.add(task.folder)
            self.nodes[key] = Node(key, task, tuple(population), mating, teaching)
        return cast(Node[_New], self.nodes[key])

    @property
    def training(self) -> list[TrainTask]:
        """The tasks of training, each once, whoever shares it."""
        return [node.task for node in self.nodes.values() if isinstance(node.task, TrainTask)]

    def teaching(self, arm: str) -> list[Node[TeachTask]]:
        """The teachers of an arm, in order."""
        found = [segment.teaching for segment in self.segments[arm]]
        return list(dict.fromkeys(node for node in found if node is not None))

    @property
    def network_epochs(self) -> int:
        """Epochs of training, those of a shared segment once."""
        return sum(task.network_epochs for task in self.training)

    @property
    def sharers(self) -> dict[str, list[str]]:
        """The arms that a member is trained for, by its key, in the order of the experiment."""
        found: dict[str, list[str]] = {}
        for arm, segments in self.segments.items():
            for node in (node for segment in segments for node in segment.members):
                found.setdefault(node.key, []).append(arm)
        return found


def build_trial(experiment: Experiment, trial: int) -> TrialGraph:
    """Return the task graph of one trial."""
    graph = TrialGraph(trial)
    for arm in experiment.arms:
        _add_arm(graph, experiment, arm)
    return graph


def _add_arm(graph: TrialGraph, experiment: Experiment, arm: Arm) -> None:
    """Add what an arm computes: its segments, a mating at each halt, the harvest at the end."""
    segments: list[Segment] = []
    population: tuple[Node[TrainTask], ...] = ()
    last_mating: Node[MateTask] | None = None
    teaching: Node[TeachTask] | None = None
    for number, (first, last) in enumerate(experiment.segments(arm)):
        halt, mating = arm.halt_after(first), None
        if halt is not None and halt.mating != "self":
            former = last_mating if halt.mating == "species" else None
            task = _mate_task(experiment, graph.trial, arm, halt, len(population))
            mating = last_mating = graph.add(task, population, former)
        if halt is not None:
            teaching = None
            if halt.teach is not None and mating is not None:
                lesson = _teach_task(experiment, graph.trial, arm, halt, len(population))
                teaching = graph.add(lesson, population, mating)
        training = _train_task(experiment, graph.trial, arm, halt, first, last)
        population = tuple(
            graph.add(
                replace(
                    training,
                    member=member,
                    folder=RunDir.member_folder(training.folder, number, member),
                    genome=_genome(experiment, graph.trial, first, member),
                ),
                () if mating else population[member : member + 1],
                mating,
                teaching,
            )
            for member in range(arm.size(first))
        )
        segments.append(Segment(number, first, last, halt, mating, teaching, population))
    harvest = _harvest_task(experiment, graph.trial, arm, len(population))
    graph.segments[arm.name] = tuple(segments)
    graph.harvests[arm.name] = graph.add(harvest, population, last_mating)


def _keys(
    population: Sequence[Node[TrainTask]],
    mating: Node[MateTask] | None,
    teaching: Node[TeachTask] | None,
) -> tuple[str, ...]:
    others = [node.key for node in (mating, teaching) if node is not None]
    return (*(node.key for node in population), *others)


def _start(arm: Arm, halt: Halt | None, first: int) -> Start:
    if first == 0:
        return Fresh()
    if halt is None:
        return Continue()
    if halt.mating == "self":
        return Restart()
    if halt.mating == "survivors":
        return Survive()
    search = halt.search
    return Offspring(
        crossover=halt.crossover_spec,
        mutation=halt.mutation_spec(arm.halts.index(halt)),
        inherit=search is None or search.inherit != "genes",
        merge_architectures=search is not None and search.merge_architectures,
        nearest=search is not None and search.inherit == "nearest",
    )


def _genome(experiment: Experiment, trial: int, first: int, member: int) -> Genome:
    """Return the genome of a new member of a search; later members get theirs from their start."""
    if experiment.space is None or first > 0:
        return Genome()
    return first_genome(as_space(experiment.space), experiment.seed, trial, member)


def _train_task(
    experiment: Experiment, trial: int, arm: Arm, halt: Halt | None, first: int, last: int
) -> TrainTask:
    """Return what is common to all members of a segment; its folder is the arm's."""
    epochs = arm.length(experiment.training.epochs)
    rates = arm.rates(epochs)[first:last]
    # Arms that have not yet departed are one and the same, whatever they are called.
    shared = all(epoch == _PLAIN for epoch in arm.timeline(epochs)[:last])
    setting = arm.setting(first)
    training = experiment.training.spec
    optimizer = {**training.optimizer_params, **setting.optimizer}
    teach = setting.lesson
    return TrainTask(
        **experiment.asked | {"training": replace(training, optimizer_params=optimizer)},
        outer=setting.outer,
        family=setting.family,
        lesson=None if teach is None else Lesson(teach.weight, teach.temperature),
        trial=trial,
        member=0,
        first_epoch=first,
        last_epoch=last,
        start=_start(arm, halt, first),
        folder=RunDir.arm_folder(trial, None if shared else arm.name),
        average=arm.average_spec(first, last, epochs),
        rates=() if all(rate == 1.0 for rate in rates) else rates,
    )


def _mate_task(experiment: Experiment, trial: int, arm: Arm, halt: Halt, members: int) -> MateTask:
    if halt.mating == "self":
        raise ValueError("members that go on alone are not mated")
    # Of parents that go on by themselves there is no merge to measure.
    measure = halt.measure and halt.mating != "survivors"
    return MateTask(
        **experiment.asked,
        **halt.part(MatingSpec) | {"measure": measure},
        trial=trial,
        epoch=int(halt.at),
        members=members,
        **experiment.ranked,
        mating=halt.mating,
        crossover=halt.crossover_spec,
        folder=RunDir.halt_folder(trial, arm.name, arm.halts.index(halt)),
        search=halt.search.spec(as_space(experiment.space or {})) if halt.search else None,
        offspring=0 if (after := arm.size(int(halt.at))) == members else after,
    )


def _teach_task(
    experiment: Experiment, trial: int, arm: Arm, halt: Halt, members: int
) -> TeachTask:
    if halt.teach is None:
        raise ValueError("nobody is taught after this halt")
    return TeachTask(
        **experiment.asked,
        trial=trial,
        epoch=int(halt.at),
        members=members,
        **experiment.ranked,
        teachers=halt.teach.teachers,
        temperature=halt.teach.temperature,
        folder=RunDir.teachers_folder(trial, arm.name, arm.halts.index(halt)),
    )


def _harvest_task(experiment: Experiment, trial: int, arm: Arm, members: int) -> HarvestTask:
    return HarvestTask(
        **experiment.asked,
        **arm.harvest.part(HarvestSpec),
        trial=trial,
        members=members,
        **experiment.ranked,
        epochs=arm.length(experiment.training.epochs),
        folder=RunDir.harvest_folder(trial, arm.name),
    )
