"""Crossovers: `f(rng, parents, **settings) -> weights` of one child.

Every operator takes one parent or more, gives a single parent back unchanged, and never modifies
its inputs. Arrays that are not floating come from the first parent. To cross networks that began
from different weights, align them first (`apps.genetics.alignment`): here, unit i of one parent
meets unit i of another.
An operator with an argument `spec` is given the symmetries of the parents' architecture.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import PermutationSpec, spread, unit_axes
from apps.genetics.selection import merit
from apps.genetics.weights import Array, Weights, check_alike, copy, is_floating, layers

Crossover = Callable[..., Weights]


@dataclass(frozen=True, eq=False)
class Parents:
    """The parents of one child.

    Attributes:
      weights: one network for each parent, of one architecture.
      fitness: the loss of each parent, lower is better.
      statistics: names of arrays that are running statistics. No operator extrapolates them.

    Raises:
      GeneticsError: no parent, parents of different architectures, or another number of losses.
    """

    weights: tuple[Weights, ...]
    fitness: tuple[float, ...]
    statistics: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check the parents against each other."""
        check_alike(self.weights)
        if len(self.fitness) != len(self.weights):
            raise GeneticsError(
                f"Every parent has one loss, received {len(self.weights)} parents and "
                f"{len(self.fitness)} losses. Pass one loss for each parent."
            )


def mean(rng: np.random.Generator, parents: Parents) -> Weights:
    r"""Average the parents: :math:`w = \frac{1}{T} \sum_k w_k`.

    Args:
      rng: not used; there for the common signature.
      parents: T >= 1 networks.

    Returns:
      A child that lies between its parents, weight by weight; the sum is taken in float64.

    >>> pair = ({"bias": np.zeros(2)}, {"bias": np.array([1.0, 2.0])})
    >>> mean(np.random.default_rng(0), Parents(pair, (0.2, 0.1)))
    {'bias': array([0.5, 1. ])}
    """
    return _combine(parents, lambda _, arrays: _average(arrays))


def weighted_mean(rng: np.random.Generator, parents: Parents, temperature: float = 1.0) -> Weights:
    r"""Average the parents by merit: :math:`w = \sum_k m_k w_k / \sum_k m_k`.

    Args:
      rng: not used; there for the common signature.
      parents: T >= 1 networks; their losses give the merits m.
      temperature: of `selection.merit`; smaller favours the better parents more.

    Returns:
      A child between the parents of finite fitness; a failed parent has no share.

    Raises:
      GeneticsError: no parent has a finite fitness, or the temperature is not positive.

    >>> pair = ({"bias": np.zeros(1)}, {"bias": np.ones(1)})
    >>> weighted_mean(np.random.default_rng(0), Parents(pair, (0.1, float("nan"))))
    {'bias': array([0.])}
    """
    shares = merit(parents.fitness, temperature)
    chosen = [k for k, loss in enumerate(parents.fitness) if np.isfinite(loss)]
    if not chosen and len(parents.weights) > 1:
        raise GeneticsError(
            f"A mean by fitness needs a parent of finite fitness, received {parents.fitness}. "
            "Select parents among the members that have not failed."
        )
    return _combine(
        parents, lambda _, arrays: _average([arrays[k] for k in chosen], shares[chosen])
    )


def random(rng: np.random.Generator, parents: Parents) -> Weights:
    """Take each weight from one parent, drawn uniformly: the poster's random selection.

    Args:
      rng: draws, array by array in the network's order.
      parents: T >= 1 networks.

    Returns:
      A child each of whose values is one parent's value at that place.

    >>> pair = ({"bias": np.zeros(4)}, {"bias": np.ones(4)})
    >>> random(np.random.default_rng(1), Parents(pair, (0.2, 0.1)))["bias"].tolist()
    [0.0, 1.0, 1.0, 1.0]
    """

    def draw(_: str, arrays: Sequence[Array]) -> Array:
        return _choose(arrays, rng.integers(len(arrays), size=arrays[0].shape))

    return _combine(parents, draw)


def unit(rng: np.random.Generator, parents: Parents, spec: PermutationSpec) -> Weights:
    """Take each hidden unit whole, in-weights, bias and out-weights, from one parent.

    A weight between two hidden units goes with the unit it leads to (`unit_axes`). Weights that
    belong to no hidden unit, such as the output's bias, all come from one parent.

    Args:
      rng: draws a parent for every unit, group by group in the spec's order.
      parents: T >= 1 networks.
      spec: their symmetries.

    Returns:
      A child whose hidden units are each one parent's.

    Reference: intact neurons as the units of crossover, Uriot and Izzo, arXiv:2003.10306 (there
    after alignment, as here if the parents were aligned).

    >>> from apps.genetics.permutation import Segment
    >>> units = (Segment(2, "hidden"),)
    >>> spec = PermutationSpec({"bias": (units,), "kernel": (units, ())})
    >>> pair = tuple({"bias": np.full(2, v), "kernel": np.full((2, 3), v)} for v in (0.0, 1.0))
    >>> child = unit(np.random.default_rng(0), Parents(pair, (0.2, 0.1)), spec)
    >>> bool((child["kernel"] == child["bias"][:, None]).all())
    True
    """
    count = len(parents.weights)
    owners = unit_axes(spec)
    picks = {group: rng.integers(count, size=size) for group, size in spec.groups.items()}
    rest = int(rng.integers(count))

    def take(name: str, arrays: Sequence[Array]) -> Array:
        if name not in owners:
            return arrays[rest]
        axis, shape = owners[name], [1] * arrays[0].ndim
        shape[axis] = -1
        return _choose(arrays, spread(spec.axes[name][axis], picks, rest).reshape(shape))

    return _combine(parents, take)


def layer(rng: np.random.Generator, parents: Parents) -> Weights:
    """Take each layer whole from one parent, drawn uniformly.

    Args:
      rng: draws, layer by layer in the network's order.
      parents: T >= 1 networks; arrays of one layer share their name up to the last slash.

    Returns:
      A child each of whose layers is one parent's.

    >>> pair = tuple({"a/bias": np.full(1, v), "b/bias": np.full(1, v)} for v in (0.0, 1.0))
    >>> child = layer(np.random.default_rng(3), Parents(pair, (0.2, 0.1)))
    >>> {name: float(array[0]) for name, array in child.items()}
    {'a/bias': 1.0, 'b/bias': 0.0}
    """
    picks: dict[str, int] = {}
    for names in layers(parents.weights[0]).values():
        picks |= dict.fromkeys(names, int(rng.integers(len(parents.weights))))
    return _combine(parents, lambda name, arrays: arrays[picks[name]])


def blend(rng: np.random.Generator, parents: Parents, alpha: float = 0.5) -> Weights:
    r"""Draw each weight uniformly around the parents' interval (BLX-alpha).

    .. math:: w \sim U(l - \alpha d, h + \alpha d), \quad d = h - l

    with l and h the smallest and the largest of the parents' values at that place.

    Args:
      rng: draws, array by array in the network's order.
      parents: T >= 1 networks.
      alpha: how far beyond the interval, >= 0; at 0 the child lies between its parents.

    Returns:
      A child; running statistics are averaged instead, since a variance must not turn negative.

    Raises:
      GeneticsError: alpha is negative or not finite.

    Reference: Eshelman and Schaffer, Real-Coded Genetic Algorithms and Interval-Schemata, 1993.

    >>> pair = ({"bias": np.ones(2)}, {"bias": np.ones(2)})
    >>> blend(np.random.default_rng(0), Parents(pair, (0.2, 0.1)))
    {'bias': array([1., 1.])}
    """
    if not 0 <= alpha < np.inf:
        raise GeneticsError(f"alpha must be a finite number >= 0, received {alpha}. Use e.g. 0.5.")

    def draw(name: str, arrays: Sequence[Array]) -> Array:
        if name in parents.statistics:
            return _average(arrays)
        low, high = _bounds(arrays)
        reach = alpha * (high - low)
        return low - reach + (high - low + 2 * reach) * rng.random(arrays[0].shape)

    return _combine(parents, draw)


def slerp(rng: np.random.Generator, parents: Parents) -> Weights:
    r"""Interpolate on the sphere, array by array, giving every parent an equal part.

    .. math:: w = \frac{\sin((1-t) \omega)}{\sin \omega} a + \frac{\sin(t \omega)}{\sin \omega} b

    with omega the angle between a and b. Two parents meet at t = 1/2; further parents are added
    one after the other, the k-th at t = 1/k, so that for more than two the order of the parents
    matters (it is not the mean on the sphere). Parallel, opposite and zero arrays, for which the
    arc is not defined, are interpolated linearly.

    Args:
      rng: not used; there for the common signature.
      parents: T >= 1 networks.

    Returns:
      A child whose arrays keep the norm of parents of equal norm.

    Reference: Shoemake, Animating Rotation with Quaternion Curves, SIGGRAPH 1985.

    >>> pair = ({"bias": np.array([1.0, 0.0])}, {"bias": np.array([0.0, 1.0])})
    >>> child = slerp(np.random.default_rng(0), Parents(pair, (0.2, 0.1)))
    >>> child["bias"].round(4).tolist()
    [0.7071, 0.7071]
    """

    def turn(_: str, arrays: Sequence[Array]) -> Array:
        met = arrays[0].astype(np.float64)
        for k, array in enumerate(arrays[1:], start=2):
            met = _slerp(met, array.astype(np.float64), 1.0 / k)
        return met

    return _combine(parents, turn)


def best(rng: np.random.Generator, parents: Parents) -> Weights:
    """Take the first parent as it is: the best, unless its architecture is another.

    Args:
      rng: not used; there for the common signature.
      parents: T >= 1 networks.

    Returns:
      A copy of the first.

    >>> pair = ({"bias": np.zeros(2)}, {"bias": np.ones(2)})
    >>> best(np.random.default_rng(0), Parents(pair, (0.1, 0.2)))
    {'bias': array([0., 0.])}
    """
    return copy(parents.weights[0])


CROSSOVERS: Mapping[str, Crossover] = MappingProxyType(
    {
        "mean": mean,
        "weighted_mean": weighted_mean,
        "random": random,
        "unit": unit,
        "layer": layer,
        "blend": blend,
        "slerp": slerp,
        "best": best,
    }
)


def _combine(
    parents: Parents, function: Callable[[str, Sequence[Array]], Array]
) -> dict[str, Array]:
    first = parents.weights[0]
    if len(parents.weights) == 1:
        return copy(first)
    child = {}
    for name, array in first.items():
        arrays = [network[name] for network in parents.weights]
        made = function(name, arrays) if is_floating(array) else array
        child[name] = np.array(made, dtype=array.dtype)
    return child


def _choose(arrays: Sequence[Array], pick: NDArray[np.integer]) -> Array:
    child = arrays[0]
    for k, array in enumerate(arrays[1:], start=1):
        child = np.where(pick == k, array, child)
    return child


def _average(arrays: Sequence[Array], shares: Array | None = None) -> Array:
    parts = np.ones(len(arrays)) if shares is None else shares
    total = np.zeros(arrays[0].shape)
    for array, part in zip(arrays, parts / parts.sum(), strict=True):
        total += part * array.astype(np.float64)
    # Rounding must not push the child out of its parents' interval: equal parents give themselves.
    low, high = _bounds(arrays)
    return np.minimum(np.maximum(total, low), high)


def _bounds(arrays: Sequence[Array]) -> tuple[Array, Array]:
    low = high = arrays[0].astype(np.float64)
    for array in arrays[1:]:
        low, high = np.minimum(low, array), np.maximum(high, array)
    return low, high


def _slerp(a: Array, b: Array, t: float) -> Array:
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(np.vdot(a, b)) / norms if norms > 0 else 1.0
    omega = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
    if np.sin(omega) < 1e-6:
        return (1.0 - t) * a + t * b
    turned: Array = (np.sin((1.0 - t) * omega) * a + np.sin(t * omega) * b) / np.sin(omega)
    return turned
