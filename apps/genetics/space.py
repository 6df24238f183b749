"""The search space over a network builder's parameters: sample, mutate, cross, compare.

A space is a tuple of genes in the order of their dependencies. A genome is a plain dict, gene ->
value, that holds exactly the *active* genes and only what JSON can hold (never a NumPy scalar).
All draws follow the order of the space, none that of a dict, and floats are rounded to 12 digits,
so that one generator's state gives one genome on every machine. Inputs are never modified.

>>> from apps.genetics.domains import Choice, Float, Integer
>>> from apps.genetics.genes import Gene
>>> space = Space((
...     Gene("layers", Integer(1, 3)),
...     Gene("units", Integer(16, 256, log=True), per="layers"),
...     Gene("pooling", Choice(("none", "max"))),
...     Gene("pool", Choice((2, 3, 5), ordered=True), when={"pooling": ("max",)}),
...     Gene("learning_rate", Float(1e-4, 1e-1, log=True), target="optimizer"),
... ))
>>> genome = {"layers": 2, "units": [64, 32], "pooling": "none", "learning_rate": 0.001}
>>> check(space, genome)
>>> mutate(np.random.default_rng(6), space, genome)
{'layers': 3, 'units': [64, 32, 32], 'pooling': 'none', 'learning_rate': 0.001}
"""

from collections.abc import Sequence

import numpy as np

from apps.genetics import domains
from apps.genetics.domains import Value
from apps.genetics.errors import GeneticsError
from apps.genetics.genes import (
    Genome,
    Genotype,
    Space,
    check,
    copied,
    is_active,
    length_of,
    put_values,
    values_of,
)


def sample(rng: np.random.Generator, space: Space) -> Genome:
    r"""Draw a genome: every active gene, every element of a list, by itself.

    Uniform over the domain; with `log` a float has :math:`p(x) \propto 1 / x`, an integer
    :math:`p(v) \propto \log(1 + \mathrm{step} / v)`.

    Args:
      rng: draws the values, in the order of the space.
      space: the genes.

    Returns:
      A genome.

    Reference: random search is the baseline of an architecture search, Li and Talwalkar 2019,
    arXiv:1902.07638.

    >>> from apps.genetics.domains import Choice, Integer
    >>> from apps.genetics.genes import Gene
    >>> space = Space((Gene("layers", Integer(1, 3)), Gene("units", Choice((32, 64)), "layers")))
    >>> sample(np.random.default_rng(0), space)
    {'layers': 3, 'units': [64, 64, 32]}
    """
    genome: Genome = {}
    for gene in space.genes:
        if is_active(gene, genome):
            put_values(
                genome,
                gene,
                [domains.draw(rng, gene.domain) for _ in range(length_of(gene, genome))],
            )
    return genome


def mutate(
    rng: np.random.Generator,
    space: Space,
    genome: Genotype,
    rate: float = 0.0,
    scale: float = 0.1,
) -> Genome:
    r"""Change genes, at least one.

    Every gene and every element of a list changes with probability `rate`; if none did, one drawn
    uniformly does. A number moves by Gaussian noise in units of its (logarithmic) range,

    .. math:: u' = u + s \, \epsilon, \quad \epsilon \sim N(0, 1), \quad u \in [0, 1]

    reflected at the ends, rounded to the grid, and by one step if it rounds to where it was. An
    ordered choice moves to a neighbour, another one to any other value. Then dependencies follow:
    a list that grows copies its last element, each copy mutated with probability `rate`; one that
    shrinks loses its end; genes that become active are sampled, those no longer active removed.

    Args:
      rng: draws which genes change, then the changes in the order of the space.
      space: the genes.
      genome: the parent.
      rate: probability in [0, 1]. At 0 exactly one gene or element changes, and what depends on
        it: one mutation at a time, as in regularized evolution.
      scale: s in (0, 1]. The default is ours, of no paper: over a range of three decades one
        standard deviation is a factor of 2.

    Returns:
      A genome that differs from the parent, unless the space has a single one.

    Raises:
      GeneticsError: the genome is not of the space, or rate or scale are out of range.

    References: Real et al. 2019, arXiv:1802.01548 (one mutation at a time); Real et al. 2017,
    arXiv:1703.01041 (numbers are changed around their value); Stanley and Miikkulainen 2002
    (NEAT: structure grows from what is there).

    >>> from apps.genetics.domains import Integer
    >>> from apps.genetics.genes import Gene
    >>> space = Space((Gene("layers", Integer(1, 2)), Gene("units", Integer(1, 99), "layers")))
    >>> mutate(np.random.default_rng(4), space, {"layers": 1, "units": [50]})
    {'layers': 1, 'units': [56]}
    """
    check(space, genome)
    if not 0 <= rate <= 1 or not 0 < scale <= 1:
        raise GeneticsError(
            f"rate must be within [0, 1] and scale within (0, 1], received rate = {rate}, scale = "
            f"{scale}. Use e.g. rate = 0 for one change at a time, and scale = 0.1."
        )
    places = [
        (gene.name, number)
        for gene in space.genes
        if gene.name in genome and domains.points(gene.domain) > 1
        for number in range(length_of(gene, genome))
    ]
    if not places:
        return {gene.name: copied(genome[gene.name]) for gene in space.genes if gene.name in genome}
    changes = {place for place in places if rng.random() < rate}
    changes = changes or {places[int(rng.integers(len(places)))]}
    child: Genome = {}
    for gene in space.genes:
        if not is_active(gene, child):
            continue
        length = length_of(gene, child)
        if gene.name not in genome:
            put_values(child, gene, [domains.draw(rng, gene.domain) for _ in range(length)])
            continue
        values = [
            domains.moved(rng, gene.domain, value, scale)
            if (gene.name, number) in changes
            else value
            for number, value in enumerate(values_of(genome, gene)[:length])
        ]
        while len(values) < length:
            last = values[-1]
            values.append(
                domains.moved(rng, gene.domain, last, scale) if rng.random() < rate else last
            )
        put_values(child, gene, values)
    return child


def cross(rng: np.random.Generator, space: Space, genomes: Sequence[Genotype]) -> Genome:
    """Take every gene from one of the parents that have it (uniform crossover).

    Lists may differ in length: the child's length is the length gene's, which it has from one
    parent; every element comes from one of the parents that have this position. Where combining
    makes active what no parent has, a gene is sampled, and a list's end repeats its last element.

    Args:
      rng: draws a parent for every gene and element, in the order of the space.
      space: the genes.
      genomes: the parents, at least one.

    Returns:
      A genome; equal to the parent if there is one, or if all are equal.

    Raises:
      GeneticsError: there is no parent, or one is not of the space.

    Reference: Syswerda, Uniform Crossover in Genetic Algorithms, 1989; genes meet by name as they
    do in NEAT by innovation number (Stanley and Miikkulainen 2002).

    >>> from apps.genetics.domains import Integer
    >>> from apps.genetics.genes import Gene
    >>> space = Space((Gene("layers", Integer(1, 3)), Gene("units", Integer(1, 99), "layers")))
    >>> parents = [{"layers": 1, "units": [10]}, {"layers": 3, "units": [20, 30, 40]}]
    >>> cross(np.random.default_rng(0), space, parents)
    {'layers': 3, 'units': [20, 30, 40]}
    """
    if not genomes:
        raise GeneticsError("A child has at least one parent, received none. Pass the parents.")
    for genome in genomes:
        check(space, genome)
    child: Genome = {}
    for gene in space.genes:
        if not is_active(gene, child):
            continue
        donors = [values_of(genome, gene) for genome in genomes if gene.name in genome]
        values: list[Value] = []
        for number in range(length_of(gene, child)):
            there = [each[number] for each in donors if len(each) > number]
            if there:
                values.append(there[int(rng.integers(len(there)))])
            else:
                values.append(values[-1] if donors else domains.draw(rng, gene.domain))
        put_values(child, gene, values)
    return child


def architecture(space: Space, genome: Genotype) -> Genome:
    """Return the part of a genome that determines shapes.

    Args:
      space: the genes.
      genome: a genome.

    Returns:
      Its structural genes: members for which these are equal have arrays of equal shapes.

    Raises:
      GeneticsError: the genome is not of the space.

    >>> from apps.genetics.domains import Float, Integer
    >>> from apps.genetics.genes import Gene
    >>> space = Space((Gene("units", Integer(1, 9)), Gene("dropout", Float(0, 0.5))))
    >>> architecture(space, {"units": 5, "dropout": 0.1})
    {'units': 5}
    """
    check(space, genome)
    return {
        gene.name: copied(genome[gene.name])
        for gene in space.genes
        if gene.is_structural and gene.name in genome
    }
