"""Parents -> one child's starting state, made where the child is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from apps.checkpoints import Checkpoint, load_checkpoint
from apps.errors import HeterosisError
from apps.genetics.averaging import running_mean
from apps.genetics.mutation import MUTATIONS
from apps.genetics.weights import cast_like
from apps.merging import Address, merge
from apps.messages import CheckpointRef, Offspring, TrainTask, Workplace
from apps.networks import Array
from apps.programs import Program
from apps.registries import lookup
from apps.streams import Purpose, stream


def breed(task: TrainTask, start: Offspring, place: Workplace, holder: Program) -> Checkpoint:
    """Return the state in which an offspring starts.

    All children of one merge see the same random numbers in the crossover, so each worker makes
    the same merge again; the mutation is the child's own.

    Args:
        task: the child's task; `first_epoch` dates the halt.
        start: operators and the child's plan.
        place: where the parents' checkpoints are.
        holder: of the architecture; what was in it is replaced.

    Returns:
        The child's weights, and its optimiser's state when the plan says that it inherits one.

    Raises:
        DamagedFile: a parent's checkpoint is not what its record says.
        GeneticsError: the operators do not take these parents or settings.
        UserError: an operator is not known, or a layer's symmetries are not.
    """
    plan = start.plan
    if plan is None:
        raise HeterosisError("an offspring's plan is filled in before it is bred")
    parents = [load_checkpoint(Path(place.root) / ref.path, ref.sha256) for ref in plan.parents]
    address = Address(task.seed, task.trial, task.first_epoch, plan.merge)
    networks = [parent.network for parent in parents]
    weights = merge(holder, networks, plan.fitness, start.crossover, address, place)
    if plan.mutate:
        mutation = lookup(MUTATIONS, start.mutation.name, "mutation", place.search_path)
        rng = stream(
            task.seed,
            Purpose.MUTATION,
            trial=task.trial,
            member=plan.child,
            epoch=task.first_epoch,
        )
        weights = mutation(rng, weights, keep=holder.statistics, **start.mutation.params)
    return Checkpoint(weights=weights, optimizer=_inherited(plan.optimizer, place))


def _inherited(donors: Sequence[CheckpointRef], place: Workplace) -> dict[str, Array]:
    """Return the mean of the donors' optimiser states; counters are the first one's."""
    if not donors:
        return {}
    states = [
        dict(load_checkpoint(Path(place.root) / ref.path, ref.sha256).optimizer) for ref in donors
    ]
    average: dict[str, Array] = {}
    for count, state in enumerate(states):
        average = running_mean(average, state, count)
    floating = cast_like(average, states[0])
    return {
        name: floating[name] if array.dtype.kind == "f" else array
        for name, array in states[0].items()
    }
