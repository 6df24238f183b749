"""Averaging one network along its own path, in float64.

An average is a network whose floating arrays are float64, so that the small steps late in a long
average are not lost. `weights.cast_like(average, network)` gives the network's dtypes back.
"""

import numpy as np

from apps.genetics.errors import GeneticsError
from apps.genetics.weights import Array, Weights, check_alike, is_floating


def start(weights: Weights) -> dict[str, Array]:
    """Begin an average with its first network.

    Args:
      weights: the network.

    Returns:
      A copy whose floating arrays are float64: an average of 1 network.

    >>> start({"bias": np.ones(1, np.float32)})
    {'bias': array([1.])}
    """
    return {
        name: array.astype(np.float64) if is_floating(array) else array.copy()
        for name, array in weights.items()
    }


def running_mean(average: Weights, weights: Weights, count: int) -> dict[str, Array]:
    r"""Add a network to a plain mean (SWA).

    .. math:: \bar w' = \bar w + (w - \bar w) / (n + 1)

    Args:
      average: the mean of `count` networks, see `start`.
      weights: the next network.
      count: n >= 0, how many networks the average holds; at 0 the average's values do not count.

    Returns:
      The mean of n + 1 networks, in float64; other arrays are those of `weights`, the latest.

    Raises:
      GeneticsError: the architectures differ, or the count is negative.

    Reference: Izmailov et al., Averaging Weights Leads to Wider Optima, arXiv:1803.05407.

    >>> running_mean({"bias": np.array([1.0])}, {"bias": np.array([4.0])}, count=2)
    {'bias': array([2.])}
    """
    if count < 0:
        raise GeneticsError(
            f"An average holds 0 networks or more, received count = {count}. Count from 1 after "
            "start()."
        )
    return start(weights) if count == 0 else _towards(average, weights, 1.0 / (count + 1))


def ema(average: Weights, weights: Weights, decay: float) -> dict[str, Array]:
    r"""Add a network to an exponential moving average.

    .. math:: \bar w' = d \, \bar w + (1 - d) \, w

    Args:
      average: the average so far, see `start`.
      weights: the next network.
      decay: d in [0, 1); how much of the average stays.

    Returns:
      The new average, in float64; other arrays are those of `weights`, the latest.

    Raises:
      GeneticsError: the architectures differ, or the decay is outside [0, 1).

    Reference: Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992,
    with exponential weights.

    >>> ema({"bias": np.array([1.0])}, {"bias": np.array([2.0])}, decay=0.75)
    {'bias': array([1.25])}
    """
    if not 0 <= decay < 1:
        raise GeneticsError(f"decay must be within [0, 1), received {decay}. Use e.g. 0.99.")
    return _towards(average, weights, 1.0 - decay)


def _towards(average: Weights, weights: Weights, step: float) -> dict[str, Array]:
    check_alike([weights, average])
    latest = start(weights)
    return {
        # As an array: arithmetic turns one without axes into a scalar.
        name: np.asarray(average[name] + step * (array - average[name]))
        if is_floating(array)
        else array
        for name, array in latest.items()
    }
