"""Parents -> one network: align, cross, repair."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.datasets.arrays import Array
from apps.genetics import repair as repairing
from apps.genetics.alignment import align, match_activations
from apps.genetics.crossover import Parents
from apps.genetics.permutation import identity, permute
from apps.genetics.unit_selection import ALL_CROSSOVERS, select_for
from apps.genetics.weights import Weights
from apps.lookup import lookup
from apps.messages.specs import CrossoverSpec
from apps.messages.tasks import Workplace
from apps.seeds import Address, Purpose
from apps.training.trainer import Trainer


def merge(
    trainer: Trainer,
    networks: Sequence[Weights],
    fitness: Sequence[float],
    crossover: CrossoverSpec,
    address: Address,
    place: Workplace,
    seed: int,
) -> Weights:
    """Return the network that a crossover makes of its parents.

    Args:
        trainer: of the parents' architecture; what was in it is replaced.
        networks: the parents, best first.
        fitness: theirs, lower is better.
        crossover: the operator, and whether to align before and to repair after.
        address: of the merge: seeds alignment and crossover.
        place: where plug-ins are looked for.
        seed: of new random weights, below 2**31, for an operator that asks for them.

    Raises:
        UserError: the operator is not known, or a layer's symmetries are not.
        GeneticsError: the operator does not take these parents or settings.
    """
    operator = lookup(ALL_CROSSOVERS, crossover.name, "crossover", place.search_path)
    aligned = align_parents(trainer, networks, crossover.align, address)
    # Only an operator that asks for them needs the symmetries of a network that is not aligned.
    given: dict[str, Callable[[], Any]] = {
        "spec": lambda: trainer.measures.spec,
        "network": lambda: trainer.measures.observed,
        "initial": lambda: trainer.blueprint.initial_weights(seed),
    }
    wanted = inspect.signature(operator).parameters
    asked = {name: make() for name, make in given.items() if name in wanted}
    parents = Parents(tuple(aligned), tuple(fitness), trainer.member.statistics)
    merged = operator(address.stream(Purpose.CROSSOVER), parents, **asked, **crossover.params)
    return restored(trainer, merged, aligned, crossover.repair)


def select_widths(
    trainer: Trainer,
    first: Weights,
    networks: Sequence[Weights],
    models: Sequence[Any],
    crossover: CrossoverSpec,
) -> Weights:
    """Return the network that `select` makes of parents whose layers have several widths.

    Args:
        trainer: of the child's architecture; what was in it is replaced.
        first: the first parent, grown or cut to it.
        networks: the parents, best first.
        models: of the parents' architectures.
        crossover: the settings of `select`; parents are not aligned, nor units repaired.

    Raises:
        UserError: a layer's symmetries are not known.
        GeneticsError: the operator does not take these settings.
    """
    seen = trainer.measures.observed_beside(models)
    made = select_for(first, networks, seen, **crossover.params)
    return restored(trainer, made, networks, repair=False)


def restored(
    trainer: Trainer, merged: Weights, parents: Sequence[Weights], repair: bool
) -> Weights:
    """Return a merge with its running statistics measured anew and, if asked for, repaired units.

    Args:
        trainer: of the architecture.
        merged: the merge.
        parents: the aligned parents; with a single one nothing needs to be restored.
        repair: whether units are rescaled to their parents' spread (REPAIR).
    """
    if len(parents) < 2:
        return merged
    if repair:
        merged = _repaired(trainer, merged, parents)
    return trainer.measures.refreshed(merged)


def align_parents(
    trainer: Trainer, networks: Sequence[Weights], how: str, address: Address
) -> list[Weights]:
    """Return the networks, each permuted onto the first: by `weights`, `activations`, or `none`.

    Raises:
        UserError: the symmetries of a layer are not known.
    """
    first, *others = networks
    if how == "none" or not others:
        return list(networks)
    if how == "weights":
        return [first, *(_match_weights(trainer, first, other, address) for other in others)]
    seen = trainer.measures.activations(first)
    return [
        first,
        *(
            permute(
                other,
                trainer.measures.spec,
                # Groups that cannot be watched stay as they are.
                identity(trainer.measures.spec)
                | match_activations(seen, trainer.measures.activations(other)),
            )
            for other in others
        ),
    ]


def _match_weights(
    trainer: Trainer, first: Weights, other: Weights, address: Address
) -> Mapping[str, Array]:
    return align(address.stream(Purpose.ALIGNMENT), first, other, trainer.measures.spec)


def _repaired(trainer: Trainer, merged: Weights, parents: Sequence[Weights]) -> Weights:
    measures = trainer.measures
    layers = measures.unit_layers
    of_parents = [measures.moments(parent, layers) for parent in parents]
    # Layer after layer: repairing one changes what the next one sees.
    for layer, *seen in zip(layers, *of_parents, strict=True):
        (found,) = measures.moments(merged, [layer])
        merged = repairing.repair(merged, layer, found, repairing.average_moments(seen))
    return merged
