"""The champion's records: `card.json` says what it is, `pedigree.json` names its ancestors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from apps.files import write_atomic
from apps.messages.results import ExportResult, MatingPlan, TrainResult
from apps.messages.tasks import Offspring, TrainTask
from apps.records.run_dir import RunDir
from workflow.driver.run import Champion, Outcomes
from workflow.driver.trial import Node


def write_papers(
    outcomes: Outcomes,
    champion: Champion,
    export: ExportResult,
    run: RunDir,
    preparation: Mapping[str, Any],
) -> None:
    """Write the card and the pedigree of the run's champion beside its Keras file.

    Args:
        outcomes: of the run.
        champion: its best network.
        export: of the champion.
        run: where they are written.
        preparation: how samples become inputs: it travels with the champion.
    """
    experiment = outcomes.experiment
    training = asdict(experiment.training) | asdict(outcomes.specs_of(champion)[1])
    card = {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "trial": champion.trial,
        "arm": champion.arm,
        "harvest": champion.result.method,
        "members": champion.result.members,
        "chosen_by": experiment.training.objective.of_champions.metric,
        "chosen_mode": experiment.training.objective.mode,
        "metrics": _measured(champion.result.final),
        "metrics_of_the_file": _measured(export.final),
        "file": export.path,
        "sha256": export.sha256,
        "checkpoint_sha256": champion.result.checkpoint.sha256,
        "trained_by": _engines(outcomes, champion),
        "genome": champion.result.genome.flat,
        "network": asdict(experiment.network),
        "data": asdict(experiment.data),
        "training": training,
        "preparation": dict(preparation),
    }
    _write(run.card_json, card)
    _write(run.pedigree_json, pedigree(outcomes, champion))


def _engines(outcomes: Outcomes, champion: Champion) -> list[str]:
    """Return what trained the members that the champion is made of, and why, each once."""
    members = outcomes.members_of(champion)
    return list(dict.fromkeys(outcomes.result(each, TrainResult).trained_by for each in members))


def pedigree(outcomes: Outcomes, champion: Champion) -> dict[str, Any]:
    """Return the champion's line of descent: every ancestor, its start, its parents, its seeds.

    Networks are named by their task's folder; the oldest come first.
    """
    harvested = outcomes.members_of(champion)
    wanted = [*harvested]
    ancestors: dict[str, dict[str, Any]] = {}
    while wanted:
        node = wanted.pop()
        if node.task.folder in ancestors:
            continue  # the parent of several
        ancestors[node.task.folder], parents = _ancestor(outcomes, node)
        wanted += parents
    in_order = sorted(ancestors.values(), key=lambda entry: (entry["epochs"], entry["network"]))
    return {
        "seed": outcomes.experiment.seed,
        "trial": champion.trial,
        "arm": champion.arm,
        "champion": [node.task.folder for node in harvested],
        "ancestors": in_order,
    }


def _ancestor(
    outcomes: Outcomes, node: Node[TrainTask]
) -> tuple[dict[str, Any], Sequence[Node[TrainTask]]]:
    task, result = node.task, outcomes.result(node, TrainResult)
    parents: Sequence[Node[TrainTask]] = node.population
    start: dict[str, Any] = {"kind": task.start.kind}
    if node.mating is not None:
        child = outcomes.result(node.mating, MatingPlan).children[task.member]
        parents = [node.mating.population[member] for member in child.members]
        if isinstance(task.start, Offspring):
            start |= {
                "crossover": {"name": task.start.crossover.name, **task.start.crossover.params},
                "mutation": {"name": task.start.mutation.name, **task.start.mutation.params},
                "optimizer": node.mating.task.optimizer,
                "merge": child.merge,
            }
    entry = {
        "network": task.folder,
        "member": task.member,
        "epochs": [task.first_epoch + 1, task.last_epoch],
        "start": start,
        "genome": result.genome.flat,
        "parents": [parent.task.folder for parent in parents],
        "checkpoint_sha256": result.checkpoint.sha256,
        "metrics": _measured(result.final),
    }
    return entry, parents


def _measured(metrics: Mapping[str, float]) -> dict[str, float]:
    # A merge or an average has no running loss; JSON has no NaN.
    return {name: value for name, value in metrics.items() if not math.isnan(value)}


def _write(path: Path, content: dict[str, Any]) -> None:
    write_atomic(path, json.dumps(content, indent=2, allow_nan=False).encode())
