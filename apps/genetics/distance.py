"""How far apart the members of a population are.

Every registered distance is `f(rng, population, others=None, **settings)` and gives a matrix:
[N, N] within the population, symmetric with a zero diagonal, or [N, M] to `others`. A failed
member (a weight or a prediction that is not finite) is infinitely far from every other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from apps.genetics.alignment import match_weights
from apps.genetics.assignment import assign, group_terms, is_coupled, unit_rows
from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import PermutationSpec, axis_indices, permute, validate
from apps.genetics.weights import Array, Weights, check_alike, flatten, is_finite, is_floating

Matrix = NDArray[np.float64]
Distance = Callable[..., Matrix]


@dataclass(frozen=True, eq=False)
class Population:
    """Members to compare, all of one architecture.

    Attributes:
      weights: one network for each member; may be empty for distances between predictions.
      spec: their symmetries; `aligned` needs them.
      predictions: outputs [samples, classes] or labels [samples] of each member on one probe
        batch; `disagreement` needs them.

    Raises:
      GeneticsError: the networks are not of one architecture.
    """

    weights: tuple[Weights, ...] = ()
    spec: PermutationSpec | None = None
    predictions: tuple[Array, ...] | None = None

    def __post_init__(self) -> None:
        """Check the members against each other."""
        if self.weights:
            check_alike(self.weights)


def raw_distance(a: Weights, b: Weights, statistics: frozenset[str] = frozenset()) -> float:
    r"""Compare two networks as they lie: :math:`\|a - b\| / \sqrt{\|a\|^2 + \|b\|^2}`.

    Args:
      a: a network.
      b: another of the same architecture.
      statistics: arrays to leave out: running statistics are not weights.

    Returns:
      0 for equal networks, about 1 for independent ones, at most sqrt(2); infinity if one is not
      finite.

    Raises:
      GeneticsError: the architectures differ.

    >>> raw_distance({"bias": np.array([3.0, 0.0])}, {"bias": np.array([0.0, 4.0])})
    1.0
    """
    check_alike([a, b])
    return float(_relative(*(_vectors([each], statistics, a) for each in (a, b)))[0, 0])


def aligned_distance(
    rng: np.random.Generator,
    a: Weights,
    b: Weights,
    spec: PermutationSpec,
    restarts: int = 1,
) -> float:
    r"""Compare two networks up to their symmetries.

    .. math:: \min_P \|a - P b\| / \sqrt{\|a\|^2 + \|b\|^2}

    P is found by `match_weights`; running statistics are left out. It is symmetric: matching b
    to a and a to b are one problem, solved by inverse permutations.

    Args:
      rng: see `match_weights`.
      a: a network.
      b: another of the same architecture.
      spec: their symmetries.
      restarts: see `match_weights`.

    Returns:
      0 for permuted copies; infinity if a network is not finite.

    Raises:
      GeneticsError: the networks or the spec do not fit each other.

    >>> from apps.genetics.permutation import Segment
    >>> spec = PermutationSpec({"bias": ((Segment(2, "units"),),)})
    >>> pair = ({"bias": np.array([3.0, 4.0])}, {"bias": np.array([4.0, 3.0])})
    >>> aligned_distance(np.random.default_rng(0), *pair, spec)
    0.0
    """
    check_alike([a, b])
    validate(spec, a)
    if not (is_finite(a) and is_finite(b)):
        return float("inf")
    moved = permute(b, spec, match_weights(rng, a, b, spec, restarts))
    return raw_distance(a, moved, spec.statistics)


def raw(
    rng: np.random.Generator, population: Population, others: Population | None = None
) -> Matrix:
    """Compare networks as they lie; between different initialisations it is always about 1.

    Args:
      rng: not used; there for the common signature.
      population: N networks; the statistics of their spec, if any, are left out.
      others: M networks of the same architecture.

    Returns:
      `raw_distance` of every pair: [N, N] or [N, M].

    Raises:
      GeneticsError: the architectures differ.

    >>> raw(np.random.default_rng(0), Population(({"b": np.ones(1)}, {"b": -np.ones(1)}))).round(3)
    array([[0.   , 1.414],
           [1.414, 0.   ]])
    """
    members, partners = _members(population, others)
    statistics = population.spec.statistics if population.spec else frozenset[str]()
    a, b = (_vectors(each, statistics, members[0]) for each in (members, partners))
    return _finish(_relative(a, b), others)


def aligned(
    rng: np.random.Generator,
    population: Population,
    others: Population | None = None,
    restarts: int = 1,
) -> Matrix:
    """Compare networks up to their symmetries.

    Every pair is matched once. All pairs see the same random draws, so that a distance does not
    depend on who else is in the population, nor on the order of the members. Where no array
    joins two groups (one hidden layer) the distances are exact and fast: one matrix product for
    all partners of a member.

    Args:
      rng: gives the draws that all pairs share.
      population: N networks and their spec.
      others: M networks of the same architecture.
      restarts: see `match_weights`.

    Returns:
      `aligned_distance` of every pair: [N, N] or [N, M].

    Raises:
      GeneticsError: there is no spec, or it does not fit; the architectures differ.

    >>> from apps.genetics.permutation import Segment
    >>> spec = PermutationSpec({"b": ((Segment(2, "units"),),)})
    >>> pair = ({"b": np.array([3.0, 4.0])}, {"b": np.array([4.0, 3.0])})
    >>> aligned(np.random.default_rng(0), Population(pair, spec))
    array([[0., 0.],
           [0., 0.]])
    """
    spec = population.spec
    if spec is None:
        raise GeneticsError(
            "The aligned distance needs the permutation spec of the networks, received none. "
            "Pass the spec, or use 'raw' or 'disagreement'."
        )
    members, partners = _members(population, others)
    validate(spec, members[0])
    seed = int(rng.integers(2**63))

    def match(a: Weights, b: Weights) -> float:
        return aligned_distance(np.random.default_rng(seed), a, b, spec, restarts)

    fine = [[k for k, w in enumerate(each) if is_finite(w)] for each in (members, partners)]
    a, b = [members[k] for k in fine[0]], [partners[k] for k in fine[1]]
    found = np.zeros((len(a), len(b)))
    if is_coupled(group_terms(members[0], spec)):
        for i, v in enumerate(a):
            for j in range(i + 1 if others is None else 0, len(b)):
                found[i, j] = match(v, b[j])
    else:
        rows_a, rows_b = ([_unit_rows(network, spec) for network in each] for each in (a, b))
        found = _exact(rows_a, rows_b, symmetric=others is None)
    distances = np.full((len(members), len(partners)), np.inf)
    distances[np.ix_(*fine)] = found
    return _finish(distances, others)


def disagreement(
    rng: np.random.Generator, population: Population, others: Population | None = None
) -> Matrix:
    """Compare what networks predict: the share of probe samples that they label differently.

    Args:
      rng: not used; there for the common signature.
      population: N members with predictions on one probe batch: outputs [samples, classes] of at
        least 2 classes, whose largest is the label (the first of equals), or labels [samples].
      others: M members with predictions on the same batch.

    Returns:
      Shares in [0, 1] of every pair: [N, N] or [N, M].

    Raises:
      GeneticsError: there are no predictions, or they have different or unusable shapes.

    >>> labels = (np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0]))
    >>> disagreement(np.random.default_rng(0), Population(predictions=labels))
    array([[0.  , 0.25],
           [0.25, 0.  ]])
    """
    a = population.predictions
    b = a if others is None else others.predictions
    if not a or not b:
        raise GeneticsError(
            "The distance 'disagreement' compares predictions, received none. Evaluate every "
            "member on the same probe batch."
        )
    shapes = {each.shape for each in (*a, *b)}
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) not in (1, 2) or 0 in shape or shape[1:] == (1,):
        raise GeneticsError(
            f"Predictions must be [samples, classes >= 2] or labels [samples] of one batch, "
            f"received shapes {sorted(shapes)}. Turn a single output into labels first."
        )
    mine, theirs = (np.array([_labels(each) for each in group]) for group in (a, b))
    failed = [[not np.isfinite(each).all() for each in group] for group in (a, b)]
    distances = cdist(mine, theirs, "hamming")
    return _finish(np.where(np.logical_or.outer(*failed), np.inf, distances), others)


DISTANCES: Mapping[str, Distance] = MappingProxyType(
    {"raw": raw, "aligned": aligned, "disagreement": disagreement}
)


def _members(
    population: Population, others: Population | None
) -> tuple[Sequence[Weights], Sequence[Weights]]:
    partners = population.weights if others is None else others.weights
    check_alike([*population.weights, *partners])
    return population.weights, partners


def _finish(distances: Matrix, others: Population | None) -> Matrix:
    # A NaN comes from a member that has failed.
    finished = np.where(np.isnan(distances), np.inf, distances)
    if others is None:
        upper = np.triu(finished, 1)
        finished = upper + upper.T
    return finished


def _vectors(networks: Sequence[Weights], statistics: frozenset[str], model: Weights) -> Matrix:
    names = [name for name in model if name not in statistics]
    rows = [flatten({name: network[name] for name in names}) for network in [model, *networks]]
    return np.array(rows[1:]).reshape(len(networks), rows[0].size)


def _relative(a: Matrix, b: Matrix) -> Matrix:
    """Distances [N, M] of vectors [N, P] and [M, P], relative to their norms."""
    scale = np.sqrt((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return _ratio(cdist(a, b), scale)


def _ratio(distances: Matrix, scale: Matrix) -> Matrix:
    # Two zero networks are equal.
    ratio: Matrix = np.divide(distances, scale, out=np.zeros_like(distances), where=scale != 0)
    return ratio


def _labels(predictions: Array) -> Matrix:
    labels = predictions if predictions.ndim == 1 else predictions.argmax(axis=1)
    return labels.astype(np.float64)


def _unit_rows(network: Weights, spec: PermutationSpec) -> list[Matrix]:
    """Rows [size, weights of a unit] of each group; what no group moves is one unit more."""
    terms = group_terms(network, spec)
    rows = [
        np.concatenate([unit_rows(network[term.name], term) for term in each], axis=1)
        for each in terms.values()
        if each
    ]
    fixed = []
    for name, array in network.items():
        if name not in spec.statistics and is_floating(array):
            kept = array
            for number, axis in enumerate(spec.axes[name]):
                kept = np.take(kept, axis_indices(axis, {}), axis=number) if axis else kept
            fixed.append(kept.reshape(1, -1))
    return [each.astype(np.float64) for each in (*rows, np.concatenate(fixed, axis=1))]


def _exact(a: Sequence[list[Matrix]], b: Sequence[list[Matrix]], symmetric: bool) -> Matrix:
    """Aligned distances [N, M] from unit rows, where one assignment per group is exact."""
    squares = np.zeros((len(a), len(b)))
    for kind in range(len(a[0]) if a and b else 0):
        stacked = np.array([rows[kind] for rows in b])
        size, width = stacked.shape[1:]
        # Bounds the scores held at once: 2**22 of them are 32 MB.
        block = max(1, 2**22 // size**2)
        for i, rows in enumerate(a):
            for start in range(i + 1 if symmetric else 0, len(b), block):
                chunk = stacked[start : start + block]
                scores = (rows[kind] @ chunk.reshape(len(chunk) * size, width).T).reshape(
                    size, len(chunk), size
                )
                for j, partner in enumerate(chunk):
                    moved = partner[assign(scores[:, j])]
                    squares[i, start + j] += ((rows[kind] - moved) ** 2).sum()
    norms = [np.array([sum((kind**2).sum() for kind in rows) for rows in each]) for each in (a, b)]
    return _ratio(np.sqrt(squares), np.sqrt(np.add.outer(*norms)))
