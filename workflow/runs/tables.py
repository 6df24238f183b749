"""Outcomes -> the result tables of `apps.records.tables_schema`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from apps.files import write_atomic
from apps.breeding.fitness import fitness_of
from apps.genetics.selection import rank
from apps.messages.tasks import Offspring, Start, TrainTask
from apps.messages.results import ChildPlan, Cost, Failure, HarvestResult, MatingPlan, TrainResult
from apps.messages.specs import NO_GENOME, Genome
from workflow.experiment.arms import Halt
from workflow.experiment.config import Experiment
from workflow.driver.run import Outcomes
from apps.records.run_dir import RunDir
from apps.records.tables_schema import FINAL_METRICS, KINSHIP, METRICS, TABLES, frame
from workflow.driver.trial import TrialGraph

Row = dict[str, Any]

_NO_COST: Final = Cost(math.nan, math.nan, math.nan, math.nan, "", "")


def make_tables(outcomes: Outcomes) -> dict[str, pd.DataFrame]:
    """Return every table of a run, in the order of trial, arm, segment and member."""
    makers = {
        "members": _members,
        "epochs": _epochs,
        "matings": _matings,
        "species": _species,
        "trials": _trials,
    }
    return {
        name: frame(name, [row for cell in _cells(outcomes) for row in makers[name](cell)])
        for name in TABLES
    }


def write_tables(outcomes: Outcomes, run: RunDir) -> dict[str, pd.DataFrame]:
    """Write every table as a parquet file, each whole or not at all, and return them."""
    tables = make_tables(outcomes)
    for name, table in tables.items():
        write_atomic(run.table(name), table.to_parquet(index=False))
    return tables


class _Cell:
    """One arm of one trial."""

    def __init__(self, outcomes: Outcomes, graph: TrialGraph, arm: str) -> None:
        self.outcomes = outcomes
        self.experiment: Experiment = outcomes.experiment
        self.graph = graph
        self.arm = arm
        self.place: Row = {"trial": graph.trial, "arm": arm}

    def segments(self) -> Iterator[tuple[int, list[tuple[TrainTask, TrainResult | Failure]]]]:
        for index, keys in enumerate(self.graph.segments[self.arm]):
            yield index, [(self._task(key), self._member(key)) for key in keys]

    def matings(self) -> Iterator[tuple[int, int, Halt, MatingPlan]]:
        """Yield segment that the children train, number of the halt, the halt, its plan."""
        settings = next(arm for arm in self.experiment.arms if arm.name == self.arm)
        for index, key in enumerate(self.graph.matings[self.arm]):
            plan = self.outcomes.by_key[key] if key is not None else None
            if not isinstance(plan, MatingPlan):
                continue
            first, _ = self.experiment.segments(settings)[index]
            halt = settings.halt_after(first)
            if halt is not None:
                yield index, settings.halts.index(halt), halt, plan

    def mating_before(self, segment: int) -> MatingPlan | None:
        return next((plan for index, _, _, plan in self.matings() if index == segment), None)

    def fitness(self, segment: int, member: int) -> float:
        """Return the fitness that a member had at the end of a segment."""
        outcome = self._member(self.graph.segments[self.arm][segment][member])
        return fitness_of(outcome, self.experiment.training.fitness)

    def _task(self, key: str) -> TrainTask:
        task = self.graph.nodes[key].task
        if not isinstance(task, TrainTask):
            raise TypeError(f"a segment holds tasks of training, not {type(task)}")
        return task

    def _member(self, key: str) -> TrainResult | Failure:
        outcome = self.outcomes.by_key[key]
        if not isinstance(outcome, TrainResult | Failure):
            raise TypeError(f"training gives a member, not {type(outcome)}")
        return outcome


def _cells(outcomes: Outcomes) -> Iterator[_Cell]:
    for graph in outcomes.graphs:
        for arm in graph.segments:
            yield _Cell(outcomes, graph, arm)


def _members(cell: _Cell) -> Iterator[Row]:
    key = cell.experiment.training.fitness
    for segment, members in cell.segments():
        plan = cell.mating_before(segment)
        fitness = [fitness_of(outcome, key) for _, outcome in members]
        order = rank(fitness)
        for (task, outcome), value in zip(members, fitness, strict=True):
            result = outcome if isinstance(outcome, TrainResult) else None
            cost = result.cost if result else _NO_COST
            child = plan.children[task.member] if plan else None
            yield cell.place | {
                "segment": segment,
                "member": task.member,
                "folder": task.folder,
                "start": task.start.kind,
                "parents": _parents(task, child),
                "species": child.species if child else 0,
                "first_epoch": task.first_epoch + 1,
                "last_epoch": task.last_epoch,
                "status": result.status if result else "failed",
                "reason": outcome.reason,
                "log": outcome.log if isinstance(outcome, Failure) else "",
                **{
                    name: (result.final if result else {}).get(name, math.nan)
                    for name in FINAL_METRICS
                },
                "start_loss": (result.start if result else {}).get("loss", math.nan),
                "start_val_loss": (result.start if result else {}).get("val_loss", math.nan),
                **_genome(result.genome if result else (child or task).genome, result),
                "engine": f"{result.engine}: {result.engine_reason}" if result else "",
                "fitness": value,
                "rank": order.index(task.member),
                "started_unix_s": cost.started_unix_s,
                "wall_s": cost.wall_s,
                "cpu_s": cost.cpu_s,
                "peak_memory_mb": cost.peak_memory_mb,
                "host": cost.host,
                "worker": cost.worker,
            }


def _parents(task: TrainTask, child: ChildPlan | None) -> str:
    if child is not None:
        return " ".join(str(member) for member in child.members)
    return str(task.member) if task.start.kind in ("continue", "restart") else ""


def _genome(genome: Genome, result: TrainResult | HarvestResult | None) -> Row:
    """Return the columns of what a network of a search has of its own."""
    found = {**genome.network, **genome.optimizer}
    return {
        "genome": json.dumps(found) if found else "",
        "parameters": result.parameters if result else 0,
    }


def _epochs(cell: _Cell) -> Iterator[Row]:
    for segment, members in cell.segments():
        for task, outcome in members:
            for record in outcome.epochs if isinstance(outcome, TrainResult) else ():
                yield cell.place | {
                    "segment": segment,
                    "member": task.member,
                    "epoch": record.epoch,
                    **{name: record.metrics.get(name, math.nan) for name in METRICS},
                    "wall_s": record.wall_s,
                }


def _matings(cell: _Cell) -> Iterator[Row]:
    segments = dict(cell.segments())
    for segment, number, halt, plan in cell.matings():
        for child in plan.children:
            task, outcome = segments[segment][child.child]
            crossover, align = _merged_by(task.start, child, halt.align)
            start = outcome.start if isinstance(outcome, TrainResult) else {}
            yield cell.place | {
                "halt": number,
                "epoch": int(halt.at),
                "child": child.child,
                "parents": " ".join(str(member) for member in child.members),
                "species": child.species,
                "crossover": crossover,
                "align": align,
                "mutation": halt.mutation.name if child.mutate else "none",
                "optimizer": halt.optimizer,
                "parents_fitness": math.fsum(child.fitness) / len(child.fitness),
                **{name: plan.merges[child.merge][name] for name in KINSHIP},
                "child_loss": start.get("loss", math.nan),
                "child_val_loss": start.get("val_loss", math.nan),
            }


def _merged_by(start: Start, child: ChildPlan, align: str) -> tuple[str, str]:
    if not isinstance(start, Offspring):
        return "", align
    others = len(child.members) - 1
    if others and len(child.strange) == others and not start.strangers:
        return "none", "none"  # of another architecture, they gave genes and no weights
    return start.crossover.name, align


def _species(cell: _Cell) -> Iterator[Row]:
    for segment, number, halt, plan in cell.matings():
        for species in sorted({label for label in plan.species if label >= 0}):
            members = [index for index in plan.order if plan.species[index] == species]
            yield cell.place | {
                "halt": number,
                "epoch": int(halt.at),
                "species": species,
                "size": len(members),
                "members": " ".join(str(member) for member in sorted(members)),
                "champion": members[0],
                "fitness": cell.fitness(segment - 1, members[0]),
                "offspring": sum(child.species == species for child in plan.children),
            }


def _trials(cell: _Cell) -> Iterator[Row]:
    outcome = cell.outcomes.by_key[cell.graph.harvests[cell.arm]]
    result = outcome if isinstance(outcome, HarvestResult) else None
    trained = [record for _, members in cell.segments() for _, record in members]
    yield cell.place | {
        "status": "done" if result else "failed",
        "reason": outcome.reason if isinstance(outcome, Failure) else "",
        "champion": result.method if result else "",
        "members": " ".join(str(member) for member in result.members) if result else "",
        **{name: (result.final if result else {}).get(name, math.nan) for name in FINAL_METRICS},
        **_genome(result.genome if result else NO_GENOME, result),
        "fitness": result.fitness if result else math.nan,
        "network_epochs": sum(
            len(record.epochs) for record in trained if isinstance(record, TrainResult)
        ),
        "failed_members": sum(
            isinstance(record, Failure) or record.status != "done" for record in trained
        ),
    }
