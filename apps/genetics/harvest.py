"""Harvest: merge the population of a finished trial into one network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.genetics.averaging import running_mean, start
from apps.genetics.errors import GeneticsError
from apps.genetics.selection import rank
from apps.genetics.weights import Array, Weights, check_alike, is_floating


@dataclass(frozen=True, eq=False)
class Soup:
    """A network made of several.

    Attributes:
      weights: the mean of its members.
      members: their numbers, in the order in which they were added.
      loss: what the evaluation gave for it; None if it was not evaluated.
      trials: (member, loss) of every evaluation: of the soup with this member added.
    """

    weights: Weights
    members: tuple[int, ...]
    loss: float | None = None
    trials: tuple[tuple[int, float], ...] = ()


def uniform_soup(networks: Sequence[Weights], fitness: Sequence[float]) -> Soup:
    r"""Average all members that have not failed: :math:`\frac{1}{n} \sum_i w_i`.

    Args:
      networks: the members, of one architecture.
      fitness: losses [members]; a member whose loss is not finite is left out.

    Returns:
      The soup, its members ordered by fitness.

    Raises:
      GeneticsError: no member has a finite fitness, the architectures differ, or the numbers of
        networks and losses do.

    Reference: Wortsman et al., Model Soups, arXiv:2203.05482.

    >>> uniform_soup([{"b": np.ones(1)}, {"b": np.zeros(1)}], [0.1, 0.2]).weights
    {'b': array([0.5])}
    """
    members = _healthy(networks, fitness)
    average = start(networks[members[0]])
    for count, member in enumerate(members[1:], start=1):
        average = running_mean(average, networks[member], count)
    return Soup(_as(average, networks[members[0]]), members)


def greedy_soup(
    networks: Sequence[Weights],
    fitness: Sequence[float],
    evaluate: Callable[[Weights], float],
) -> Soup:
    """Add member after member to the mean, keeping those that lower the validation loss.

    Where we differ from the paper: a member is kept only if the loss falls, not also if it stays
    the same, so that the soup is the smallest of equals.

    Args:
      networks: the members, of one architecture.
      fitness: losses [members]; the best is tried first, a failed one not at all.
      evaluate: gives the validation loss of a network; one call for each member tried. A loss
        that is not finite never enters.

    Returns:
      The soup. Its loss is at most that of the first member that could be evaluated.

    Raises:
      GeneticsError: as `uniform_soup`; or no network could be evaluated to a finite loss.

    Reference: Wortsman et al., Model Soups, arXiv:2203.05482, recipe 1.

    >>> members = [{"b": np.array([v])} for v in (2.0, -1.0, 9.0)]
    >>> soup = greedy_soup(members, [0.1, 0.2, 0.3], lambda w: abs(float(w["b"][0])))
    >>> soup.members, soup.loss
    ((0, 1), 0.5)
    """
    order = _healthy(networks, fitness)
    model = networks[order[0]]
    average, loss = start(model), float("inf")
    members: tuple[int, ...] = ()
    trials = []
    for member in order:
        tried = running_mean(average, networks[member], len(members))
        found = float(evaluate(_as(tried, model)))
        trials.append((member, found))
        if np.isfinite(found) and found < loss:
            average, loss, members = tried, found, (*members, member)
    if not members:
        raise GeneticsError(
            f"A soup needs a member with a finite validation loss, received {trials}. Look at "
            "the validation data and at why members failed."
        )
    return Soup(_as(average, model), members, loss, tuple(trials))


def _healthy(networks: Sequence[Weights], fitness: Sequence[float]) -> tuple[int, ...]:
    check_alike(networks)
    if len(fitness) != len(networks):
        raise GeneticsError(
            f"Every member has one loss, received {len(networks)} networks and {len(fitness)} "
            "losses. Pass both for the whole population."
        )
    members = tuple(member for member in rank(fitness) if np.isfinite(fitness[member]))
    if not members:
        raise GeneticsError(
            f"A harvest needs a member of finite fitness, received {list(fitness)}. Look at why "
            "all members failed."
        )
    return members


def _as(average: Weights, model: Weights) -> dict[str, Array]:
    # What is not floating comes from the first member, as in every merge.
    return {
        name: average[name].astype(array.dtype) if is_floating(array) else array.copy()
        for name, array in model.items()
    }
