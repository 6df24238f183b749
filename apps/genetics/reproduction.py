"""From species to offspring: shared fitness, how many children, and of which parents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.genetics.errors import GeneticsError
from apps.genetics.selection import Selection, merit, rank, tournament


@dataclass(frozen=True)
class Mating:
    """The parents of one child.

    Attributes:
      species: the species that the child is counted for.
      parents: member numbers, at least one.
      champion: whether the child is its species' champion, that goes on unchanged.
    """

    species: int
    parents: tuple[int, ...]
    champion: bool = False


def champions(fitness: Sequence[float], ids: Sequence[int]) -> dict[int, int]:
    """Give the best member of each species.

    Args:
      fitness: losses [members].
      ids: species [members].

    Returns:
      Species id -> member, in the order of the ids; ties by member number. A species of failed
      members has none and is left out.

    Raises:
      GeneticsError: the two do not have one value for each member.

    >>> champions([0.3, 0.1, float("nan")], [0, 0, 1])
    {0: 1}
    """
    _check(fitness, ids)
    best: dict[int, int] = {}
    for member in rank(fitness):
        if np.isfinite(fitness[member]):
            best.setdefault(ids[member], member)
    return dict(sorted(best.items()))


def shared_fitness(
    fitness: Sequence[float], ids: Sequence[int], temperature: float = 1.0
) -> NDArray[np.float64]:
    r"""Share the success of a species among its members (explicit fitness sharing).

    .. math:: f_i = m_i / |S(i)|

    with m the `selection.merit`, which is positive and larger for a lower loss, and S(i) the
    species of i. So a species cannot take over the population by its size.

    Args:
      fitness: losses [members].
      ids: species [members].
      temperature: of the merit; smaller favours the best more.

    Returns:
      float64 [members]; 0 for a failed member. Failed members count in the size of a species.

    Raises:
      GeneticsError: the two do not have one value for each member, or the temperature is not
        positive.

    Reference: Goldberg and Richardson, Genetic Algorithms with Sharing for Multimodal Function
    Optimization, 1987; explicit, by species, in NEAT (Stanley and Miikkulainen 2002).

    >>> shared_fitness([0.1, 0.1, 0.1], [0, 0, 1])
    array([0.5, 0.5, 1. ])
    """
    _check(fitness, ids)
    sizes = {species: list(ids).count(species) for species in ids}
    return merit(fitness, temperature) / np.array([sizes[each] for each in ids], np.float64)


def allot(
    fitness: Sequence[float],
    ids: Sequence[int],
    total: int,
    temperature: float = 1.0,
    minimum_size: int = 1,
    elitism: bool = True,
) -> dict[int, int]:
    """Allot offspring to species in proportion to their summed shared fitness.

    Fractions are rounded by largest remainders, ties to the lower id. With elitism, every
    species that may breed gets at least one child, its champion; if there are more such species
    than children, those with the best champions get one each.

    Args:
      fitness: losses [members].
      ids: species [members].
      total: number of children, at least 1.
      temperature: of `shared_fitness`.
      minimum_size: a species of fewer members does not breed, unless it has the best member, or all
        are that small.
      elitism: whether the champion of every species that may breed survives.

    Returns:
      Species id -> number of children, every species, in the order of the ids; they sum to
      `total`. A species of failed members gets none.

    Raises:
      GeneticsError: see `shared_fitness`; or no member has a finite fitness, or `total` is below
        1.

    Reference: NEAT (Stanley and Miikkulainen 2002), section 3.3; there the champion is kept only
    in species of more than five members.

    >>> allot([0.1, 0.1, 0.1], [0, 0, 1], total=5)
    {0: 3, 1: 2}
    """
    best = champions(fitness, ids)
    if not best:
        raise GeneticsError(
            f"Offspring need a parent of finite fitness, received {list(fitness)}. Look at why "
            "all members failed."
        )
    if total < 1:
        raise GeneticsError(f"At least 1 child must be allotted, received total = {total}.")
    large = {species for species in best if list(ids).count(species) >= minimum_size}
    leader = ids[rank(fitness)[0]]
    breeding = sorted({leader, *large} if large else best, key=lambda s: (fitness[best[s]], s))
    least = 1 if elitism else 0
    breeding = sorted(breeding[:total] if elitism else breeding)
    # Merit is relative to those who breed.
    masked = [loss if each in breeding else np.nan for loss, each in zip(fitness, ids, strict=True)]
    shared = shared_fitness(masked, ids, temperature)
    shares = [sum(f for f, each in zip(shared, ids, strict=True) if each == s) for s in breeding]
    children = dict(zip(breeding, _apportion(np.array(shares), total, least), strict=True))
    return {species: children.get(species, 0) for species in sorted(set(ids))}


def mate(
    rng: np.random.Generator,
    fitness: Sequence[float],
    ids: Sequence[int],
    children: Mapping[int, int],
    parents: int = 2,
    between: float = 0.0,
    elitism: bool = True,
    select: Selection = tournament,
) -> tuple[Mating, ...]:
    """Choose the parents of every child, within species except with probability `between`.

    Args:
      rng: draws the parents.
      fitness: losses [members].
      ids: species [members].
      children: species id -> number of children, see `allot`.
      parents: of one child, at least 1; a species of fewer healthy members gives what it has.
      between: probability in [0, 1] that a child's last parent comes from another species (its
        only parent never does).
      elitism: whether the first child of every species is its champion, unchanged.
      select: a selection `f(rng, fitness, count)`, used among the members of a species.

    Returns:
      One mating for each child, species by species in the order of the ids. The parents of one
      child are distinct and none of them has failed.

    Raises:
      GeneticsError: a species with children has no member of finite fitness, `parents` is below
        1, or `between` is outside [0, 1].

    >>> rng = np.random.default_rng(0)
    >>> for mating in mate(rng, [0.1, 0.2, 0.3], [0, 0, 1], {0: 2, 1: 1}):
    ...     print(mating)
    Mating(species=0, parents=(0,), champion=True)
    Mating(species=0, parents=(0, 1), champion=False)
    Mating(species=1, parents=(2,), champion=True)
    """
    best = champions(fitness, ids)
    if parents < 1 or not 0 <= between <= 1:
        raise GeneticsError(
            f"parents must be at least 1 and between within [0, 1], received parents = {parents}, "
            f"between = {between}. Use e.g. parents = 2 and between = 0.05."
        )
    barren = [species for species, count in children.items() if count and species not in best]
    if barren:
        raise GeneticsError(
            f"Species {barren} should have children, but no member of finite fitness. Use allot() "
            "with the same fitness and ids."
        )
    healthy = [member for member, loss in enumerate(fitness) if np.isfinite(loss)]
    matings = []
    for species, count in sorted(children.items()):
        own = [member for member in healthy if ids[member] == species]
        outsiders = [member for member in healthy if ids[member] != species]
        if elitism and count:
            matings.append(Mating(species, (best[species],), champion=True))
        for _ in range(count - 1 if elitism else count):
            chosen = _draw(rng, fitness, own, min(parents, len(own)), select)
            # Drawn in any case, so that `between` does not move later draws when it is 0.
            crosses = rng.random() < between
            if crosses and parents > 1 and outsiders:
                near = chosen[: parents - 1]
                chosen = (*near, *_draw(rng, fitness, outsiders, 1, select))
            matings.append(Mating(species, chosen))
    return tuple(matings)


def _check(fitness: Sequence[float], ids: Sequence[int]) -> None:
    if len(fitness) != len(ids):
        raise GeneticsError(
            f"Every member has one loss and one species, received {len(fitness)} losses and "
            f"{len(ids)} species. Pass both for the whole population."
        )


def _draw(
    rng: np.random.Generator,
    fitness: Sequence[float],
    among: Sequence[int],
    count: int,
    select: Selection,
) -> tuple[int, ...]:
    return tuple(among[k] for k in select(rng, [fitness[k] for k in among], count))


def _apportion(shares: NDArray[np.float64], total: int, least: int) -> list[int]:
    """Round shares to whole numbers that sum to `total`, none below `least`."""
    raised = np.zeros(len(shares), bool)
    while True:
        left = total - least * int(raised.sum())
        free = np.where(raised, 0.0, shares)
        quotas = np.where(raised, least, left * free / free.sum())
        below = ~raised & (quotas < least)
        if not below.any():
            break
        raised |= below
    whole = np.floor(quotas).astype(int)
    order = np.argsort(whole - quotas, kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return [int(count) for count in whole]
