"""Parents -> one child's starting weights, made where the child is trained."""

from __future__ import annotations

from pathlib import Path

from apps.checkpoints import Checkpoint, load_checkpoint
from apps.errors import HeterosisError
from apps.genetics.crossover import CROSSOVERS, Parents
from apps.genetics.mutation import MUTATIONS
from apps.messages import Offspring, TrainTask, Workplace
from apps.registries import lookup
from apps.streams import Purpose, stream


def breed(
    task: TrainTask, start: Offspring, place: Workplace, statistics: frozenset[str]
) -> Checkpoint:
    """Return the state in which an offspring starts.

    All children of one merge see the same random numbers in the crossover, so each worker makes
    the same merge again; the mutation is the child's own.

    Args:
        task: the child's task; `first_epoch` dates the halt.
        start: operators and the child's plan.
        place: where the parents' checkpoints are.
        statistics: names of the arrays that are running statistics: merged, but not mutated.

    Returns:
        The child's weights, and its optimiser's state when the plan says that it inherits one.

    Raises:
        DamagedFile: a parent's checkpoint is not what its record says.
        GeneticsError: the operators do not take these parents or settings.
    """
    plan = start.plan
    if plan is None:
        raise HeterosisError("an offspring's plan is filled in before it is bred")
    root = Path(place.root)
    parents = [load_checkpoint(root / ref.path, ref.sha256) for ref in plan.parents]
    crossover = lookup(CROSSOVERS, start.crossover.name, "crossover", place.search_path)
    mutation = lookup(MUTATIONS, start.mutation.name, "mutation", place.search_path)
    address = {"trial": task.trial, "epoch": task.first_epoch}
    weights = crossover(
        stream(task.seed, Purpose.CROSSOVER, member=plan.merge, **address),
        Parents(tuple(parent.weights for parent in parents), plan.fitness, statistics=statistics),
        **start.crossover.params,
    )
    if plan.mutate:
        weights = mutation(
            stream(task.seed, Purpose.MUTATION, member=plan.child, **address),
            weights,
            keep=statistics,
            **start.mutation.params,
        )
    optimizer = {}
    if plan.optimizer:
        donor = plan.optimizer[0]
        optimizer = dict(load_checkpoint(root / donor.path, donor.sha256).optimizer)
    return Checkpoint(weights=weights, optimizer=optimizer)
