"""REPAIR: give a merged network's units the spread that its parents' units have.

The mean of two networks averages signals that agree only in part, so the variance of every
pre-activation shrinks from layer to layer. Rescaling each unit restores it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.genetics.errors import GeneticsError
from apps.genetics.weights import Array, Weights, copy


@dataclass(frozen=True)
class UnitLayer:
    """A layer whose units can be rescaled one by one.

    Attributes:
      kernel: name of the array of in-weights.
      axis: its axis along which the units lie.
      bias: name of the bias [units].
    """

    kernel: str
    axis: int
    bias: str


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation of each unit's pre-activation over a batch.

    Attributes:
      mean: [units].
      std: [units], at least 0.
    """

    mean: Array
    std: Array


def moments(signals: Array) -> Moments:
    """Measure pre-activations.

    Args:
      signals: [samples, ..., units]; positions of a convolution count as samples.

    Returns:
      Mean and standard deviation of each unit, in float64.

    Raises:
      GeneticsError: there is no sample, or no axis of units.

    >>> moments(np.array([[0.0, 1.0], [2.0, 1.0]])).std
    array([1., 0.])
    """
    if signals.ndim < 2 or not signals.size:
        raise GeneticsError(
            f"Pre-activations must have shape [samples, ..., units], received {signals.shape}. "
            "Pass those of at least one sample."
        )
    values = signals.reshape(-1, signals.shape[-1]).astype(np.float64)
    return Moments(values.mean(axis=0), values.std(axis=0))


def average_moments(parents: Sequence[Moments]) -> Moments:
    r"""Average the parents' moments: the target of the repair.

    .. math:: \mu = \frac{1}{T} \sum_k \mu_k, \quad \sigma = \frac{1}{T} \sum_k \sigma_k

    Args:
      parents: T >= 1 moments of the parents as they were merged, that is aligned.

    Returns:
      The moments that the merged network should have.

    Raises:
      GeneticsError: no parent, or parents with different numbers of units.

    Reference: Jordan et al., REPAIR, arXiv:2211.08403, equation 3.

    >>> pair = [Moments(np.zeros(1), np.ones(1)), Moments(np.ones(1), np.full(1, 3.0))]
    >>> average_moments(pair).std
    array([2.])
    """
    shapes = {each.shape for parent in parents for each in (parent.mean, parent.std)}
    if len(shapes) != 1:
        raise GeneticsError(
            f"Moments of parents must be of one layer, received shapes {sorted(shapes)}. Measure "
            "all parents at the same layer."
        )
    return Moments(
        np.mean([parent.mean for parent in parents], axis=0),
        np.mean([parent.std for parent in parents], axis=0),
    )


def repair(weights: Weights, layer: UnitLayer, merged: Moments, target: Moments) -> Weights:
    r"""Rescale the units of one layer to the target's moments.

    .. math:: W' = W \, \sigma_t / \sigma_m, \quad
              b' = (b - \mu_m) \, \sigma_t / \sigma_m + \mu_t

    On the batch on which `merged` was measured, the layer's pre-activations then have exactly the
    target's moments. Layers must be repaired one after the other from the inputs on, measuring
    `merged` anew each time, since repairing one changes the inputs of the next.

    Args:
      weights: the merged network.
      layer: where the units are.
      merged: moments [units] of the merged network.
      target: moments [units] wanted, see `average_moments`.

    Returns:
      A new network; only the layer's kernel and bias differ. A unit that does not vary (a dead
      one) cannot be rescaled: only its mean is moved.

    Raises:
      GeneticsError: an array of the layer is missing, or the numbers of units differ.

    Reference: Jordan et al., REPAIR, arXiv:2211.08403, section 3 (there by batch normalisation
    layers that are then folded into the weights; the result is the same).

    >>> network = {"h/kernel": np.ones((2, 1)), "h/bias": np.zeros(1)}
    >>> wanted = Moments(np.ones(1), np.full(1, 2.0))
    >>> repair(network, UnitLayer("h/kernel", 1, "h/bias"), Moments(*np.ones((2, 1))), wanted)
    {'h/kernel': array([[2.],
           [2.]]), 'h/bias': array([-1.])}
    """
    missing = [name for name in (layer.kernel, layer.bias) if name not in weights]
    if missing:
        raise GeneticsError(
            f"The layer to repair must have a kernel and a bias, missing {missing}; the network "
            f"has {sorted(weights)}. Give the layer a bias, or leave it out."
        )
    kernel, bias = weights[layer.kernel], weights[layer.bias]
    units = (kernel.shape[layer.axis],)
    shapes = [bias.shape, merged.mean.shape, merged.std.shape, target.mean.shape, target.std.shape]
    if any(shape != units for shape in shapes):
        raise GeneticsError(
            f"Layer {layer.kernel!r} has {units[0]} units, received bias and moments of shapes "
            f"{shapes}. Measure the pre-activations of this layer."
        )
    scale = _ratio(target.std, merged.std)
    aligned = [1] * kernel.ndim
    aligned[layer.axis] = -1
    repaired = copy(weights)
    repaired[layer.kernel] = (kernel * scale.reshape(aligned)).astype(kernel.dtype)
    shifted = (bias.astype(np.float64) - merged.mean) * scale + target.mean
    repaired[layer.bias] = shifted.astype(bias.dtype)
    return repaired


def _ratio(wanted: Array, found: Array) -> NDArray[np.float64]:
    return np.divide(wanted, found, out=np.ones(wanted.shape), where=found > 0)
