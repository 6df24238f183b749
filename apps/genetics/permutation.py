"""A network's symmetries as data: which permutation acts on which axis of which array.

Hidden units may be reordered without changing what a network computes, if every array that
touches them is reordered with them. A *group* is one such freedom: a permutation of `size` units.
An axis of an array is described by the consecutive *segments* it is made of:

* `()`: nothing acts on the axis, whatever its length;
* a dense layer's units: one segment `Segment(128, "hidden")`;
* the 4 gates of an LSTM, side by side: `Segment(64, "lstm", outer=4)`;
* a flattened image of 49 positions x 32 channels, channels last: `Segment(32, "conv", outer=49)`,
  channels first: `Segment(32, "conv", inner=49)`;
* a concatenation: several segments, those without a group being fixed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from apps.genetics.errors import GeneticsError
from apps.genetics.weights import Array, Weights

Permutation = NDArray[np.intp]
Permutations = Mapping[str, Permutation]
"""Group -> [size]: the unit at place i is the one that was at place permutation[i]."""


@dataclass(frozen=True)
class Segment:
    """A run of indices on one axis: unit u is at (o * size + u) * inner + i for every o and i.

    Attributes:
      size: number of units.
      group: the group whose permutation acts on the units; None if they are fixed.
      outer: how often the whole sequence of units is repeated (gates, positions).
      inner: how many consecutive indices belong to one unit.
    """

    size: int
    group: str | None = None
    outer: int = 1
    inner: int = 1

    @property
    def length(self) -> int:
        """Number of indices that the segment covers."""
        return self.outer * self.size * self.inner

    def indices(self, units: Permutation) -> Permutation:
        """Give the indices of some units, in the order of the axis.

        Args:
          units: numbers [k] of units, each below `size`.

        Returns:
          Indices [outer * k * inner] from the start of the segment.

        >>> Segment(2, "gates", outer=2, inner=1).indices(np.array([1, 0])).tolist()
        [1, 0, 3, 2]
        """
        outer = np.arange(self.outer)[:, None, None] * self.size
        return ((outer + units[:, None]) * self.inner + np.arange(self.inner)).reshape(-1)


Axis = tuple[Segment, ...]


@dataclass(frozen=True)
class PermutationSpec:
    """The symmetries of one architecture.

    Attributes:
      axes: array name -> one `Axis` for each of its axes; every array of the network is named.
      statistics: arrays that follow the permutations but hold no weights (running means and
        variances): they count neither in alignment nor in distance.

    Raises:
      GeneticsError: a group has two sizes or no name, or a count is below 1.
    """

    axes: Mapping[str, tuple[Axis, ...]]
    statistics: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check that every group has one size."""
        sizes: dict[str, int] = {}
        for name, axes in self.axes.items():
            for segment in (segment for axis in axes for segment in axis):
                if min(segment.size, segment.outer, segment.inner) < 1:
                    raise GeneticsError(
                        f"Counts of a segment must be at least 1, received {segment} for array "
                        f"{name!r}. Leave an empty segment out."
                    )
                if segment.group is None:
                    continue
                if not segment.group:
                    raise GeneticsError(
                        f"A group needs a name, received '' for array {name!r}. Use None for "
                        "units that no permutation moves."
                    )
                if sizes.setdefault(segment.group, segment.size) != segment.size:
                    raise GeneticsError(
                        f"A group permutes one number of units: group {segment.group!r} has "
                        f"{sizes[segment.group]} elsewhere and {segment.size} in array {name!r}. "
                        "Give different permutations different names."
                    )

    @cached_property
    def groups(self) -> Mapping[str, int]:
        """Group -> number of units, in the order of first appearance."""
        return MappingProxyType(
            {
                segment.group: segment.size
                for axes in self.axes.values()
                for axis in axes
                for segment in axis
                if segment.group is not None
            }
        )

    def __reduce__(self) -> tuple[type["PermutationSpec"], tuple[object, ...]]:
        """Pickle the fields only: the cached groups are derived."""
        return type(self), (dict(self.axes), self.statistics)


def validate(spec: PermutationSpec, weights: Weights) -> None:
    """Check that a spec describes a network.

    Args:
      spec: the symmetries.
      weights: the network.

    Raises:
      GeneticsError: an array is not in both, or the number or the length of its axes differ.

    >>> network = {"bias": np.zeros(3)}
    >>> validate(PermutationSpec({"bias": ((Segment(3, "units"),),)}), network)
    """
    advice = "Derive the spec from the same architecture as the weights."
    for name in [*spec.axes, *(name for name in weights if name not in spec.axes)]:
        if name not in weights or name not in spec.axes:
            lacking = "network" if name in spec.axes else "spec"
            raise GeneticsError(
                f"Spec and network must name the same arrays: {name!r} is missing in the "
                f"{lacking}. {advice}"
            )
        shape, axes = weights[name].shape, spec.axes[name]
        lengths = tuple(sum(segment.length for segment in axis) for axis in axes)
        fits = len(shape) == len(axes) and all(
            not axis or length == expected
            for axis, length, expected in zip(axes, shape, lengths, strict=True)
        )
        if not fits:
            raise GeneticsError(
                f"Array {name!r} has shape {shape}, but its spec describes axes of lengths "
                f"{lengths} (0: any). {advice}"
            )


def identity(spec: PermutationSpec) -> dict[str, Permutation]:
    """Give the permutations that leave every unit in its place.

    >>> identity(PermutationSpec({"bias": ((Segment(3, "units"),),)}))
    {'units': array([0, 1, 2])}
    """
    return {group: np.arange(size) for group, size in spec.groups.items()}


def random_permutations(rng: np.random.Generator, spec: PermutationSpec) -> dict[str, Permutation]:
    """Draw one permutation of every group, uniformly.

    Args:
      rng: draws group by group, in the spec's order.
      spec: the symmetries.

    Returns:
      Group -> permutation [size].

    >>> spec = PermutationSpec({"bias": ((Segment(3, "units"),),)})
    >>> sorted(random_permutations(np.random.default_rng(0), spec)["units"].tolist())
    [0, 1, 2]
    """
    return {group: rng.permutation(size) for group, size in spec.groups.items()}


def permute(
    weights: Weights, spec: PermutationSpec, permutations: Permutations
) -> dict[str, Array]:
    """Reorder the units of a network; what it computes does not change.

    Args:
      weights: the network.
      spec: its symmetries.
      permutations: group -> [size], every group of the spec.

    Returns:
      A new network, whose unit i is the given network's unit permutation[i]. Values are moved,
      not computed with: permuting by the inverse restores the network exactly.

    Raises:
      GeneticsError: the spec does not fit the network, or a permutation is missing or is none.

    >>> spec = PermutationSpec({"bias": ((Segment(3, "units"),),)})
    >>> permute({"bias": np.array([5, 6, 7])}, spec, {"units": np.array([2, 0, 1])})
    {'bias': array([7, 5, 6])}
    """
    validate(spec, weights)
    check_permutations(spec, permutations)
    return {name: _gather(array, spec.axes[name], permutations) for name, array in weights.items()}


def check_permutations(spec: PermutationSpec, permutations: Permutations) -> None:
    """Check that there is a permutation of the right size for every group of a spec.

    Raises:
      GeneticsError: names the group.

    >>> check_permutations(PermutationSpec({}), {})
    """
    for group, size in spec.groups.items():
        if group not in permutations:
            raise GeneticsError(
                f"Every group needs a permutation: {group!r} is missing, received "
                f"{sorted(permutations)}. Start from identity(spec)."
            )
        order = np.asarray(permutations[group])
        if order.shape != (size,) or not np.array_equal(np.sort(order), np.arange(size)):
            raise GeneticsError(
                f"The permutation of group {group!r} must hold each of 0 .. {size - 1} once, "
                f"received {order!r}. Use e.g. rng.permutation({size})."
            )


def axis_indices(axis: Axis, permutations: Permutations) -> Permutation:
    """Give the gather indices of an axis under permutations.

    Args:
      axis: its segments; not empty.
      permutations: group -> [size]. A segment whose group is not among them is left out, so that
        part of an axis can be taken.

    Returns:
      Indices into the axis: [axis length], if no segment is left out.

    >>> axis_indices((Segment(2), Segment(2, "units")), {"units": np.array([1, 0])})
    array([0, 1, 3, 2])
    """
    parts = [np.zeros(0, np.intp)]
    start = 0
    for segment in axis:
        if segment.group is None:
            parts.append(np.arange(start, start + segment.length))
        elif segment.group in permutations:
            parts.append(start + segment.indices(permutations[segment.group]))
        start += segment.length
    return np.concatenate(parts)


def spread(axis: Axis, values: Mapping[str, Array], fixed: int) -> Array:
    """Lay one value per unit out along an axis.

    Args:
      axis: its segments.
      values: group -> [size].
      fixed: the value for indices on which no permutation acts.

    Returns:
      [axis length], the value of the unit that each index belongs to.

    >>> spread((Segment(1), Segment(2, "units", outer=2)), {"units": np.array([7, 8])}, 0)
    array([0, 7, 8, 7, 8])
    """
    return np.concatenate(
        [
            np.full(segment.length, fixed)
            if segment.group is None
            else np.tile(np.repeat(values[segment.group], segment.inner), segment.outer)
            for segment in axis
        ]
    )


def unit_axes(spec: PermutationSpec) -> dict[str, int]:
    """Tell for every array along which axis its weights belong to hidden units.

    A weight between two hidden units belongs to the one it leads to: of the axes on which a
    permutation acts it is the last. So a unit owns its in-weights and its bias, and also its
    out-weights where these lead to no other hidden unit.

    Args:
      spec: the symmetries.

    Returns:
      Array name -> axis; arrays without hidden units are left out.

    >>> kernel = ((Segment(4, "first"),), (Segment(3, "second"),))
    >>> unit_axes(PermutationSpec({"kernel": kernel, "bias": ((),)}))
    {'kernel': 1}
    """
    return {
        name: max(owned)
        for name, axes in spec.axes.items()
        if (owned := [i for i, axis in enumerate(axes) if any(s.group for s in axis)])
    }


def _gather(array: Array, axes: tuple[Axis, ...], permutations: Permutations) -> Array:
    moved = array.copy()
    for number, axis in enumerate(axes):
        if any(segment.group for segment in axis):
            moved = np.take(moved, axis_indices(axis, permutations), axis=number)
    return moved
