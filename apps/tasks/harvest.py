"""A finished population -> one network; the run's champion -> files for its users."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from apps.breeding.fitness import fitness_of, harvest_key
from apps.breeding.merge import Address, align_parents, restored
from apps.breeding.population import need_survivors
from apps.errors import HeterosisError
from apps.files import sha256_file
from apps.genetics.harvest import greedy_soup, uniform_soup
from apps.genetics.selection import rank
from apps.genetics.weights import Weights
from apps.messages.fingerprints import fingerprint
from apps.messages.results import (
    CheckpointRef,
    ExportResult,
    Failure,
    HarvestResult,
    MatingPlan,
    TrainResult,
)
from apps.messages.specs import Genome, phenotype
from apps.messages.tasks import ExportTask, HarvestTask, Workplace
from apps.networks.keras_compile import open_network
from apps.records.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from apps.records.result_files import CHECKPOINT, save_result
from apps.tasks.train import final_metrics
from apps.training.trainer import trainer_for
from apps.worker.stopwatch import Stopwatch

CHAMPION: Final = "champion.keras"


def harvest(
    task: HarvestTask,
    population: Sequence[TrainResult | Failure],
    earlier: MatingPlan | None,
    place: Workplace,
) -> HarvestResult:
    """Make one network of a finished population, and store it or the choice of it.

    The best member is the champion, unless the mean of a species (`mean`), or the greedy mean of
    those members that lower its validation loss (`greedy`), has a better fitness still. Nothing is
    trained, and the test data choose nothing.

    Args:
        task: what to minimise, and how to merge.
        population: the members' results, by member number.
        earlier: the last mating, which says who is of one species; None: all are.
        place: the run directory.

    Raises:
        TooFewSurvivors: no member has a finite fitness.
        DamagedFile: a member's checkpoint is not what its record says.
    """
    watch = Stopwatch()
    key = harvest_key(task.fitness)
    fitness = [fitness_of(member, key) for member in population]
    need_survivors(population, 1, key, "the harvest")
    best = rank(fitness)[0]
    champion = population[best]
    if isinstance(champion, Failure):
        raise HeterosisError("a failed member has no finite fitness and cannot be the best")
    mark = fingerprint(task, [*population, *([earlier] if earlier else [])])
    result = HarvestResult(
        fingerprint=mark,
        method="best",
        members=(best,),
        fitness=fitness[best],
        final=champion.final,
        checkpoint=champion.checkpoint,
        genome=champion.genome,
        parameters=champion.parameters,
        cost=watch.cost(),
    )
    merged = _best_merge(task, population, fitness, _kin(task, population, earlier), place)
    if merged is not None and merged.fitness < result.fitness:
        path = f"{task.folder}/{CHECKPOINT}"
        digest = save_checkpoint(Path(place.root) / path, Checkpoint(merged.weights))
        result = replace(
            result,
            method=task.method,
            members=merged.members,
            fitness=merged.fitness,
            final=merged.final,
            checkpoint=CheckpointRef(path, digest),
            genome=merged.genome,
            parameters=merged.parameters,
        )
    result = replace(result, cost=watch.cost())
    save_result(Path(place.root) / task.folder, result)
    return result


@dataclass(frozen=True)
class _Merge:
    """A network made of members that are of one species and one genome."""

    weights: Weights
    members: tuple[int, ...]
    fitness: float
    final: dict[str, float]
    genome: Genome
    parameters: int


def _kin(
    task: HarvestTask, population: Sequence[TrainResult | Failure], earlier: MatingPlan | None
) -> list[str]:
    """Return a label for each member: networks of one label can be merged."""
    species = [child.species for child in earlier.children] if earlier else [0] * task.members
    return [
        f"{label:06d} {json.dumps(found.genome.network, sort_keys=True)}"
        if isinstance(found, TrainResult)
        else "failed"
        for label, found in zip(species, population, strict=True)
    ]


def _best_merge(
    task: HarvestTask,
    population: Sequence[TrainResult | Failure],
    fitness: list[float],
    kin: list[str],
    place: Workplace,
) -> _Merge | None:
    if task.method == "best":
        return None
    merges = []
    for label in sorted(set(kin)):
        members = [
            member
            for member in rank(fitness)
            if kin[member] == label and math.isfinite(fitness[member])
        ]
        if len(members) > 1:
            merges.append(_merge(task, population, fitness, members, place))
    finite = [merge for merge in merges if math.isfinite(merge.fitness)]
    return min(finite, key=lambda merge: merge.fitness, default=None)


def _merge(
    task: HarvestTask,
    population: Sequence[TrainResult | Failure],
    fitness: list[float],
    members: list[int],
    place: Workplace,
) -> _Merge:
    trained = _trained(population, members)
    genome = trained[0].genome
    network, training = phenotype(task.network, task.training, genome)
    trainer = trainer_for(task.data, network, training, task.seed, place)
    refs = [member.checkpoint for member in trained]
    networks = [load_checkpoint(Path(place.root) / ref.path, ref.sha256).network for ref in refs]
    # The harvest comes after the last epoch, which nothing else is addressed by.
    address = Address(task.seed, task.trial, task.epochs, 0)
    aligned = align_parents(trainer, networks, task.align, address)
    losses = [fitness[member] for member in members]
    if task.method == "greedy":
        soup = greedy_soup(
            aligned,
            losses,
            lambda weights: trainer.measures.loss_of(
                trainer.measures.refreshed(weights), "validation"
            )["loss"],
        )
    else:
        soup = uniform_soup(aligned, losses)
    chosen = [aligned[each] for each in soup.members]
    weights = restored(trainer, soup.weights, chosen, task.repair)
    trainer.member.put(weights)
    final = final_metrics(trainer)
    names = tuple(sorted(members[each] for each in soup.members))
    return _Merge(
        weights, names, final[harvest_key(task.fitness)], final, genome, trainer.member.parameters
    )


def _trained(
    population: Sequence[TrainResult | Failure], members: Sequence[int]
) -> list[TrainResult]:
    return [found for each in members if isinstance(found := population[each], TrainResult)]


def export(task: ExportTask, place: Workplace) -> ExportResult:
    """Write the champion as a Keras file, open it again, and check it against its record.

    Raises:
        HeterosisError: the file opened again does not reach the recorded test accuracy (or loss).
        DamagedFile: the champion's checkpoint is not what its record says.
    """
    watch = Stopwatch()
    root = Path(place.root)
    trainer = trainer_for(task.data, task.network, task.training, task.seed, place)
    stored = load_checkpoint(root / task.checkpoint.path, task.checkpoint.sha256)
    # With the optimiser's own state: whoever trains the champion on goes on from it.
    trainer.member.load(replace(stored, weights=stored.network), np.random.default_rng(0))
    path = root / task.folder / CHAMPION
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".new-{CHAMPION}")
    trainer.model.save(beside)
    try:
        opened = open_network(beside, task.training, place.search_path)
    except Exception as error:
        raise HeterosisError(
            f"{beside}: Keras does not open it again ({type(error).__name__}): write the network's "
            "own classes at the top level of its module, with get_config, and register them with "
            "keras.saving.register_keras_serializable; the file is left for inspection",
            code="champion",
        ) from error
    final = {f"test_{name}": value for name, value in trainer.evaluate_other(opened).items()}
    for name in final.keys() & task.expected.keys():
        # Sums are taken in another order here; an accuracy may move by one sample of a tie.
        if not np.isclose(final[name], task.expected[name], rtol=1e-3, atol=2e-4):
            raise HeterosisError(
                f"{beside}: opened again, its {name} is {final[name]}, recorded "
                f"{task.expected[name]}; the file is left for inspection",
                code="champion",
            )
    beside.replace(path)
    result = ExportResult(
        fingerprint=fingerprint(task),
        path=f"{task.folder}/{CHAMPION}",
        sha256=sha256_file(path),
        final=final,
        cost=watch.cost(),
    )
    save_result(path.parent, result)
    return result
