"""A finished population -> one network; the run's champion -> files for its users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from apps.checkpoints import load_checkpoint
from apps.costs import Stopwatch
from apps.errors import HeterosisError
from apps.files import sha256_file
from apps.genetics.selection import rank
from apps.mating import fitness_of, need_survivors
from apps.messages import (
    ExportResult,
    ExportTask,
    Failure,
    HarvestResult,
    HarvestTask,
    TrainResult,
    Workplace,
    fingerprint,
)
from apps.networks import assign, named_weights
from apps.programs import program
from apps.results import save_result
from apps.runtime import load_keras

CHAMPION: Final = "champion.keras"


def harvest(
    task: HarvestTask, population: Sequence[TrainResult | Failure], place: Workplace
) -> HarvestResult:
    """Choose the champion of a finished population by its fitness, and store the choice.

    Args:
        task: what to minimise.
        population: the members' results, by member number.
        place: the run directory.

    Raises:
        TooFewSurvivors: no member has a finite fitness.
    """
    watch = Stopwatch()
    fitness = [fitness_of(member, task.fitness) for member in population]
    need_survivors(fitness, 1, task.fitness, "the harvest")
    best = rank(fitness)[0]
    champion = population[best]
    if isinstance(champion, Failure):
        raise HeterosisError("a failed member has no finite fitness and cannot be the best")
    result = HarvestResult(
        fingerprint=fingerprint(task, population),
        method=task.method,
        members=(best,),
        fitness=fitness[best],
        final=champion.final,
        checkpoint=champion.checkpoint,
        cost=watch.cost(),
    )
    save_result(Path(place.root) / task.folder, result)
    return result


def export(task: ExportTask, place: Workplace) -> ExportResult:
    """Write the champion as a Keras file, open it again, and check it against its record.

    Raises:
        HeterosisError: the file opened again does not reach the recorded test accuracy (or loss).
        DamagedFile: the champion's checkpoint is not what its record says.
    """
    watch = Stopwatch()
    root = Path(place.root)
    keras = load_keras(place.threads)
    holder = program(task.data, task.network, task.training, task.seed, place)
    stored = load_checkpoint(root / task.checkpoint.path, task.checkpoint.sha256)
    assign(named_weights(holder.model), stored.weights)
    path = root / task.folder / CHAMPION
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".new-{CHAMPION}")
    holder.model.save(beside)
    opened = keras.models.load_model(beside)
    final = {f"test_{name}": value for name, value in holder.evaluate_other(opened).items()}
    for name in final.keys() & task.expected.keys():
        # Sums are taken in another order here; an accuracy may move by one sample of a tie.
        if not np.isclose(final[name], task.expected[name], rtol=1e-3, atol=2e-4):
            raise HeterosisError(
                f"{beside}: opened again, its {name} is {final[name]}, recorded "
                f"{task.expected[name]}; the file is left for inspection"
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
