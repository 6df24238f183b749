"""Take layers out of a network by folding them into the layers that read them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from apps.genetics.anatomy import Anatomy, Layer, Part, passage, slope_after
from apps.genetics.permutation import Segment
from apps.genetics.weights import Array, Weights


@dataclass(frozen=True, eq=False)
class Folded:
    """A network some of whose layers are folded into others.

    Attributes:
      weights: the network, without the arrays of layers that are folded.
      anatomy: of these arrays; its steps are not told.
      into: layer that is folded -> the layer that now does its work.
    """

    weights: dict[str, Array]
    anatomy: Anatomy
    into: Mapping[str, str]


def fold(
    weights: Weights, anatomy: Anatomy, wanted: Mapping[str, str], dropped: Collection[str]
) -> Folded:
    r"""Fold layers that are to be dropped into the layers that read them, as if they were linear.

    One with kernel U, bias a and activation f, read by one with kernel V and bias b, become

    .. math:: W = s U V, \quad c = s a V + b, \quad
        s = E[z f(z)], \; z \sim N(0, 1)

    where s is the slope of the line nearest to f, 1/2 for relu: exact if there is no activation,
    and else what can be told without data. Of a convolution that is folded the taps are summed, as
    if its input were the same all over the window.

    Args:
      weights: the network.
      anatomy: its architecture.
      wanted: array of a layer that stays -> the group that its layer is to read instead of the
        one that it reads. All layers on the way between the two are folded; where one of them is
        to stay, does more than multiply by a kernel and add a bias, or is not the only one to
        make its units, or its units are normalised, the array is left as it is.
      dropped: the layers that may be folded.

    Returns:
      The network without the layers that were folded, in the order and dtypes of the given one.

    >>> axes = {"a": ((), (Segment(2, "a"),)), "b": ((Segment(2, "a"),), (Segment(1, "b"),))}
    >>> axes["c"] = ((Segment(1, "b"),), ())
    >>> from apps.genetics.anatomy import Neutral
    >>> from apps.genetics.permutation import PermutationSpec
    >>> parts = [Part(name, consumed=(0,), neutral=Neutral(1, 1.0, ())) for name in "abc"]
    >>> layers = tuple(Layer(part.array, "Dense", {"kernel": part}) for part in parts)
    >>> stack = Anatomy(PermutationSpec(axes), layers, (), (), ())
    >>> network = {"a": np.ones((1, 2)), "b": np.array([[2.0], [3.0]]), "c": np.array([[10.0]])}
    >>> made = fold(network, stack, {"c": "a"}, ["b"])
    >>> made.weights["c"].tolist(), [*made.weights], made.into
    ([[20.0], [30.0]], ['a', 'c'], {'b': 'c'})
    """
    made, axes = dict(weights), dict(anatomy.spec.axes)
    into: dict[str, str] = {}
    for layer in anatomy.layers:
        for part in layer.parts.values():
            if part.array not in wanted or len(part.consumed) != 1:
                continue
            (number,) = part.consumed
            axis = anatomy.spec.axes[part.array][number]
            group = axis[0].group if len(axis) == 1 else None
            way = group and _way(anatomy, group, wanted[part.array], dropped)
            if not way:
                continue
            matrix, offset = _composed(weights, anatomy, way)
            segment = replace(axis[0], size=len(matrix), group=wanted[part.array])
            apart = _apart(weights[part.array], number, axis[0])
            read = np.einsum("rm,omi...->ori...", matrix, apart)
            made[part.array] = np.moveaxis(read.reshape(-1, *apart.shape[3:]), 0, number)
            for name in _biases(anatomy, layer, part):
                made[name] = made[name] + _added(apart, number, part, offset)
            changed = list(axes[part.array])
            changed[number] = (segment,)
            axes[part.array] = tuple(changed)
            into |= {each.name: layer.name for each in way}
    kept = tuple(layer for layer in anatomy.layers if layer.name not in into)
    gone = {
        part.array
        for layer in anatomy.layers
        if layer.name in into
        for part in layer.parts.values()
    }
    left = {name: array.astype(weights[name].dtype) for name, array in made.items()}
    spec = replace(anatomy.spec, axes={n: each for n, each in axes.items() if n not in gone})
    return Folded(
        {name: array for name, array in left.items() if name not in gone},
        replace(anatomy, spec=spec, layers=kept, steps=()),
        into,
    )


def _way(anatomy: Anatomy, group: str, wanted: str, dropped: Collection[str]) -> list[Layer]:
    """List the layers from a group to another that was made before it; none if there is no way."""
    way: list[Layer] = []
    while group != wanted:
        holders = [
            layer
            for layer in anatomy.layers
            if any(
                segment.group == group
                for part in layer.parts.values()
                for number, axis in enumerate(anatomy.spec.axes[part.array])
                if number not in part.consumed
                for segment in axis
            )
        ]
        if len(holders) != 1 or holders[0] in way:
            return []
        if holders[0].name not in dropped or not _is_affine(holders[0]):
            return []
        group, made = passage(anatomy, holders[0])
        if not group or not made:
            return []
        way.append(holders[0])
    return way


def _is_affine(layer: Layer) -> bool:
    """Tell whether a layer is no more than a kernel and a bias."""
    kernels = [part for part in layer.parts.values() if part.consumed]
    biases = [part for part in layer.parts.values() if not part.consumed]
    return (
        len(kernels) == 1
        and len(kernels[0].consumed) == 1
        and kernels[0].neutral is not None
        and len(biases) <= 1
        and all(part.neutral is not None and part.neutral.value == 0 for part in biases)
    )


def _composed(weights: Weights, anatomy: Anatomy, way: list[Layer]) -> tuple[Array, Array]:
    """Give what layers compute, linearly: matrix [read, made] and offset [made]."""
    both = [_affine(weights, layer, slope_after(anatomy, layer.name)) for layer in reversed(way)]
    matrix, offset = both[0]
    for kernel, bias in both[1:]:
        matrix, offset = matrix @ kernel, offset @ kernel + bias
    return matrix, offset


def _affine(weights: Weights, layer: Layer, slope: float) -> tuple[Array, Array]:
    """Give the kernel [read, made] and bias [made] of a layer that has no more than these."""
    arrays = {part: slope * weights[part.array].astype(np.float64) for part in layer.parts.values()}
    (kernel,) = (part for part in arrays if part.consumed)
    assert kernel.neutral is not None
    moved = np.moveaxis(arrays[kernel], (kernel.consumed[0], kernel.neutral.axis), (-2, -1))
    matrix: Array = moved.sum(axis=tuple(range(moved.ndim - 2)))
    return matrix, sum(
        (array for part, array in arrays.items() if part is not kernel), np.zeros(matrix.shape[1])
    )


def _apart(array: Array, number: int, segment: Segment) -> Array:
    """Put an axis first and take it apart: [outer, size, inner, the other axes]."""
    first = np.moveaxis(array.astype(np.float64), number, 0)
    return first.reshape(segment.outer, segment.size, segment.inner, *first.shape[1:])


def _added(apart: Array, number: int, part: Part, offset: Array) -> Array:
    """Give what an offset of all units that an array reads adds to those that it makes."""
    windows = tuple(k - (k > number) for k in part.windows)
    added: Array = np.einsum("m,omi...->...", offset, apart).sum(axis=windows)
    return added


def _biases(anatomy: Anatomy, layer: Layer, kernel: Part) -> list[str]:
    """Name the arrays that are added to just what a kernel makes."""
    axes = anatomy.spec.axes
    made = [
        axis
        for number, axis in enumerate(axes[kernel.array])
        if number not in kernel.consumed and number not in kernel.windows
    ]
    rest = [part.array for part in layer.parts.values() if not part.consumed]
    return rest if len(rest) == 1 and [*axes[rest[0]]] == made else []
