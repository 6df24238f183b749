"""Selections: which members become parents. Fitness is a loss, lower is better.

A member whose fitness is not finite has failed: it ranks last and is never selected.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from apps.genetics.errors import GeneticsError

Selection = Callable[..., tuple[int, ...]]


def rank(fitness: Sequence[float]) -> tuple[int, ...]:
    """Order the members from best to worst.

    Args:
      fitness: [members], lower is better.

    Returns:
      Every member number once: finite fitness ascending, then the failed members; ties by
      member number.

    >>> rank([0.3, float("nan"), 0.1, 0.3])
    (2, 0, 3, 1)
    """
    values = np.asarray(fitness, np.float64).reshape(-1)
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")
    return tuple(int(member) for member in order)


def merit(fitness: Sequence[float], temperature: float = 1.0) -> NDArray[np.float64]:
    r"""Turn losses into positive shares of success.

    .. math:: m_i = \exp(-(L_i - \min L) / (\tau \, \mathrm{median} |L|))

    It works for losses of either sign, does not change when all losses are scaled, and gives
    nearly equal merit to nearly equal losses. The median keeps one network that has almost
    diverged from making all others look alike.

    Args:
      fitness: losses [members]; only the finite ones enter the minimum and the median.
      temperature: tau > 0; smaller favours the best more.

    Returns:
      float64 [members] in [0, 1]: the best has 1, a failed member has 0. If the median is 0, the
      members at the minimum have 1 and all others 0.

    Raises:
      GeneticsError: the temperature is not positive.

    >>> merit([0.1, 0.1, float("inf")])
    array([1., 1., 0.])
    """
    return np.exp(log_merit(fitness, temperature))


def log_merit(fitness: Sequence[float], temperature: float = 1.0) -> NDArray[np.float64]:
    """Give the logarithm of `merit`, which does not underflow.

    Args:
      fitness: losses [members].
      temperature: > 0.

    Returns:
      float64 [members], at most 0; minus infinity for a failed member.

    Raises:
      GeneticsError: the temperature is not positive.

    >>> log_merit([1.0, 2.0, 1.5], temperature=2.0).round(3).tolist()
    [0.0, -0.333, -0.167]
    """
    if not temperature > 0:
        raise GeneticsError(
            f"temperature must be positive, received {temperature}. "
            "Use a small value, e.g. 0.1, to favour the best members strongly."
        )
    values = np.asarray(fitness, np.float64).reshape(-1)
    finite = np.isfinite(values)
    logarithms = np.full(values.shape, -np.inf)
    if finite.any():
        # Scaled by a power of two, which changes no ratio, so that no difference overflows.
        losses = np.ldexp(values[finite], -np.frexp(np.abs(values[finite]).max())[1])
        gap = losses - losses.min()
        scale = temperature * np.median(np.abs(losses))
        with np.errstate(divide="ignore", over="ignore"):
            # Subtracted, not negated: the best member has 0.0, not -0.0.
            ratio = np.divide(gap, scale, out=np.zeros_like(gap), where=gap > 0)
        logarithms[finite] = 0.0 - ratio
    return logarithms


def truncation(rng: np.random.Generator, fitness: Sequence[float], count: int) -> tuple[int, ...]:
    """Select the best members: the poster's rule, its T is `count`.

    Args:
      rng: not used; there for the common signature.
      fitness: losses [members].
      count: how many, at least 1.

    Returns:
      `count` distinct members, best first; ties by member number.

    Raises:
      GeneticsError: fewer than `count` members have a finite fitness.

    >>> truncation(np.random.default_rng(0), [0.3, float("nan"), 0.1, 0.2], 2)
    (2, 3)
    """
    _check(fitness, count, replace=False)
    return rank(fitness)[:count]


def tournament(
    rng: np.random.Generator,
    fitness: Sequence[float],
    count: int,
    size: int = 2,
    replace: bool = False,
) -> tuple[int, ...]:
    """Select each parent as the best of `size` members drawn at random.

    Args:
      rng: draws the contestants, without replacement within a tournament.
      fitness: losses [members].
      count: how many parents, at least 1.
      size: contestants of one tournament, at least 1; capped at the members that remain.
      replace: whether a winner may win again; otherwise it leaves the field.

    Returns:
      `count` members, in the order of the tournaments; distinct unless `replace`.

    Raises:
      GeneticsError: `size` is below 1, or too few members have a finite fitness.

    Reference: Miller and Goldberg, Genetic Algorithms, Tournament Selection, and the Effects of
    Noise, 1995.

    >>> tournament(np.random.default_rng(0), [0.3, 0.1, 0.2], 2, size=3)
    (1, 2)
    """
    _check(fitness, count, replace)
    if size < 1:
        raise GeneticsError(f"A tournament needs size >= 1, received {size}. Use e.g. size = 2.")
    # By rank, so that the best of a draw is its smallest number.
    field = [member for member in rank(fitness) if np.isfinite(fitness[member])]
    winners = []
    for _ in range(count):
        place = int(rng.choice(len(field), min(size, len(field)), replace=False).min())
        winners.append(field[place] if replace else field.pop(place))
    return tuple(winners)


def proportional(
    rng: np.random.Generator,
    fitness: Sequence[float],
    count: int,
    temperature: float = 1.0,
    replace: bool = False,
) -> tuple[int, ...]:
    """Select parents with probability proportional to `merit`.

    Without replacement each draw is proportional among the members that remain (Gumbel top-k,
    arXiv:1903.06059), so that it works however small the merits are.

    Args:
      rng: draws the parents.
      fitness: losses [members]; `merit` turns them into probabilities.
      count: how many parents, at least 1.
      temperature: of `merit`; smaller favours the best more.
      replace: whether one member may be drawn several times.

    Returns:
      `count` members, in the order drawn; distinct unless `replace`.

    Raises:
      GeneticsError: the temperature is not positive, or too few members have a finite fitness.

    >>> proportional(np.random.default_rng(0), [0.5, 0.1, float("nan")], 2, temperature=0.01)
    (1, 0)
    """
    _check(fitness, count, replace)
    finite = np.flatnonzero(np.isfinite(np.asarray(fitness, np.float64)))
    logarithms = log_merit(fitness, temperature)[finite]
    if replace:
        shares = np.exp(logarithms)
        drawn = rng.choice(finite.size, count, p=shares / shares.sum())
    else:
        # Ties only where merits are equal to minus infinity: then the better rank first.
        keys = logarithms + rng.gumbel(size=finite.size)
        drawn = np.lexsort((np.asarray(fitness, np.float64)[finite], -keys))[:count]
    return tuple(int(member) for member in finite[drawn])


SELECTIONS: Mapping[str, Selection] = MappingProxyType(
    {"truncation": truncation, "tournament": tournament, "proportional": proportional}
)


def _check(fitness: Sequence[float], count: int, replace: bool) -> None:
    if count < 1:
        raise GeneticsError(f"Select at least 1 member, received count = {count}.")
    finite = int(np.isfinite(np.asarray(fitness, np.float64)).sum())
    needed = 1 if replace else count
    if finite < needed:
        raise GeneticsError(
            f"{needed} members with a finite fitness are needed, received {finite} of "
            f"{len(fitness)}. Lower the number of parents, or look at why members failed."
        )
