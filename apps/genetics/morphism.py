"""Weights survive a change of architecture: a child starts from a parent of another shape.

Growth keeps the function, as in Net2Net, shrinking drops the least important units, and the rest
of the child is copied from the parent as far as it fits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.genetics.anatomy import (
    Anatomy,
    Start,
    ends_in_sum,
    match_layers,
    parts_of,
    passage,
)
from apps.genetics.carrying import NEW, Indices, Source, carry, pass_on, placed
from apps.genetics.folding import fold
from apps.genetics.permutation import Segment, validate
from apps.genetics.weights import Array, Weights, is_floating


@dataclass(frozen=True, eq=False)
class Morph:
    """A child and what it lost.

    Attributes:
      weights: the child.
      lost: which layers and how many units of the parent the child does not have, and which of
        its arrays have no counterpart in the parent, a line each.
    """

    weights: dict[str, Array]
    lost: tuple[str, ...]


def importance(weights: Weights, anatomy: Anatomy) -> dict[str, NDArray[np.float64]]:
    r"""Measure how much each hidden unit matters, by the magnitudes of its weights.

    .. math:: I_u = \lVert w^{in}_u \rVert_2 \, \lVert w^{out}_u \rVert_2

    The in-weights are all entries that belong to the unit on an axis that makes units (kernel,
    bias, gamma, beta), the out-weights all those on an axis that consumes them. Scaling the
    in-weights of a ReLU unit by a number and its out-weights by the inverse changes neither the
    network nor the product.

    Args:
      weights: the network.
      anatomy: its architecture.

    Returns:
      Group -> importance [size]; 0 if nothing reads the unit.

    Reference: Han et al. 2015, arXiv:1506.02626, prune single weights by magnitude; of a whole
    unit, Li et al. 2017, arXiv:1608.08710, take the sum of the in-weights' magnitudes. The product
    with the out-weights is ours: it makes a unit without either worthless.

    >>> from apps.genetics.anatomy import Layer, Part
    >>> from apps.genetics.permutation import PermutationSpec
    >>> axes = {"a": ((), (Segment(2, "a"),)), "b": ((Segment(2, "a"),), ())}
    >>> parts = (Part("a"), Part("b", consumed=(0,)))
    >>> layers = tuple(Layer(part.array, "Dense", {"kernel": part}) for part in parts)
    >>> stack = Anatomy(PermutationSpec(axes), layers, (), (), ())
    >>> network = {"a": np.array([[3.0, 1.0], [4.0, 0.0]]), "b": np.array([[2.0], [1.0]])}
    >>> importance(network, stack)["a"].tolist()
    [10.0, 1.0]
    """
    validate(anatomy.spec, weights)
    squares = {group: np.zeros((2, size)) for group, size in anatomy.spec.groups.items()}
    for name, part in parts_of(anatomy.layers).items():
        if name in anatomy.spec.statistics or not is_floating(weights[name]):
            continue
        square = weights[name].astype(np.float64) ** 2
        for number, axis in enumerate(anatomy.spec.axes[name]):
            along = square.sum(axis=tuple(k for k in range(square.ndim) if k != number))
            for start, segment in placed(axis, along.size):
                if segment.group is not None:
                    inside = along[start : start + segment.length]
                    shape = (segment.outer, segment.size, segment.inner)
                    row = int(number in part.consumed)
                    squares[segment.group][row] += inside.reshape(shape).sum(axis=(0, 2))
    return {group: np.sqrt(made * read) for group, (made, read) in squares.items()}


def morph(parent: Weights, child: Weights, before: Anatomy, after: Anatomy) -> Morph:
    """Start a child of another architecture from its parent.

    Layers are matched by `match_layers`. Of a group of units that grows, the parent's units come
    first and then new ones, which do not change what is computed: they have the in-weights of the
    child's initialisation and out-weights 0. Of one that shrinks, the most important units are kept
    in their order.

    A new layer starts as the identity where it can; the last layer of a new residual branch starts
    with zeros. A layer that is dropped is folded into the one that reads it, see `fold`. A
    convolution's window that grows or shrinks is padded with zeros or cropped about its centre.
    Whatever has no counterpart keeps the child's initialisation.

    Args:
      parent: its weights.
      child: freshly initialised weights of the child's architecture.
      before: the parent's architecture.
      after: the child's.

    Returns:
      The child, in its own order and dtypes. Of equal architectures: the parent's values.

    Raises:
      GeneticsError: an anatomy does not fit its weights.

    Reference: Chen, Goodfellow and Shlens 2016, Net2Net, arXiv:1511.05641; they copy units and
    share their out-weights among the copies. New units behind zeros: Evci et al. 2022,
    GradMax, arXiv:2201.05125, who then choose the in-weights by gradients.

    >>> from apps.genetics.anatomy import Layer, Part
    >>> from apps.genetics.permutation import PermutationSpec
    >>> def stack(size):
    ...     axes = {"a": ((), (Segment(size, "a"),)), "b": ((Segment(size, "a"),), ())}
    ...     parts = (Part("a"), Part("b", consumed=(0,)))
    ...     layers = tuple(Layer(part.array, "Dense", {"kernel": part}) for part in parts)
    ...     return Anatomy(PermutationSpec(axes), layers, (), (), ())
    >>> old = {"a": np.ones((1, 2)), "b": np.ones((2, 1))}
    >>> new = {"a": np.full((1, 3), 7.0), "b": np.full((3, 1), 7.0)}
    >>> grown = morph(old, new, stack(2), stack(3))
    >>> grown.weights["a"].tolist(), grown.weights["b"].tolist(), grown.lost
    ([[1.0, 1.0, 7.0]], [[1.0], [1.0], [0.0]], ())
    """
    validate(before.spec, parent)
    validate(after.spec, child)
    matches = match_layers(before, after)
    origins, counterparts = _origins(before, after, matches), _counterparts(before, after, matches)
    folded = fold(
        parent,
        before,
        _rerouted(after, counterparts, origins),
        {layer.name for layer in before.layers} - {*matches.values()},
    )
    old_spec = folded.anatomy.spec
    important = importance(folded.weights, folded.anatomy)
    sources: dict[str, Source] = {}
    for group, origin in origins.items():
        units, size = np.arange(important[origin].size), after.spec.groups[group]
        sources[group] = Source(origin, _chosen(units, size, important[origin]))
    starts = _starts(after, matches, sources, important)
    owners = {part.array: layer.name for layer in after.layers for part in layer.parts.values()}
    parts, weights = parts_of(after.layers), {}
    # A narrow layer of a new branch loses nothing: all units go on beside it.
    kept = [
        source
        for group, source in sources.items()
        if group in origins or group in _groups_read(after, counterparts)
    ]
    lost = _dropped(before, matches, kept, folded.into)
    for name, fresh in child.items():
        axes, start = after.spec.axes[name], starts.get(owners.get(name, ""))
        made = None
        if name in counterparts:
            old = counterparts[name]
            theirs = old_spec.axes[old]
            made = carry(folded.weights[old], theirs, fresh, axes, parts[name], sources)
        elif start == "zero" and parts[name].consumed:
            made = np.zeros_like(fresh)
        elif start is not None:
            made = pass_on(fresh, axes, parts[name], sources)
        if made is None:
            lost.append(f"{name} starts anew")
        weights[name] = fresh.copy() if made is None else made
    return Morph(weights, tuple(lost))


def _dropped(
    before: Anatomy, matches: Mapping[str, str], kept: Iterable[Source], into: Mapping[str, str]
) -> list[str]:
    """Say which layers and how many units of the parent the child does not have."""
    lost = [
        f"layer {layer.name} is "
        + (f"folded into {into[layer.name]}" if layer.name in into else "dropped")
        for layer in before.layers
        if layer.name not in matches.values()
    ]
    for source in kept:
        size = before.spec.groups[source.group]
        if gone := size - np.unique(source.units[source.units != NEW]).size:
            lost.append(f"{gone} of {size} units of {source.group} are dropped")
    return [*dict.fromkeys(lost)]


def _groups_read(after: Anatomy, arrays: Iterable[str]) -> set[str | None]:
    """Name the groups whose units some arrays of the child sum over."""
    parts = parts_of(after.layers)
    return {
        segment.group
        for name in arrays
        for number in parts[name].consumed
        for segment in after.spec.axes[name][number]
    }


def _rerouted(
    after: Anatomy, counterparts: Mapping[str, str], origins: Mapping[str, str]
) -> dict[str, str]:
    """Parent's array -> the parent's group whose units the child's counterpart reads."""
    parts = parts_of(after.layers)
    return {
        old: origins[segment.group]
        for name, old in counterparts.items()
        for number in parts[name].consumed
        for segment in after.spec.axes[name][number][:1]
        if segment.group is not None and segment.group in origins
    }


def _counterparts(before: Anatomy, after: Anatomy, matches: Mapping[str, str]) -> dict[str, str]:
    """Child's array -> the parent's array in the same place of the layer that is matched."""
    old = {layer.name: layer for layer in before.layers}
    return {
        part.array: old[matches[layer.name]].parts[role].array
        for layer in after.layers
        if layer.name in matches
        for role, part in layer.parts.items()
        if role in old[matches[layer.name]].parts
    }


def _origins(before: Anatomy, after: Anatomy, matches: Mapping[str, str]) -> dict[str, str]:
    """Child's group -> the parent's group that is made in the same place of a matched layer."""
    makers = parts_of(layer for layer in after.layers if layer.makes)
    origins: dict[str, str] = {}
    for name, old in _counterparts(before, after, matches).items():
        pairs = zip(after.spec.axes[name], before.spec.axes[old], strict=False)
        for number, (axis, other) in enumerate(pairs):
            alike = [_form(segment) for segment in axis] == [_form(segment) for segment in other]
            if name in makers and number not in makers[name].consumed and alike:
                for one, two in zip(axis, other, strict=True):
                    if one.group is not None and two.group is not None:
                        origins.setdefault(one.group, two.group)
    return origins


def _starts(
    after: Anatomy,
    matches: Mapping[str, str],
    sources: dict[str, Source],
    important: Mapping[str, Array],
) -> dict[str, Start]:
    """Decide how new layers start, and add the sources of the units that they pass on."""
    starts: dict[str, Start] = {}
    for layer in after.layers:
        if layer.name in matches or not layer.passes:
            continue
        read, made = passage(after, layer)
        if not layer.makes:
            starts[layer.name] = "identity"
        elif (made is None or made in sources) and ends_in_sum(after, layer.name):
            starts[layer.name] = "zero"
        elif made and made not in sources and read in sources:
            source = sources[read]
            there = np.unique(source.units[source.units != NEW])
            size = after.spec.groups[made]
            units = _chosen(there, size, important[source.group])
            sources[made] = Source(source.group, units)
            starts[layer.name] = "identity"
    return starts


def _chosen(units: Indices, size: int, important: Array) -> Indices:
    """Choose which of the parent's units a group of the child continues."""
    if size <= units.size:
        # A stable order: of equally important units, as if all are dead, the first ones stay.
        best = np.argsort(-important[units], kind="stable")[:size]
        return units[np.sort(best)]
    return np.concatenate([units, np.full(size - units.size, NEW)])


def _form(segment: Segment) -> tuple[bool, int, int]:
    return segment.group is not None, segment.outer, segment.inner
