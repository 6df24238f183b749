"""Genomes of the members of a search: drawing, crossing, mutating, distances."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.genetics import compatibility
from apps.genetics import space as spaces
from apps.genetics.genes import Genome as Flat
from apps.genetics.genes import Space, Target
from apps.messages.specs import Genome, Params, SearchSpec
from apps.seeds import Address, Purpose


def first_genome(space: Space, seed: int, trial: int, member: int) -> Genome:
    """Return the genome of a member of the first generation."""
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
        mutate: False for a child with its first parent's genes.
    """
    flat = [parent.flat for parent in parents]
    if not mutate:
        return parents[0]
    made = spaces.cross(rng, search.space, flat if search.cross else flat[:1])
    if search.mutation_rate > 0:
        made = spaces.mutate(rng, search.space, made, rate=search.mutation_rate, scale=search.scale)
    return as_genome(search.space, made)


def distances(
    space: Space, members: Sequence[Genome], others: Sequence[Genome]
) -> NDArray[np.float64]:
    """Return the distances between architectures [members, others], each in [0, 1]."""
    return compatibility.distances(
        space, [one.flat for one in members], [other.flat for other in others]
    )


def alike(space: Space, one: Genome, other: Genome) -> bool:
    """Whether two genomes have the same architecture."""
    return len(kinds(space, [one, other])) == 1


def kinds(space: Space, genomes: Sequence[Genome]) -> dict[str, list[int]]:
    """Return the indices of the genomes by architecture, which determines the arrays' shapes."""
    found: dict[str, list[int]] = {}
    for place, genome in enumerate(genomes):
        kind = json.dumps(spaces.architecture(space, genome.flat), sort_keys=True)
        found.setdefault(kind, []).append(place)
    return found


def as_genome(space: Space, flat: Flat) -> Genome:
    """Return a point of the space as a `Genome`: values by what they are of."""

    def of(target: Target) -> Params:
        names = {gene.name for gene in space.genes if gene.target == target}
        return {name: value for name, value in flat.items() if name in names}

    return Genome(of("network"), of("optimizer"), of("training"))
