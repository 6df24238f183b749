"""A run: submit the tasks of all trials and arms at once, watch them, collect the outcomes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from apps.errors import NotWritten
from apps.messages.results import Failure, HarvestResult, Result, TrainResult
from apps.messages.specs import NetworkSpec, TrainingSpec, phenotype
from apps.messages.tasks import ExportTask, Task, TrainTask, Workplace
from apps.tasks.perform import Outcome
from apps.worker.stopping import Stopped, stopping
from workflow.driver.engine import Engine
from workflow.driver.retention import Retention
from workflow.driver.trial import Node, TrialGraph, build_trial
from workflow.experiment.config import Experiment

_Kind = TypeVar("_Kind", bound=Result)


class Watcher(Protocol):
    """Notified of a run's events: the event log, the watch for stalls."""

    def begin(self, graphs: Sequence[TrialGraph]) -> None:
        """Called before the first task is submitted."""

    def finished(self, node: Node[Task], outcome: Outcome, reused: bool) -> None:
        """Called for each finished task, from any thread."""

    def tick(self) -> None:
        """Called about four times per second, in the driver's own thread."""


@dataclass(frozen=True)
class Champion:
    """The best network of a run, and where it came from."""

    trial: int
    arm: str
    result: HarvestResult


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of all tasks of a run.

    Attributes:
        graphs: one a trial.
        by_key: the outcome of every task.
    """

    experiment: Experiment
    graphs: tuple[TrialGraph, ...]
    by_key: Mapping[str, Outcome]

    def of(self, node: Node[Task], kind: type[_Kind]) -> _Kind | Failure:
        """Return the outcome of a task whose results are of class `kind`."""
        outcome = self.by_key[node.key]
        return outcome if isinstance(outcome, Failure) else self.result(node, kind)

    def result(self, node: Node[Task], kind: type[_Kind]) -> _Kind:
        """Return the result of a task that has not failed.

        Raises:
            TypeError: it has no result of class `kind` (a bug of the driver).
        """
        outcome = self.by_key[node.key]
        if not isinstance(outcome, kind):
            raise TypeError(f"{node.task.folder} has a {type(outcome)}, not a {kind.__name__}")
        return outcome

    @property
    def champion(self) -> Champion | None:
        """The network with the best fitness over all trials and arms; None if all failed."""
        best: Champion | None = None
        for graph in self.graphs:
            for arm, harvest in graph.harvests.items():
                result = self.of(harvest, HarvestResult)
                if isinstance(result, HarvestResult) and (
                    best is None or result.fitness < best.result.fitness
                ):
                    best = Champion(graph.trial, arm, result)
        return best

    def members_of(self, champion: Champion) -> tuple[Node[TrainTask], ...]:
        """Return the trained members that a champion is made of."""
        population = self.graphs[champion.trial].harvests[champion.arm].population
        return tuple(population[member] for member in champion.result.members)

    def specs_of(self, champion: Champion) -> tuple[NetworkSpec, TrainingSpec]:
        """Return a champion's network, and what it was trained with last: its arm may have own."""
        task = self.members_of(champion)[0].task
        return phenotype(task.network, task.training, champion.result.genome)

    @property
    def diverged(self) -> bool:
        """Whether networks were trained, and every one of them diverged."""
        trained = [each for each in self.by_key.values() if isinstance(each, TrainResult)]
        return bool(trained) and all(each.status == "diverged" for each in trained)

    @property
    def failed_arms(self) -> list[tuple[int, str, Failure]]:
        """Trial, arm and reason of every arm that has no champion."""
        harvests = [
            (graph.trial, arm, self.of(harvest, HarvestResult))
            for graph in self.graphs
            for arm, harvest in graph.harvests.items()
        ]
        return [(trial, arm, r) for trial, arm, r in harvests if isinstance(r, Failure)]


@contextmanager
def writing(root: Path | str) -> Iterator[None]:
    """Say of a refusal to write to which run directory, and how the run goes on.

    Raises:
        NotWritten: something within raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        again = "what is finished is stored; make room, and run the same command again"
        raise NotWritten(root, "the run directory", error, again) from error


def run_experiment(
    experiment: Experiment,
    engine: Engine,
    place: Workplace,
    watchers: Sequence[Watcher],
    keep_all: bool = False,
) -> Outcomes:
    """Run all trials and arms; results in the run directory are not computed again.

    Args:
        experiment: what to run.
        engine: runs the tasks.
        place: the run directory.
        watchers: notified of every finished task.
        keep_all: keep every checkpoint.

    Raises:
        SiteError: the site can bring no workers.
        NotWritten: the run directory cannot be written: the disk is full, for example.
        Exception: a watcher or the retention of checkpoints failed.
        KeyboardInterrupt: the user stops the run; what is finished is stored.
        Stopped: likewise, seen first by a task.
    """
    graphs = tuple(build_trial(experiment, trial) for trial in range(experiment.trials))
    nodes = [node for graph in graphs for node in graph.nodes.values()]
    retention = Retention(graphs, place, keep_all)
    with writing(place.root):
        retention.prepare()
        for watcher in watchers:
            watcher.begin(graphs)
    left = threading.Semaphore(0)
    troubles: list[Exception] = []

    def done(node: Node[Task], future: Future[Outcome]) -> None:
        try:
            if isinstance(future.exception(), Stopped):
                stopping.set()
                return
            outcome = engine.outcome(future)
            if engine.broken is not None or (stopping.is_set() and isinstance(outcome, Failure)):
                return  # what fails now says nothing of the tasks
            with writing(place.root):
                retention.finished(node.key, outcome)
                for watcher in watchers:
                    watcher.finished(node, outcome, engine.reused(node.task))
        except Exception as error:  # a full disk, say: the driver's own thread is told
            troubles.append(error)
        finally:
            left.release()

    futures: dict[str, Future[Outcome]] = {}
    for node in nodes:
        futures[node.key] = engine.submit(node.task, [futures[key] for key in node.upstream])
    for node in nodes:
        futures[node.key].add_done_callback(partial(done, node))
    _wait(left, len(nodes), watchers, troubles)
    if engine.broken is not None:
        raise engine.broken
    stopped = [future for future in futures.values() if isinstance(future.exception(), Stopped)]
    if stopped:
        raise Stopped("the run was stopped")
    return Outcomes(
        experiment, graphs, {key: engine.outcome(future) for key, future in futures.items()}
    )


def export_champion(outcomes: Outcomes, engine: Engine, folder: str) -> Outcome | None:
    """Write the run's champion as a Keras file below the run directory, on a worker.

    Raises:
        Stopped: the run's time limit is reached.
    """
    champion = outcomes.champion
    if champion is None:
        return None
    experiment = outcomes.experiment
    network, training = outcomes.specs_of(champion)
    task = ExportTask(
        seed=experiment.seed,
        data=experiment.data,
        network=network,
        training=training,
        checkpoint=champion.result.checkpoint,
        expected=champion.result.final,
        folder=folder,
    )
    future = engine.submit(task, ())
    left = threading.Semaphore(0)
    future.add_done_callback(lambda _: left.release())
    _wait(left, 1, (), ())
    if isinstance(future.exception(), Stopped):
        raise Stopped("the run was stopped")
    return engine.outcome(future)


def _wait(
    left: threading.Semaphore,
    count: int,
    watchers: Sequence[Watcher],
    troubles: Sequence[Exception],
) -> None:
    for _ in range(count):
        # A wait with a limit lets Ctrl-C through.
        while not left.acquire(timeout=0.25):
            for watcher in watchers:
                watcher.tick()
        for trouble in troubles:
            raise trouble
    for watcher in watchers:
        watcher.tick()
