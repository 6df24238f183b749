"""Mutations: `f(rng, weights, **settings) -> weights`. Inputs are never modified.

`keep` names arrays that are not mutated: running statistics, for instance, since noise could make
a variance negative.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

import numpy as np

from apps.genetics.errors import GeneticsError
from apps.genetics.weights import Array, Weights, copy, map_floating

Mutation = Callable[..., Weights]


def gaussian(
    rng: np.random.Generator,
    weights: Weights,
    scale: float = 0.05,
    keep: Collection[str] = (),
) -> Weights:
    r"""Add Gaussian noise in units of each array's own spread.

    .. math:: w' = w + s \, \mathrm{std}(w) \, \epsilon, \quad \epsilon \sim N(0, 1)

    Args:
      rng: draws the noise, array by array in the network's order.
      weights: the network.
      scale: s >= 0, the noise's standard deviation relative to the array's.
      keep: names of arrays to leave unchanged.

    Returns:
      A new network; a constant array (a zero bias) has no spread and is unchanged.

    Raises:
      GeneticsError: the scale is negative or not finite.

    >>> child = gaussian(np.random.default_rng(0), {"bias": np.zeros(2)}, scale=0.1)
    >>> child["bias"].tolist()
    [0.0, 0.0]
    """
    if not 0 <= scale < np.inf:
        raise GeneticsError(
            f"scale must be a finite number >= 0, received {scale}. Use e.g. 0.05, or the "
            "mutation 'none'."
        )

    def mutate(name: str, array: Array) -> Array:
        if name in keep or _is_constant(array):
            return array
        values = array.astype(np.float64)
        spread = scale * float(values.std())
        return values + spread * rng.standard_normal(array.shape)

    return map_floating(mutate, weights)


def reset(
    rng: np.random.Generator,
    weights: Weights,
    fraction: float = 0.01,
    keep: Collection[str] = (),
) -> Weights:
    r"""Draw a fraction of the weights anew, within the array's own range.

    The new values are uniform with the array's mean and standard deviation,

    .. math:: w' \sim U(\mu - \sqrt{3} \sigma, \mu + \sqrt{3} \sigma)

    which for a uniformly initialised array that has not been trained is its initial range.

    Args:
      rng: draws the places and the values, array by array in the network's order.
      weights: the network.
      fraction: probability in [0, 1] that a weight is drawn anew.
      keep: names of arrays to leave unchanged.

    Returns:
      A new network; a constant array is unchanged.

    Raises:
      GeneticsError: the fraction is outside [0, 1].

    >>> child = reset(np.random.default_rng(0), {"kernel": np.arange(4.0)}, fraction=0.0)
    >>> child["kernel"].tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    if not 0 <= fraction <= 1:
        raise GeneticsError(f"fraction must be within [0, 1], received {fraction}. Use e.g. 0.01.")

    def mutate(name: str, array: Array) -> Array:
        if name in keep or _is_constant(array):
            return array
        values = array.astype(np.float64)
        reach = np.sqrt(3.0) * values.std()
        fresh = values.mean() + reach * rng.uniform(-1.0, 1.0, array.shape)
        return np.where(rng.random(array.shape) < fraction, fresh, values)

    return map_floating(mutate, weights)


def none(rng: np.random.Generator, weights: Weights, keep: Collection[str] = ()) -> Weights:
    """Copy the network unchanged.

    Args:
      rng: not used; there for the common signature.
      weights: the network.
      keep: not used; there for the common signature.

    Returns:
      A new network equal to the given one.

    >>> none(np.random.default_rng(0), {"bias": np.ones(1)})
    {'bias': array([1.])}
    """
    return copy(weights)


def decayed(scale: float, decay: float, halt: int) -> float:
    r"""Give the strength of a mutation at a halt: :math:`s_h = s \, d^h`.

    Args:
      scale: strength at the first halt, number 0.
      decay: factor in [0, 1] from one halt to the next.
      halt: number of the halt, from 0.

    Returns:
      The strength at that halt.

    Raises:
      GeneticsError: the decay is outside [0, 1], or the halt is negative.

    >>> decayed(0.2, 0.5, halt=2)
    0.05
    """
    if not 0 <= decay <= 1 or halt < 0:
        raise GeneticsError(
            f"decay must be within [0, 1] and halt >= 0, received decay = {decay}, "
            f"halt = {halt}. Use decay = 1 for a constant strength."
        )
    return scale * decay**halt


MUTATIONS: Mapping[str, Mutation] = MappingProxyType(
    {"gaussian": gaussian, "reset": reset, "none": none}
)


def _is_constant(array: Array) -> bool:
    # Asked of the values: the standard deviation of a constant may round to more than zero.
    return array.size == 0 or bool((array == array.flat[0]).all())
