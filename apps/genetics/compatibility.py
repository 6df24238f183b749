"""How far apart genomes are: NEAT's compatibility of architectures."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from apps.genetics import domains
from apps.genetics.errors import GeneticsError
from apps.genetics.genes import Gene, Genotype, Space, Target, check, values_of

Matrix = NDArray[np.float64]


def distances(
    space: Space,
    genomes: Sequence[Genotype],
    others: Sequence[Genotype],
    targets: tuple[Target, ...] = ("network",),
) -> Matrix:
    r"""Compute the distances between the genomes of two populations.

    .. math:: d(a, b) = \frac{1}{|G|} \sum_{g \in G} d_g, \quad
        G = \{g : g \text{ active in } a \text{ or } b\}

    For numbers and ordered choices :math:`d_g = |u_a - u_b|` in units of the (logarithmic) range,
    for other choices 0 or 1; for lists the mean over the positions of the longer one, 1 where only
    one of them has an element; 1 for a gene active in only one of the genomes.

    Args:
      space: the genes.
      genomes: the rows.
      others: the columns.
      targets: which genes count.

    Returns:
      float64 [genomes, others], numbers in [0, 1], symmetric in what is compared; 0 if and only if
      the genes that count are equal. Not a metric: a gene inactive in both does not count, so the
      triangle may not close.

    Raises:
      GeneticsError: a genome is not of the space, or a target is unknown.

    References: the compatibility distance of NEAT (Stanley and Miikkulainen 2002, section 3.3)
    with equal weights for disjoint genes and for differences; the difference of mixed values is
    Gower's, A General Coefficient of Similarity, 1971.

    >>> from apps.genetics.domains import Choice, Integer
    >>> space = Space((Gene("units", Integer(1, 100, log=True)), Gene("pool", Choice((2, 3)))))
    >>> distances(space, [{"units": 1, "pool": 2}], [{"units": 10, "pool": 2}])
    array([[0.25]])
    """
    if isinstance(targets, str) or not set(targets) <= set(get_args(Target)):
        raise GeneticsError(
            f"targets must be some of {get_args(Target)}, received {targets!r}. "
            "Use e.g. ('network',)."
        )
    for genome in (*genomes, *others):
        check(space, genome)
    total = np.zeros((len(genomes), len(others)))
    counted = np.zeros_like(total)
    for gene in space.genes:
        if gene.target in targets:
            apart, known = _gene_distances(gene, genomes, others)
            total += apart
            counted += known
    return np.divide(total, counted, out=np.zeros_like(total), where=counted > 0)


def _gene_distances(
    gene: Gene, genomes: Sequence[Genotype], others: Sequence[Genotype]
) -> tuple[Matrix, NDArray[np.bool_]]:
    """Return the distances in one gene, and where one of the two genomes has it."""
    left = [values_of(genome, gene) for genome in genomes]
    right = [values_of(genome, gene) for genome in others]
    lengths = [np.array([len(values) for values in side]) for side in (left, right)]
    longer = np.maximum.outer(*lengths)
    # Every element that only one of the two has counts 1.
    apart = np.abs(np.subtract.outer(*lengths)).astype(np.float64)
    for place in range(int(longer.max(initial=0))):
        rows = [row for row, values in enumerate(left) if len(values) > place]
        columns = [column for column, values in enumerate(right) if len(values) > place]
        apart[np.ix_(rows, columns)] += domains.all_apart(
            gene.domain, [left[row][place] for row in rows], [right[c][place] for c in columns]
        )
    return apart / np.maximum(longer, 1), longer > 0
