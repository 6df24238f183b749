"""One trial as a task graph: segments -> mating -> segments -> harvest, for every arm at once.

The graph is static: N members stay N, so all of it is known before anything runs. Tasks are keyed
by content; arms that ask for the same segment share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from apps.breeding.genomes import first_genome
from apps.messages.fingerprints import content_key
from apps.messages.specs import Genome, HarvestSpec, MatingSpec
from apps.messages.tasks import (
    Continue,
    Fresh,
    HarvestTask,
    MateTask,
    Offspring,
    Restart,
    Start,
    Survive,
    Task,
    TrainTask,
)
from workflow.experiment.arms import Arm, Halt
from workflow.experiment.config import Experiment
from workflow.experiment.space import as_space


@dataclass(frozen=True)
class Node:
    """A task and the keys of those it waits for."""

    key: str
    task: Task
    upstream: tuple[str, ...]


@dataclass
class TrialGraph:
    """All tasks of one trial.

    Attributes:
        nodes: by key, each after those it waits for.
        segments: arm -> keys of its members, one tuple a segment.
        matings: arm -> the key of the mating before each segment, or None.
        harvests: arm -> the key of its harvest.
    """

    trial: int
    nodes: dict[str, Node] = field(default_factory=dict)
    segments: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    matings: dict[str, list[str | None]] = field(default_factory=dict)
    harvests: dict[str, str] = field(default_factory=dict)

    def add(self, task: Task, upstream: Sequence[str]) -> str:
        """Add a task unless an equal one is there; return its key."""
        key = content_key(task, upstream)
        self.nodes.setdefault(key, Node(key, task, tuple(upstream)))
        return key


def build_trial(experiment: Experiment, trial: int) -> TrialGraph:
    """Return the task graph of one trial."""
    graph = TrialGraph(trial)
    for arm in experiment.arms:
        _add_arm(graph, experiment, arm)
    return graph


def _add_arm(graph: TrialGraph, experiment: Experiment, arm: Arm) -> None:
    plain = True
    population: tuple[str, ...] = ()
    segments: list[tuple[str, ...]] = []
    matings: list[str | None] = []
    epochs = experiment.training.epochs
    rates = arm.rates(epochs)
    last_mating: tuple[str, ...] = ()
    for index, (first, last) in enumerate(experiment.segments(arm)):
        halt = arm.halt_after(first)
        average = arm.average_spec(first, last, epochs)
        steady = all(rate == 1.0 for rate in rates[first:last])
        plain = plain and halt is None and average is None and steady
        mating = None
        if halt is not None and halt.mating != "self":
            task = _mate_task(experiment, graph.trial, arm, halt, len(population))
            former = last_mating if halt.mating == "species" else ()
            mating = graph.add(task, (*population, *former))
            last_mating = (mating,)
        start = _start(arm, halt, first)
        # Arms that have not yet halted are one and the same, whatever they are called.
        folder = f"{_folder(graph.trial, '' if plain else arm.name)}/segment-{index}"
        training = replace(
            _train_task(experiment, graph.trial, first, last, start),
            average=average,
            rates=() if steady else rates[first:last],
        )
        population = tuple(
            graph.add(
                replace(
                    training,
                    member=member,
                    folder=f"{folder}/member-{member:02d}",
                    genome=_genome(experiment, graph.trial, first, member),
                ),
                _upstream(member, population, mating),
            )
            for member in range(arm.size(first))
        )
        segments.append(population)
        matings.append(mating)
    graph.segments[arm.name] = segments
    graph.matings[arm.name] = matings
    harvest = HarvestTask(
        **experiment.asked,
        **arm.harvest.part(HarvestSpec),
        trial=graph.trial,
        members=len(population),
        fitness=experiment.training.fitness,
        epochs=epochs,
        folder=f"{_folder(graph.trial, arm.name)}/harvest",
    )
    graph.harvests[arm.name] = graph.add(harvest, (*population, *last_mating))


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
        inherit=search is None or search.inherit == "weights",
        strangers=search is not None and search.strangers,
    )


def _genome(experiment: Experiment, trial: int, first: int, member: int) -> Genome:
    """Return what a new member of a search has of its own; later ones have it from their start."""
    if experiment.space is None or first > 0:
        return Genome()
    return first_genome(as_space(experiment.space), experiment.seed, trial, member)


def _upstream(member: int, population: tuple[str, ...], mating: str | None) -> tuple[str, ...]:
    if mating is not None:
        return (mating,)
    return (population[member],) if population else ()


def _train_task(
    experiment: Experiment, trial: int, first: int, last: int, start: Start
) -> TrainTask:
    return TrainTask(
        **experiment.asked,
        trial=trial,
        member=0,
        first_epoch=first,
        last_epoch=last,
        start=start,
        folder="",
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
        fitness=experiment.training.fitness,
        mating=halt.mating,
        crossover=halt.crossover_spec,
        folder=f"{_folder(trial, arm.name)}/halt-{arm.halts.index(halt)}",
        search=halt.search.spec(as_space(experiment.space or {})) if halt.search else None,
        offspring=0 if (after := arm.size(int(halt.at))) == members else after,
    )


def _folder(trial: int, arm: str) -> str:
    return f"trial-{trial:03d}/{arm}" if arm else f"trial-{trial:03d}"
