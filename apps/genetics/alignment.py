"""Alignment: reorder the hidden units of one network so that they match those of another.

Two networks that learnt the same may hold it in different units; their mean is then a ruin.
Aligned first, unit meets like unit.
"""

from collections.abc import Mapping

import numpy as np

from apps.genetics.assignment import MatchingProblem, Scores, assign, is_coupled
from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import (
    Permutation,
    PermutationSpec,
    identity,
    permute,
    validate,
)
from apps.genetics.weights import Array, Weights, check_alike, is_finite


def match_weights(
    rng: np.random.Generator,
    reference: Weights,
    other: Weights,
    spec: PermutationSpec,
    restarts: int = 2,
) -> dict[str, Permutation]:
    r"""Find the permutations of `other` under which it resembles `reference` most.

    .. math:: \max_P \sum_n \langle a_n, (P b)_n \rangle

    over all floating arrays n but running statistics: the same P minimises
    :math:`\lVert a - P b \rVert`. For one group at a time this is a linear assignment; several
    groups are matched by coordinate descent, in an order drawn for every sweep, until no
    assignment changes. One hidden layer is exact in one step.

    Where we differ from the paper: the first descent does not start from the identity, but
    matches the groups one after the other, first the one whose weights to inputs, outputs and
    groups already matched say most, ignoring weights to groups not yet matched (or, where there
    are no others, comparing those sorted, which no permutation changes). So a permuted copy is
    recovered exactly at any depth. The second descent starts from the identity, further
    ones as the first but in a random order; the best end is kept. A group that acts on two axes
    of one array (a recurrent kernel, a residual block) makes the problem quadratic: a step is
    then taken on the linearised problem, and kept only if the objective rises.

    Args:
      rng: draws the orders; not used if no array joins two groups.
      reference: network a.
      other: network b, of the same architecture.
      spec: their symmetries.
      restarts: number of descents, at least 1.

    Returns:
      Group -> permutation [size]; `permute(other, spec, ...)` is aligned to `reference`.

    Raises:
      GeneticsError: the networks or the spec do not fit each other, a weight is not finite, or
        `restarts` is below 1.

    Reference: Ainsworth, Hayase and Srinivasa, Git Re-Basin, arXiv:2209.04836, algorithm 1.

    >>> from apps.genetics.permutation import Segment
    >>> rng, h = np.random.default_rng(0), (Segment(3, "h"),)
    >>> network = {"h/kernel": rng.normal(size=(4, 3)), "o/kernel": rng.normal(size=(3, 2))}
    >>> spec = PermutationSpec({"h/kernel": ((), h), "o/kernel": (h, ())})
    >>> moved = permute(network, spec, {"h": np.array([2, 0, 1])})
    >>> match_weights(rng, network, moved, spec)
    {'h': array([1, 2, 0])}
    """
    check_alike([reference, other])
    validate(spec, reference)
    if restarts < 1:
        raise GeneticsError(f"At least 1 descent is needed, received restarts = {restarts}.")
    for place, network in (("reference", reference), ("other", other)):
        if not is_finite(network):
            raise GeneticsError(
                f"Alignment needs finite weights, received NaN or infinity in {place!r}. "
                "Leave failed members out of the mating."
            )
    problem = MatchingProblem.of(reference, other, spec)
    best = problem.greedy()
    if not is_coupled(problem.terms):
        return best
    best = problem.descend(rng, best)
    for number in range(1, restarts):
        if problem.objective(best) >= problem.bound * (1 - 1e-12):
            break
        order = rng.permutation(len(spec.groups))
        start = identity(spec) if number == 1 else problem.greedy([*order])
        found = problem.descend(rng, start)
        if problem.objective(found) > problem.objective(best) + problem.tolerance:
            best = found
    return best


def match_activations(
    reference: Mapping[str, Array], other: Mapping[str, Array]
) -> dict[str, Permutation]:
    """Match units by the correlation of their activations on the same samples.

    Args:
      reference: group -> activations [samples, ..., units] of the first network; positions of a
        convolution count as samples.
      other: the same of the network that is to be aligned.

    Returns:
      Group -> permutation [units] that maximises the sum of the correlations. A unit that does
      not vary (a dead one) correlates with none: dead units are paired with what is left over.
      For groups without activations add `identity(spec)`.

    Raises:
      GeneticsError: groups or shapes differ, there is no sample, or a value is not finite.

    Reference: Li et al., Convergent Learning, arXiv:1511.07543; Git Re-Basin, arXiv:2209.04836,
    section 3.1 (there without normalisation).

    >>> signals = np.random.default_rng(0).normal(size=(50, 3))
    >>> match_activations({"h": signals}, {"h": 5 + 2 * signals[:, [1, 2, 0]]})
    {'h': array([2, 0, 1])}
    """
    if set(reference) != set(other):
        raise GeneticsError(
            f"Activations of the same groups are needed, received {sorted(reference)} and "
            f"{sorted(other)}. Record both networks at the same layers."
        )
    found = {}
    for group, signals in reference.items():
        if signals.shape != other[group].shape or signals.ndim < 2 or not signals.size:
            raise GeneticsError(
                f"Activations of group {group!r} must have one shape [samples, ..., units], "
                f"received {signals.shape} and {other[group].shape}. Use the same samples for both."
            )
        found[group] = assign(_normalised(group, signals).T @ _normalised(group, other[group]))
    return found


def align(
    rng: np.random.Generator,
    reference: Weights,
    other: Weights,
    spec: PermutationSpec,
    restarts: int = 2,
) -> dict[str, Array]:
    """Permute one network onto another by `match_weights`; what it computes does not change.

    Args:
      rng: see `match_weights`.
      reference: the network to resemble.
      other: the network to permute.
      spec: their symmetries.
      restarts: see `match_weights`.

    Returns:
      `other` with its units reordered; a permuted copy of `reference` becomes `reference`.

    Raises:
      GeneticsError: see `match_weights`.

    >>> from apps.genetics.permutation import Segment
    >>> rng, h = np.random.default_rng(0), (Segment(3, "h"),)
    >>> network = {"h/kernel": rng.normal(size=(4, 3)), "o/kernel": rng.normal(size=(3, 2))}
    >>> spec = PermutationSpec({"h/kernel": ((), h), "o/kernel": (h, ())})
    >>> moved = permute(network, spec, {"h": np.array([2, 0, 1])})
    >>> bool((align(rng, network, moved, spec)["o/kernel"] == network["o/kernel"]).all())
    True
    """
    return permute(other, spec, match_weights(rng, reference, other, spec, restarts))


def _normalised(group: str, signals: Array) -> Scores:
    values = signals.reshape(-1, signals.shape[-1]).astype(np.float64)
    if not np.isfinite(values).all():
        raise GeneticsError(
            f"Activations must be finite, received NaN or infinity in group {group!r}. "
            "Leave failed members out of the mating."
        )
    varies = (values != values[0]).any(axis=0)
    centred = values - values.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    alive = varies & (norms > 0)
    normalised: Scores = np.divide(centred, norms, out=np.zeros_like(centred), where=alive)
    return normalised
