"""Species: relatives found from the distances between members, with ids that last over halts.

Every registered rule is `f(distances, earlier=None, **settings) -> Species`. All are
deterministic. A member infinitely far from all others (a failed one) is a species of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

from apps.genetics.errors import GeneticsError
from apps.genetics.weights import Array

Matrix = NDArray[np.float64]
Speciation = Callable[..., "Species"]
Linkage = Literal["average", "complete", "single", "weighted"]


@dataclass(frozen=True)
class Species:
    """A partition of a population.

    Attributes:
      ids: the species of each member [members].
      representatives: species id -> its representative, the member with the smallest sum of
        distances to the others of its species (the first of equals). Keep their weights: at the
        next halt the distances to them carry the ids on.
      next_id: the first id never used so far; ids of extinct species are not used again.
      threshold: the distance within which members are of one species; None if none was used.
    """

    ids: tuple[int, ...]
    representatives: Mapping[int, int]
    next_id: int
    threshold: float | None = None

    def members(self, species: int) -> tuple[int, ...]:
        """Give the numbers of the members of a species."""
        return tuple(member for member, each in enumerate(self.ids) if each == species)


@dataclass(frozen=True, eq=False)
class Earlier:
    """What the previous halt hands on.

    Attributes:
      ids: the species of the previous halt.
      distances: [members, species], from every member now to each species' representative then.
      next_id: the previous halt's `Species.next_id`.
    """

    ids: tuple[int, ...]
    distances: Array
    next_id: int


def by_threshold(
    distances: Array, earlier: Earlier | None = None, threshold: float = 0.5
) -> Species:
    """Put members within a distance of a species' representative into that species.

    Member by member: of the representatives of the previous halt and of the species founded so
    far, the nearest within the threshold takes the member; if there is none, the member founds a
    species and represents it. NEAT takes the first representative within the threshold, in the
    order of the species, and draws representatives at random; the nearest and the medoid make
    the result independent of both.

    Args:
      distances: [members, members], symmetric.
      earlier: species of the previous halt.
      threshold: >= 0; a member at exactly this distance belongs.

    Returns:
      The species.

    Raises:
      GeneticsError: the distances are not a symmetric matrix, `earlier` does not fit them, or the
        threshold is negative.

    Reference: Stanley and Miikkulainen, Evolving Neural Networks through Augmenting Topologies,
    2002, section 3.3.

    >>> by_threshold(np.array([[0, 0.1, 1], [0.1, 0, 1], [1, 1, 0]]), threshold=0.2).ids
    (0, 0, 1)
    """
    matrix, before = _check(distances, earlier)
    if not threshold >= 0:
        raise GeneticsError(f"threshold must be >= 0, received {threshold}. Use e.g. 0.5.")
    columns = {species: before.distances[:, k] for k, species in enumerate(before.ids)}
    ids, next_id = [], before.next_id
    for member in range(len(matrix)):
        near = {each: column[member] for each, column in columns.items()}
        species = min(near, key=lambda each: (near[each], each), default=None)
        if species is None or not near[species] <= threshold or np.isinf(near[species]):
            species, next_id = next_id, next_id + 1
            columns[species] = matrix[:, member]
        ids.append(species)
    return _species(matrix, ids, next_id, float(threshold))


def by_count(distances: Array, earlier: Earlier | None = None, count: int = 2) -> Species:
    """Adjust the threshold of `by_threshold` until there are as many species as wanted.

    The number of species falls as the threshold rises, by bisection over the distances that
    occur; where it jumps over the target the nearest number is taken, the larger of two.

    Args:
      distances: [members, members], symmetric.
      earlier: species of the previous halt.
      count: the target, at least 1; members infinitely far from all others come in addition.

    Returns:
      The species, and the threshold found. Fewer members than `count` are each a species, but
      for equal ones, which no threshold can part.

    Raises:
      GeneticsError: see `by_threshold`; or the count is below 1.

    Reference: the compatibility threshold adjusted to a target number is Stanley's own addition
    to NEAT (there by a fixed step at every generation).

    >>> found = by_count(np.array([[0, 0.1, 1], [0.1, 0, 1], [1, 1, 0]]), count=2)
    >>> found.ids, found.threshold
    ((0, 0, 1), 0.1)
    """
    matrix, before = _check(distances, earlier)
    _check_count(count)
    values = np.concatenate([[0.0], matrix.ravel(), before.distances.ravel()])
    thresholds = np.unique(values[np.isfinite(values)])
    target = count + int(_alone(matrix).sum())
    low, high = 0, len(thresholds) - 1
    tried: dict[int, Species] = {}
    while low <= high:
        middle = (low + high) // 2
        tried[middle] = by_threshold(matrix, earlier, float(thresholds[middle]))
        if len(tried[middle].representatives) > target:
            low = middle + 1
        else:
            high = middle - 1
    return min(tried.values(), key=lambda s: (abs(len(s.representatives) - target), s.threshold))


def by_clustering(
    distances: Array,
    earlier: Earlier | None = None,
    count: int | None = None,
    threshold: float | None = None,
    method: Linkage = "average",
) -> Species:
    """Cut a tree of hierarchical clustering into species.

    Each cluster then inherits the id of one species of the previous halt: those pairs that have
    the smallest sum of mean distances between the cluster's members and the representative, and
    with a threshold only within it. Other clusters get new ids, in the order of their first
    members.

    Args:
      distances: [members, members], symmetric.
      earlier: species of the previous halt.
      count: largest number of species; members infinitely far from all others come in addition.
      threshold: the distance at which to cut; give either this or `count`.
      method: linkage of `scipy.cluster.hierarchy`: average, complete, single or weighted.

    Returns:
      The species.

    Raises:
      GeneticsError: see `by_threshold`; or not exactly one of count and threshold is given, the
        count is below 1, or the method is unknown.

    >>> distances = np.array([[0, 0.1, 1], [0.1, 0, 1], [1, 1, 0]])
    >>> by_clustering(distances, count=2).ids
    (0, 0, 1)
    """
    matrix, before = _check(distances, earlier)
    if (count is None) == (threshold is None):
        raise GeneticsError(
            f"Give either count or threshold, received count = {count}, threshold = {threshold}."
        )
    if count is not None:
        _check_count(count)
    if method not in get_args(Linkage):
        raise GeneticsError(f"method must be one of {get_args(Linkage)}, received {method!r}.")
    limit = np.inf if threshold is None else threshold
    if not limit >= 0:
        raise GeneticsError(f"threshold must be >= 0, received {threshold}. Use e.g. 0.5.")
    labels = -1 - np.arange(len(matrix))
    social = np.flatnonzero(~_alone(matrix))
    if social.size:
        near = squareform(_bounded(matrix[np.ix_(social, social)], threshold or 0.0))
        tree = linkage(near, method)
        labels[social] = (
            fcluster(tree, limit, "distance")
            if count is None
            else fcluster(tree, count, "maxclust")
        )
    ids, next_id = _inherit(labels, before, limit)
    return _species(matrix, ids, next_id, threshold)


def dynamic(
    distances: Array,
    earlier: Earlier | None = None,
    count: int | None = None,
    members: int = 6,
    smallest: int = 2,
) -> Species:
    """Find as many species as the population has room for, each with enough members to breed.

    The threshold is that of `by_count`. A species of fewer than `smallest` members does not count:
    its members join the nearest of the others, by the distance to its representative. Where too
    few are left the threshold is lowered until there are as many as wanted.

    Args:
      distances: [members, members], symmetric.
      earlier: species of the previous halt.
      count: the target, at least 1; if left out, one species for every so many `members` of the
        population, rounded, and at least one.
      members: of a species, on the average; at least 1.
      smallest: members that make a species, at least 1.

    Returns:
      The species. Members infinitely far from all others are each a species in addition.

    Raises:
      GeneticsError: see `by_threshold`; or one of the three numbers is below 1.

    Reference: the compatibility threshold that follows a target number is Stanley's own addition
    to NEAT; that small species join others is ours: there, one of a single member breeds alone.

    >>> apart = np.abs(np.subtract.outer([0, 1, 10, 11, 30], [0, 1, 10, 11, 30]))
    >>> dynamic(apart, count=2).ids, by_count(apart, count=2).ids
    ((0, 0, 1, 1, 1), (0, 0, 0, 0, 1))
    """
    matrix, _ = _check(distances, earlier)
    _check_count(smallest)
    _check_count(members)
    social = int((~_alone(matrix)).sum())
    target = max(1, round(social / members)) if count is None else count
    best = None
    for asked in range(target, max(target, social) + 1):
        found = _joined(matrix, by_count(matrix, earlier, asked), smallest, earlier)
        number = sum(len(found.members(each)) >= smallest for each in found.representatives)
        if best is None or number > best[0]:
            best = number, found
        if number >= target:
            break
    assert best is not None
    return best[1]


def none(distances: Array, earlier: Earlier | None = None) -> Species:
    """Put all members into one species, the previous halt's first one if there was any.

    Args:
      distances: [members, members], symmetric.
      earlier: species of the previous halt.

    Returns:
      One species.

    Raises:
      GeneticsError: see `by_threshold`.

    >>> none(np.zeros((3, 3))).ids
    (0, 0, 0)
    """
    matrix, before = _check(distances, earlier)
    species = min(before.ids, default=before.next_id)
    return _species(matrix, [species] * len(matrix), max(before.next_id, species + 1), None)


SPECIATIONS: Mapping[str, Speciation] = MappingProxyType(
    {
        "threshold": by_threshold,
        "count": by_count,
        "clustering": by_clustering,
        "dynamic": dynamic,
        "none": none,
    }
)


def _check(distances: Array, earlier: Earlier | None) -> tuple[Matrix, Earlier]:
    matrix = np.asarray(distances, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise GeneticsError(
            f"Distances must be a square matrix [members, members], received shape "
            f"{matrix.shape}. Use one of the registered distances."
        )
    if not (matrix >= 0).all() or not np.array_equal(matrix, matrix.T) or matrix.diagonal().any():
        raise GeneticsError(
            "Distances must be symmetric and not negative with a zero diagonal, and infinite, not "
            f"NaN, for a failed member; received {matrix}. Use one of the registered distances."
        )
    if earlier is None:
        return matrix, Earlier((), np.zeros((len(matrix), 0)), 0)
    shape, used = np.shape(earlier.distances), max(earlier.ids, default=-1)
    if (
        shape != (len(matrix), len(earlier.ids))
        or earlier.next_id <= used
        or len(set(earlier.ids)) < len(earlier.ids)
    ):
        raise GeneticsError(
            f"Earlier species must have distinct ids below next_id and distances [members, ids], "
            f"received ids {earlier.ids}, next_id {earlier.next_id} and distances of shape {shape} "
            f"for {len(matrix)} members. Pass on what the previous halt returned."
        )
    return matrix, earlier


def _check_count(count: int) -> None:
    if count < 1:
        raise GeneticsError(f"At least 1 species is needed, received count = {count}.")


def _alone(matrix: Matrix) -> NDArray[np.bool_]:
    """Mark the members that are infinitely far from all others."""
    others = ~np.eye(len(matrix), dtype=bool)
    return np.array((np.isinf(matrix) | ~others).all(axis=1), bool)


def _joined(matrix: Matrix, found: Species, smallest: int, earlier: Earlier | None) -> Species:
    """Let the members of species that are too small join the nearest of the others."""
    ids = np.array(found.ids)
    while True:
        near = _species(matrix, ids.tolist(), found.next_id, found.threshold)
        sizes = {each: len(near.members(each)) for each in near.representatives}
        # A failed member is near to none and stays by itself.
        small = [
            each
            for each, size in sizes.items()
            if size < smallest and np.isfinite(_to_others(matrix, near, each)).any()
        ]
        if not small:
            break
        dissolved = min(small, key=lambda each: (sizes[each], -each))
        others = [each for each in near.representatives if each != dissolved]
        columns = matrix[:, [near.representatives[each] for each in others]]
        for member in near.members(dissolved):
            ids[member] = others[int(columns[member].argmin())]
    # Ids of species that nobody was left in were never used.
    before = 0 if earlier is None else earlier.next_id
    new = [each for each in sorted(near.representatives) if each >= before]
    renamed = {each: before + number for number, each in enumerate(new)}
    kept = [renamed.get(each, each) for each in ids.tolist()]
    return _species(matrix, kept, before + len(new), found.threshold)


def _to_others(matrix: Matrix, species: Species, label: int) -> Matrix:
    """Return the distances of a species' representative to those of the others."""
    others = [place for each, place in species.representatives.items() if each != label]
    return np.asarray(matrix[species.representatives[label], others])


def _bounded(matrix: Matrix, threshold: float) -> Matrix:
    """Replace infinity by a number beyond all others and the threshold: linkage needs numbers."""
    infinite = np.isinf(matrix)
    largest = np.where(infinite, 0.0, matrix).max(initial=0.0)
    return np.where(infinite, 10.0 * max(largest, threshold, 1.0), matrix)


def _inherit(labels: Array, before: Earlier, limit: float) -> tuple[list[int], int]:
    """Turn cluster labels into species ids."""
    clusters = list(dict.fromkeys(labels.tolist()))
    near = [
        [before.distances[labels == c, k].mean() for k in range(len(before.ids))] for c in clusters
    ]
    cost = np.array(near, np.float64).reshape(len(clusters), len(before.ids))
    heirs = {}
    for row, column in zip(*linear_sum_assignment(_bounded(cost, 0.0)), strict=True):
        if cost[row, column] <= limit and np.isfinite(cost[row, column]):
            heirs[clusters[row]] = before.ids[column]
    next_id = before.next_id
    for cluster in clusters:
        if cluster not in heirs:
            heirs[cluster], next_id = next_id, next_id + 1
    return [heirs[label] for label in labels.tolist()], next_id


def _species(matrix: Matrix, ids: Sequence[int], next_id: int, threshold: float | None) -> Species:
    representatives = {}
    for species in sorted(set(ids)):
        members = np.flatnonzero(np.array(ids) == species)
        sums = matrix[np.ix_(members, members)].sum(axis=1)
        representatives[species] = int(members[sums.argmin()])
    return Species(tuple(ids), MappingProxyType(representatives), next_id, threshold)
