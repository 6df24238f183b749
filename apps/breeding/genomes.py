"""A search over architectures: the genomes of members, and how far two of them are apart."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.genetics import compatibility
from apps.genetics import space as spaces
from apps.genetics.genes import Genome as Flat
from apps.genetics.genes import Space
from apps.messages.specs import Genome, SearchSpec
from apps.seeds import Address, Purpose


def first_genome(space: Space, seed: int, trial: int, member: int) -> Genome:
    """Return the genome of a member that starts anew."""
    rng = Address(seed, trial, member).stream(Purpose.ARCHITECTURE)
    return as_genome(space, spaces.sample(rng, space))


def child_genome(
    search: SearchSpec, parents: Sequence[Genome], rng: np.random.Generator, mutate: bool
) -> Genome:
    """Return the genome of a child.

    Args:
        search: how it is made.
        parents: best first.
        rng: the child's own.
        mutate: False for a child that stays what its first parent is.
    """
    flat = [_flat(parent) for parent in parents]
    if not mutate:
        return parents[0]
    made = spaces.cross(rng, search.space, flat if search.cross else flat[:1])
    if search.rate > 0:
        made = spaces.mutate(rng, search.space, made, rate=search.rate, scale=search.scale)
    return as_genome(search.space, made)


def distances(
    space: Space, members: Sequence[Genome], others: Sequence[Genome]
) -> NDArray[np.float64]:
    """Return the distances between architectures [members, others], each in [0, 1]."""
    return compatibility.distances(
        space, [_flat(one) for one in members], [_flat(other) for other in others]
    )


def alike(space: Space, one: Genome, other: Genome) -> bool:
    """Whether the networks of two genomes are of one architecture."""
    return len(kinds(space, [one, other])) == 1


def kinds(space: Space, genomes: Sequence[Genome]) -> dict[str, list[int]]:
    """Return the places of the genomes by architecture: those of one have arrays of one shape."""
    found: dict[str, list[int]] = {}
    for place, genome in enumerate(genomes):
        kind = json.dumps(spaces.architecture(space, _flat(genome)), sort_keys=True)
        found.setdefault(kind, []).append(place)
    return found


def _flat(genome: Genome) -> Flat:
    return {**genome.network, **genome.optimizer}


def as_genome(space: Space, flat: Flat) -> Genome:
    """Return a point of the space as a member has it: by whose argument each value is."""
    optimizer = {gene.name for gene in space.genes if gene.target == "optimizer"}
    return Genome(
        network={name: value for name, value in flat.items() if name not in optimizer},
        optimizer={name: value for name, value in flat.items() if name in optimizer},
    )
