"""Crossovers in function space: a child that computes what its parents compute on the average.

The parents may be strangers: no unit of one is taken for the counterpart of another's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.genetics.crossover import CROSSOVERS, Crossover, Parents
from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import PermutationSpec, Segment
from apps.genetics.weights import Array, Weights, copy

Floats = NDArray[np.float64]

_INDEPENDENT = 1e-10
"""Share of its squared length that a unit must keep to count as none of those chosen before."""

_HELD = 4096
"""Numbers a row of what layers read that are held together, unless one layer reads more."""


@dataclass(frozen=True)
class LinearLayer:
    """A layer that is a linear map of what it reads, up to its activation.

    Attributes:
      kernel: name of its weights [..., outputs]; the axes before the last, in one, are its inputs.
      bias: name of its bias [outputs]; None without one.
      output: whether what it gives is an output of the network, up to an activation.
    """

    kernel: str
    bias: str | None
    output: bool


class Network(Protocol):
    """What can be seen of networks on a probe: of one architecture, or of several widths of it."""

    @property
    def spec(self) -> PermutationSpec:
        """The symmetries of the child's architecture."""
        ...

    @property
    def layers(self) -> Sequence[LinearLayer]:
        """The linear layers, from the inputs on."""
        ...

    def units(self, weights: Weights) -> Mapping[str, Array]:
        """Return group -> activations [samples, units], means over positions."""
        ...

    def inputs(self, weights: Weights, layers: Sequence[LinearLayer]) -> Sequence[Array]:
        """Return what each of some layers reads [rows, inputs], the rows the same for all weights.

        They are seen in one pass through the network.
        """
        ...


def select(
    rng: np.random.Generator, parents: Parents, network: Network, ridge: float = 0.01
) -> Weights:
    r"""Choose those of all parents' hidden units that together fit the parents' mean output best.

    Layer after layer: units are chosen by `choose`, with their in-weights where they read the
    network's inputs. A layer that reads chosen units is fitted by least squares: to what the units
    chosen for it receive in their own parents; the last one to the mean of the parents' outputs
    before their activation. Several outputs weigh alike, whatever unit each is in. Units of layers
    that are not linear, and that such layers read, stay the first parent's.

    Args:
      rng: not used; there for the common signature.
      parents: T >= 1 networks, of any initial weights.
      network: shows their units on a probe.
      ridge: of the choice and of least squares, as a share of the number of samples, >= 0.

    Returns:
      A child; of a single parent, that parent.

    Raises:
      GeneticsError: the network has no linear output layer, or the ridge is negative.

    Reference: arXiv:2204.09973 selects units of several networks for one; here the target is the
    parents' mean output.
    """
    if len(parents.weights) == 1:
        _check_ridge(ridge)
        return copy(parents.weights[0])
    return select_for(parents.weights[0], parents.weights, network, ridge)


def select_for(
    first: Weights, parents: Sequence[Weights], network: Network, ridge: float = 0.01
) -> Weights:
    """Do as `select` does for a child whose layers have other widths than its parents' may have.

    Args:
      first: weights in the child's architecture, which it keeps where no unit is chosen: of layers
        whose units cannot be, and where the parents together have fewer units than the child.
      parents: T >= 1 networks that have the child's layers, of any widths.
      network: of the child's architecture; shows the units of networks of the parents' too.
      ridge: as `select`.

    Returns:
      A child with the shapes of `first`.

    Raises:
      GeneticsError: as `select`.
    """
    _check_ridge(ridge)
    seen = [dict(_received(network, weights)) for weights in parents]
    own = seen[0] if first is parents[0] else dict(_received(network, first))
    # Number 0 is what the child has already, from 1 on come the parents.
    received = {
        layer.kernel: [each[layer.kernel] for each in (own, *seen)] for layer in network.layers
    }
    last = [layer.kernel for layer in network.layers if layer.output]
    if not last:
        raise GeneticsError(
            "Units are selected by what a linear layer makes of them at the network's output, and "
            "it has none. Let it end in a Dense layer, or use another crossover."
        )
    units = [network.units(weights) for weights in parents]
    samples = len(next(iter(units[0].values()), np.zeros((0, 0))))
    target = _side_by_side(
        [_by_sample(np.mean(received[name][1:], axis=0), samples) for name in last]
    )
    picks = {
        group: _picked(group, network.spec.groups[group], units, target, ridge)
        for group in choosable(first, network)
        if group in units[0]
    }
    child = _gathered(first, parents, network.spec, picks)
    for layer in network.layers:
        wanted = _wanted(layer, received[layer.kernel], network.spec, picks)
        if wanted is None:
            continue
        (inputs,) = network.inputs(child, [layer])
        kernel, bias = least_squares(inputs, wanted, ridge, constant=layer.bias is not None)
        shape, dtype = first[layer.kernel].shape, first[layer.kernel].dtype
        child[layer.kernel] = kernel.reshape(shape).astype(dtype)
        if layer.bias is not None:
            child[layer.bias] = bias.astype(first[layer.bias].dtype)
    return child


def choosable(weights: Weights, network: Network) -> list[str]:
    """Return the groups of units that `select` chooses from.

    They are those that linear layers alone make and read, beside what goes with a unit.

    Args:
      weights: of the architecture.
      network: the same.
    """
    spec = network.spec
    kernels = {layer.kernel for layer in network.layers}
    made: set[str] = set()
    tied: set[str] = set()
    for name, axes in spec.axes.items():
        groups = [[s.group for s in axis if s.group is not None] for axis in axes]
        if name in kernels:
            own = _whole(axes[-1], weights[name].shape[-1])
            made |= {own} if own else set()
            tied |= set() if own else set(groups[-1])
        elif weights[name].ndim != 1 or (groups[0] and not _whole(axes[0], len(weights[name]))):
            tied |= {group for each in groups for group in each}
    return [group for group in spec.groups if group in made - tied]


def fresh(rng: np.random.Generator, parents: Parents, initial: Weights) -> Weights:
    """Start from new random weights: the parents give none, and may still teach.

    Args:
      rng: not used; there for the common signature.
      parents: T >= 1 networks.
      initial: the child's own new weights.

    Returns:
      `initial`.

    >>> pair = ({"bias": np.zeros(2)}, {"bias": np.ones(2)})
    >>> fresh(np.random.default_rng(0), Parents(pair, (0.2, 0.1)), {"bias": np.full(2, 0.5)})
    {'bias': array([0.5, 0.5])}
    """
    return copy(initial)


IN_FUNCTION_SPACE: Mapping[str, Crossover] = MappingProxyType({"select": select, "fresh": fresh})
"""Crossovers that do not combine the parents weight by weight."""

ALL_CROSSOVERS: Mapping[str, Crossover] = MappingProxyType({**CROSSOVERS, **IN_FUNCTION_SPACE})
"""Every crossover by name."""

PARENTS_TAKEN: Mapping[str, int] = MappingProxyType({"fresh": 0, "best": 1})
"""By crossover: how many parents, the first ones, give it weights; of one that is not here, all."""

ACROSS_WIDTHS = frozenset({"select"})
"""Crossovers that select units, also of parents with other widths, by `select_for`."""


def choose(units: Array, target: Array, count: int, ridge: float = 0.01) -> list[int]:
    r"""Choose units whose span fits a target: forward selection with orthogonalisation.

    Each step takes the unit with the largest

    .. math:: \frac{\|h^T R\|^2}{\|h\|^2 + \lambda n}

    and projects it out of the target R and of all other units h.

    Args:
      units: activations [samples n, units].
      target: [samples, outputs].
      count: how many to choose, at most the number of units.
      ridge: lambda.

    Returns:
      Numbers of the units, in the order of their choice.

    >>> units = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [-1.0, -1.0, -2.0]])
    >>> choose(units, units[:, [2]], 2)
    [2, 0]
    """
    values, aims = _centred(units), _centred(target)
    left = np.einsum("nu,nu->u", values, values)  # squared length, without what was chosen
    least, pull = _INDEPENDENT * left, values.T @ aims  # [units, outputs]
    # What has been projected out of every unit, a column a step: as in a pivoted Cholesky.
    removed = np.zeros((values.shape[1], count))
    chosen: list[int] = []
    free = np.ones(values.shape[1], bool)
    for step in range(count):
        alive = free & (left > least)
        score = np.einsum("uo,uo->u", pull, pull) / (left + ridge * len(values) + 1e-300)
        taken = int(np.argmax(np.where(alive, score, np.where(free, -1.0, -2.0))))
        chosen.append(taken)
        free[taken] = False
        if not alive[taken]:
            continue
        column = values.T @ values[:, taken] - removed[:, :step] @ removed[taken, :step]
        removed[:, step] = column / np.sqrt(left[taken])
        pull = pull - np.outer(removed[:, step], pull[taken] / np.sqrt(left[taken]))
        left = np.maximum(left - removed[:, step] ** 2, 0.0)
    return chosen


def least_squares(
    inputs: Array, outputs: Array, ridge: float, constant: bool = True
) -> tuple[Floats, Floats]:
    r"""Fit a linear map: :math:`(X^T X + \lambda n)^{-1} X^T Z`, of centred X and Z.

    Args:
      inputs: X [rows n, inputs].
      outputs: Z [rows, outputs].
      ridge: lambda, >= 0.
      constant: whether there is a constant, from the means; without one nothing is centred.

    Returns:
      The map [inputs, outputs] and the constant [outputs].

    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> least_squares(x, 3 * x + 1, 0.0)
    (array([[3.]]), array([1.]))
    """
    x, z = inputs.astype(np.float64), outputs.astype(np.float64)
    x_mean = x.mean(axis=0) if constant else np.zeros(x.shape[1])
    z_mean = z.mean(axis=0) if constant else np.zeros(z.shape[1])
    x, z = x - x_mean, z - z_mean
    gram = x.T @ x
    # Units that say nothing, or the same, must not make the system singular.
    weight = ridge * len(x) + 1e-12 * np.trace(gram) / len(gram)
    kernel = np.linalg.lstsq(gram + weight * np.eye(len(gram)), x.T @ z, rcond=None)[0]
    return kernel, z_mean - x_mean @ kernel


def _check_ridge(ridge: float) -> None:
    if not 0 <= ridge < np.inf:
        raise GeneticsError(f"ridge must be a finite number >= 0, received {ridge}. Use e.g. 0.01.")


def _picked(
    group: str, size: int, units: Sequence[Mapping[str, Array]], target: Array, ridge: float
) -> NDArray[np.intp]:
    """Return source and number of each unit of the child's [units, 2], parent after parent."""
    every = np.concatenate([each[group] for each in units], axis=1)
    ends = np.cumsum([each[group].shape[1] for each in units])
    chosen = np.sort(choose(every, target, min(size, every.shape[1]), ridge))
    parent = np.searchsorted(ends, chosen, side="right")
    taken = np.stack([parent + 1, chosen - np.concatenate([[0], ends])[parent]], axis=1)
    own = np.arange(len(chosen), size)
    return np.concatenate([taken, np.stack([np.zeros_like(own), own], axis=1)])


def _whole(axis: Sequence[Segment], length: int) -> str | None:
    """Return the group whose units are an axis, one after the other; None of any other axis."""
    if len(axis) == 1 and axis[0].size == length:
        return axis[0].group
    return None


def _gathered(
    first: Weights,
    parents: Sequence[Weights],
    spec: PermutationSpec,
    picks: Mapping[str, NDArray[np.intp]],
) -> dict[str, Array]:
    """Return `first` with the chosen units' own weights in the place of its units'."""
    child = copy(first)
    for name, axes in spec.axes.items():
        group = _whole(axes[-1], child[name].shape[-1]) if axes and child[name].ndim else None
        if group not in picks or group is None:
            continue
        for place, (source, number) in enumerate(picks[group]):
            if source and child[name].shape[:-1] == parents[source - 1][name].shape[:-1]:
                child[name][..., place] = parents[source - 1][name][..., number]
    return child


def _wanted(
    layer: LinearLayer,
    received: Sequence[Array],
    spec: PermutationSpec,
    picks: Mapping[str, NDArray[np.intp]],
) -> Array | None:
    """Return what a layer of the child is to receive [rows, outputs]; None where it does."""
    if layer.output:
        return np.asarray(np.mean(received[1:], axis=0))
    *reads, gives = spec.axes[layer.kernel]
    if not any(segment.group in picks for axis in reads for segment in axis):
        return None
    group = _whole(gives, received[0].shape[1])
    if group is None or group not in picks:
        return received[0]
    return np.stack([received[source][:, number] for source, number in picks[group]], axis=1)


def _received(network: Network, weights: Weights) -> Iterator[tuple[str, Array]]:
    """Yield of every layer its kernel's name and what its units receive [rows, units]."""
    for layers in _at_once(network.layers, weights):
        for layer, inputs in zip(layers, network.inputs(weights, layers), strict=True):
            made = inputs @ _flat(weights[layer.kernel])
            yield layer.kernel, made if layer.bias is None else made + weights[layer.bias]


def _at_once(layers: Sequence[LinearLayer], weights: Weights) -> Iterator[list[LinearLayer]]:
    """Yield the layers in their order, as many together as memory should hold the inputs of."""
    together: list[LinearLayer] = []
    held = 0
    for layer in layers:
        inputs = len(_flat(weights[layer.kernel]))
        if together and held + inputs > _HELD:
            yield together
            together, held = [], 0
        together.append(layer)
        held += inputs
    if together:
        yield together


def _flat(kernel: Array) -> Array:
    return kernel.reshape(-1, kernel.shape[-1])


def _by_sample(rows: Array, samples: int) -> Array:
    """Return the means over the positions of each sample [samples, outputs]."""
    return rows.reshape(samples, -1, rows.shape[1]).mean(axis=1) if samples else rows


def _side_by_side(outputs: Sequence[Array]) -> Array:
    """Return outputs [samples, all columns], several divided by their distance from their mean."""
    if len(outputs) == 1:
        return outputs[0]
    spread = [np.linalg.norm(_centred(each)) for each in outputs]
    alike = [each / (size or 1.0) for each, size in zip(outputs, spread, strict=True)]
    return np.concatenate(alike, axis=1)


def _centred(values: Array) -> Floats:
    return np.asarray(values.astype(np.float64) - values.mean(axis=0, dtype=np.float64))
