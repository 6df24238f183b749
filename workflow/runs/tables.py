"""Outcomes -> the result tables of `apps.records.tables_schema`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from apps.breeding.fitness import fitness_of
from apps.files import write_atomic
from apps.genetics.selection import rank
from apps.genetics.unit_selection import ACROSS_WIDTHS, PARENTS_TAKEN
from apps.messages.results import (
    ChildPlan,
    Cost,
    Failure,
    HarvestResult,
    MatingPlan,
    Result,
    TeachResult,
    TrainResult,
)
from apps.messages.specs import NO_GENOME, Genome
from apps.messages.tasks import Offspring, Start, TrainTask
from apps.records.run_dir import RunDir
from apps.records.tables_schema import (
    FINAL_METRICS,
    KINSHIP,
    METRICS,
    TABLES,
    frame,
    other_metrics,
)
from workflow.driver.run import Outcomes, writing
from workflow.driver.trial import Node, Segment, TrialGraph
from workflow.experiment.halts import Halt

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
    tables = {}
    for name, columns in TABLES.items():
        rows = [row for cell in _cells(outcomes) for row in makers[name](cell)]
        metrics = dict.fromkeys(key for row in rows for key in row if key not in columns)
        tables[name] = frame(name, rows, list(metrics))
    return tables


def write_tables(outcomes: Outcomes, run: RunDir) -> dict[str, pd.DataFrame]:
    """Write every table as a Parquet file, atomically, and return the tables.

    Raises:
        NotWritten: the disk is full, for example.
    """
    tables = make_tables(outcomes)
    with writing(run.root):
        for name, table in tables.items():
            write_atomic(run.table(name), table.to_parquet(index=False))
    return tables


class _Cell:
    """One arm of one trial."""

    def __init__(self, outcomes: Outcomes, graph: TrialGraph, arm: str) -> None:
        self.outcomes = outcomes
        self.objective = outcomes.experiment.training.objective
        self.segments = graph.segments[arm]
        self.teaching = graph.teaching(arm)
        self.harvest = graph.harvests[arm]
        self.place: Row = {"trial": graph.trial, "arm": arm}

    def trained(self, node: Node[TrainTask]) -> TrainResult | Failure:
        return self.outcomes.of(node, TrainResult)

    def fitness(self, node: Node[TrainTask]) -> float:
        return self.objective.value(fitness_of(self.trained(node), self.objective))

    def plan(self, segment: Segment) -> MatingPlan | None:
        """Return the plan that a segment's members are children of."""
        if segment.mating is None:
            return None
        plan = self.outcomes.of(segment.mating, MatingPlan)
        return plan if isinstance(plan, MatingPlan) else None

    def teachers(self, node: Node[TrainTask]) -> int:
        """Return the number of networks that teach a member."""
        if node.teaching is None:
            return 0
        taught = self.outcomes.of(node.teaching, TeachResult)
        if isinstance(taught, Failure):
            return 0
        lesson = taught.of_child[node.task.member]
        return len(taught.lessons[lesson].teachers) if lesson >= 0 else 0

    def matings(self) -> Iterator[tuple[Row, Halt, Segment, MatingPlan]]:
        """Yield each mating: place, the halt's settings, the children's segment, the plan."""
        halts = [(each.halt, each) for each in self.segments if each.halt is not None]
        for number, (halt, segment) in enumerate(halts):
            if (plan := self.plan(segment)) is not None:
                place = self.place | {"halt": number, "epoch": segment.first}
                yield place, halt, segment, plan


def _cells(outcomes: Outcomes) -> Iterator[_Cell]:
    for graph in outcomes.graphs:
        for arm in graph.segments:
            yield _Cell(outcomes, graph, arm)


def _members(cell: _Cell) -> Iterator[Row]:
    for segment in cell.segments:
        plan = cell.plan(segment)
        outcomes = [cell.trained(node) for node in segment.members]
        fitness = [fitness_of(outcome, cell.objective) for outcome in outcomes]
        order = rank(fitness)
        for node, outcome, value in zip(segment.members, outcomes, fitness, strict=True):
            task = node.task
            result = outcome if isinstance(outcome, TrainResult) else None
            cost = result.cost if result else _NO_COST
            child = plan.children[task.member] if plan else None
            yield cell.place | {
                "segment": segment.number,
                "member": task.member,
                "folder": task.folder,
                "start": task.start.kind,
                "parents": _parents(node, child),
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
                "start_val_loss": (result.start if result else {}).get("val_loss", math.nan),
                **_genome(result.genome if result else (child or task).genome, result),
                "engine": result.trained_by if result else "",
                "remarks": "\n".join(result.log) if result else "",
                "fitness": cell.objective.value(value),
                "rank": order.index(task.member),
                "started_unix_s": cost.started_unix_s,
                "wall_s": cost.wall_s,
                "earlier_wall_s": _earlier(result),
                "cpu_s": cost.cpu_s,
                "peak_memory_mb": cost.peak_memory_mb,
                "host": cost.host,
                "worker": cost.worker,
                **other_metrics("members", result.final if result else {}),
            }


def _earlier(result: TrainResult | None) -> float:
    """Return the time of a member's epochs that attempts before the last one had trained, in s."""
    return sum(each.wall_s for each in result.epochs[: result.cost.earlier_epochs]) if result else 0


def _parents(node: Node[TrainTask], child: ChildPlan | None) -> str:
    own = (parent.task.member for parent in node.population)
    return " ".join(str(member) for member in (child.members if child else own))


def _genome(genome: Genome, result: TrainResult | HarvestResult | None) -> Row:
    """Return the columns of a network's genome and size."""
    found = genome.flat
    return {
        "genome": json.dumps(found) if found else "",
        "parameters": result.parameters if result else 0,
    }


def _epochs(cell: _Cell) -> Iterator[Row]:
    for segment in cell.segments:
        for node in segment.members:
            outcome = cell.trained(node)
            for record in outcome.epochs if isinstance(outcome, TrainResult) else ():
                yield cell.place | {
                    "segment": segment.number,
                    "member": node.task.member,
                    "epoch": record.epoch,
                    **{name: record.metrics.get(name, math.nan) for name in METRICS},
                    "wall_s": record.wall_s,
                    "relatives": node.task.relatives,
                    **other_metrics("epochs", record.metrics),
                }


def _matings(cell: _Cell) -> Iterator[Row]:
    for place, halt, segment, plan in cell.matings():
        for child in plan.children:
            node = segment.members[child.child]
            outcome = cell.trained(node)
            crossover, align = _merged_by(node.task.start, child, halt.align)
            givers = outcome.givers if isinstance(outcome, TrainResult) else None
            start = outcome.start if isinstance(outcome, TrainResult) else {}
            yield place | {
                "child": child.child,
                "parents": " ".join(str(member) for member in child.members),
                "species": child.species,
                "crossover": crossover,
                "align": align,
                "mutation": halt.mutation.name if child.mutate else "none",
                "optimizer": halt.optimizer,
                "parents_fitness": cell.objective.value(
                    math.fsum(child.fitness) / len(child.fitness)
                ),
                **{name: plan.merges[child.merge][name] for name in KINSHIP},
                "child_val_loss": start.get("val_loss", math.nan),
                "took_part": _took_part(node.task.start, child, crossover, givers),
                "parent_count": len(set(child.members)),
                "parent_species": len({plan.species[member] for member in child.members}),
                "teachers": cell.teachers(node),
                "best_parent_fitness": cell.objective.value(min(child.fitness)),
                "child_fitness": cell.fitness(node),
            }


def _took_part(
    start: Start, child: ChildPlan, crossover: str, givers: tuple[int, ...] | None
) -> str:
    """Return what of its parents a child begins with, as `tables_schema` names it."""
    if not isinstance(start, Offspring) or (not child.mutate and len(child.members) == 1):
        return "continued"
    taken = PARENTS_TAKEN.get(start.crossover.name)
    if (taken == 0 and crossover != "none") or not start.inherit:
        return "fresh"
    if givers is None:  # of an older version, which knew no others than these
        others = () if start.merge_architectures else child.strange
        givers = tuple(member for member in child.members if member not in others)
    if len(givers[:taken]) < 2:
        return "inherited" if givers else "fresh"
    return "selected" if start.crossover.name in ACROSS_WIDTHS else "crossed"


def _merged_by(start: Start, child: ChildPlan, align: str) -> tuple[str, str]:
    if not isinstance(start, Offspring):
        return "", align
    others = len(child.members) - 1
    if others and len(child.strange) == others and not start.merge_architectures:
        return "none", "none"  # of another architecture, they gave genes and no weights
    return start.crossover.name, align


def _species(cell: _Cell) -> Iterator[Row]:
    for place, _, segment, plan in cell.matings():
        population = cell.segments[segment.number - 1].members
        for species in sorted({label for label in plan.species if label >= 0}):
            members = [index for index in plan.order if plan.species[index] == species]
            yield place | {
                "species": species,
                "size": len(members),
                "members": " ".join(str(member) for member in sorted(members)),
                "champion": members[0],
                "fitness": cell.fitness(population[members[0]]),
                "offspring": sum(child.species == species for child in plan.children),
            }


def _trials(cell: _Cell) -> Iterator[Row]:
    outcome = cell.outcomes.of(cell.harvest, HarvestResult)
    result = outcome if isinstance(outcome, HarvestResult) else None
    nodes = [node for segment in cell.segments for node in segment.members]
    trained = [cell.trained(node) for node in nodes]
    taught = [cell.outcomes.of(node, TeachResult) for node in cell.teaching]
    mated = [cell.plan(segment) for segment in cell.segments]
    between = [each for each in (*mated, *taught, result) if isinstance(each, Result)]
    yield cell.place | {
        "status": "done" if result else "failed",
        "reason": outcome.reason if isinstance(outcome, Failure) else "",
        "champion": result.method if result else "",
        "members": " ".join(str(member) for member in result.members) if result else "",
        **{name: (result.final if result else {}).get(name, math.nan) for name in FINAL_METRICS},
        **_genome(result.genome if result else NO_GENOME, result),
        "fitness": cell.objective.value(result.fitness) if result else math.nan,
        "network_epochs": sum(
            node.task.relatives * len(record.epochs)
            for node, record in zip(nodes, trained, strict=True)
            if isinstance(record, TrainResult)
        ),
        "teaching_epochs": math.fsum(
            each.network_epochs for each in taught if isinstance(each, TeachResult)
        ),
        "serial_epochs": cell.segments[-1].last,
        "halts_wall_s": math.fsum(each.cost.wall_s for each in between),
        "failed_members": sum(
            isinstance(record, Failure) or record.status != "done" for record in trained
        ),
        **other_metrics("trials", result.final if result else {}),
    }
