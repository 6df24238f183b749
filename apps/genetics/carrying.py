"""Carry one array over to another architecture: gather its entries unit by unit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.genetics.anatomy import Part
from apps.genetics.permutation import Axis, Segment
from apps.genetics.weights import Array

Indices = NDArray[np.intp]

NEW: Final = -1
"""Stands in place of a parent's unit or index where there is none."""


@dataclass(frozen=True, eq=False)
class Source:
    """Where the units of a child's group come from.

    Attributes:
      group: of the parent.
      units: for each of the child's units the parent's one, or `NEW`: [child's size].
    """

    group: str
    units: Indices


Sources = Mapping[str, Source]
"""Child's group -> where its units come from; a group that is all new is not named."""


def placed(axis: Axis, length: int) -> list[tuple[int, Segment]]:
    """List the segments of an axis with their starts; without any, all indices are fixed.

    >>> placed((), 3)
    [(0, Segment(size=3, group=None, outer=1, inner=1))]
    """
    segments = axis or ((Segment(length),) if length else ())
    starts = np.cumsum([0, *(segment.length for segment in segments)])
    return list(zip(starts.tolist(), segments, strict=False))


def parent_units(axis: Axis, length: int, sources: Sources) -> Indices:
    """Lay the parent's unit of each of the child's units out along an axis.

    Args:
      axis: of the child.
      length: of the axis.
      sources: of the child's groups.

    Returns:
      Parent's units [length]; `NEW` for new units, 0 for indices that are fixed.

    >>> source = {"a": Source("a", np.array([5, NEW]))}
    >>> parent_units((Segment(2, "a", outer=2), Segment(1)), 5, source).tolist()
    [5, -1, 5, -1, 0]
    """
    laid = np.zeros(length, np.intp)
    for start, segment in placed(axis, length):
        if segment.group is not None:
            source = sources.get(segment.group)
            units = np.full(segment.size, NEW) if source is None else source.units
            every = np.tile(np.repeat(units, segment.inner), segment.outer)
            laid[start : start + segment.length] = every
    return laid


def parent_indices(
    axis: Axis, length: int, other: Axis, other_length: int, sources: Sources
) -> Indices:
    """Find the parent's index for each index of a child's axis.

    A segment of the child is looked for among the parent's by the group that its units come from
    and by their repetitions; the first that was not taken is taken. Fixed indices are looked for
    by their number.

    Args:
      axis: of the child.
      length: of the child's axis.
      other: the parent's axis.
      other_length: of the parent's axis.
      sources: of the child's groups.

    Returns:
      Parent's indices [length]; `NEW` where there is none.

    >>> source = {"a": Source("a", np.array([1, NEW, 1]))}
    >>> ours, theirs = (Segment(1), Segment(3, "a")), (Segment(2, "a"), Segment(1))
    >>> parent_indices(ours, 4, theirs, 3, source).tolist()
    [2, 1, -1, 1]
    """
    index = np.full(length, NEW)
    free = placed(other, other_length)
    for start, segment in placed(axis, length):
        source = None if segment.group is None else sources.get(segment.group)
        if segment.group is not None and source is None:
            continue
        wanted = (source.group if source else None, segment.outer, segment.inner)
        for entry in free:
            there, old = entry
            if (old.group, old.outer, old.inner) == wanted and (source or old.size == segment.size):
                free.remove(entry)
                units = source.units if source else np.arange(segment.size)
                lacking = np.tile(np.repeat(units == NEW, segment.inner), segment.outer)
                found = there + old.indices(np.maximum(units, 0))
                index[start : start + segment.length] = np.where(lacking, NEW, found)
                break
    return index


def window_indices(length: int, other_length: int) -> Indices:
    """Find the parent's index for each index along a convolution's window, about its centre.

    The centre is where padding by `same` puts it: of a window of k, the index (k - 1) // 2.

    Args:
      length: of the child's window.
      other_length: of the parent's window.

    Returns:
      Parent's indices [length]; `NEW` outside.

    >>> window_indices(5, 3).tolist(), window_indices(4, 3).tolist(), window_indices(1, 3).tolist()
    ([-1, 0, 1, 2, -1], [0, 1, 2, -1], [1])
    """
    at = np.arange(length) - (length - 1) // 2 + (other_length - 1) // 2
    return np.where((at >= 0) & (at < other_length), at, NEW)


def carry(
    array: Array,
    theirs: tuple[Axis, ...],
    fresh: Array,
    ours: tuple[Axis, ...],
    part: Part,
    sources: Sources,
) -> Array | None:
    """Make an array of the child from its counterpart.

    Args:
      array: the parent's.
      theirs: what lies along its axes.
      fresh: the child's, as initialised.
      ours: what lies along its axes.
      part: the roles of its axes.
      sources: of the child's groups.

    Returns:
      Entries of units that both have are the parent's. Those from a new unit are 0, those of a new
      unit the child's own. None if some axis has nothing in common.
    """
    if len(ours) != len(theirs):
        return None
    numbers = range(array.ndim)
    plans = [
        window_indices(fresh.shape[k], array.shape[k])
        if k in part.windows
        else parent_indices(ours[k], fresh.shape[k], theirs[k], array.shape[k], sources)
        for k in numbers
    ]
    if any(index.size and (index == NEW).all() for index in plans):
        return None
    value = array
    for number, index in enumerate(plans):
        value = np.take(value, index, axis=number)
    made = [k for k in numbers if k not in part.consumed and k not in part.windows]
    for axes, filling in ((part.windows, 0), (made, fresh), (part.consumed, 0)):
        value = np.where(_somewhere_new(plans, axes), np.asarray(filling, fresh.dtype), value)
    carried: Array = value.astype(fresh.dtype)
    return carried


def pass_on(fresh: Array, axes: tuple[Axis, ...], part: Part, sources: Sources) -> Array:
    """Make an array of a new layer that passes on what it is given.

    Args:
      fresh: as initialised.
      axes: what lies along its axes.
      part: the roles of its axes, at most one of which consumes, and its neutral values.
      sources: of the child's groups.

    Returns:
      Each unit that continues one of the parent's reads the unit that continues it too; new
      units keep their initialisation.

    >>> sources = {name: Source("a", np.array([0, NEW])) for name in "ab"}
    >>> from apps.genetics.anatomy import Neutral
    >>> axes, fresh = ((Segment(2, "a"),), (Segment(2, "b"),)), np.full((2, 2), 7.0)
    >>> part = Part("kernel", consumed=(0,), neutral=Neutral(1, 1.0, ()))
    >>> pass_on(fresh, axes, part, sources).tolist()
    [[1.0, 7.0], [0.0, 7.0]]
    """
    neutral = part.neutral
    assert neutral is not None
    units = parent_units(axes[neutral.axis], fresh.shape[neutral.axis], sources)
    plate = np.full(fresh.shape, 0.0 if neutral.tap is not None else neutral.value)
    if part.consumed:
        (number,) = part.consumed
        read = parent_units(axes[number], fresh.shape[number], sources)
        for made in np.flatnonzero(units != NEW).tolist():
            for unit in np.flatnonzero(read == units[made]).tolist():
                place = _place(neutral.tap, {neutral.axis: made, number: unit})
                plate[place] = neutral.value
    elif neutral.tap is not None:
        plate[_place(neutral.tap, {neutral.axis: slice(None)})] = neutral.value
    carried = (units != NEW).reshape(_along(neutral.axis, fresh.ndim))
    return np.where(carried, plate, fresh).astype(fresh.dtype)


def _somewhere_new(plans: list[Indices], numbers: Iterable[int]) -> Array:
    masks = [(plans[k] == NEW).reshape(_along(k, len(plans))) for k in numbers]
    return reduce(np.logical_or, masks, np.zeros([1] * len(plans), bool))


def _along(number: int, ndim: int) -> list[int]:
    return [-1 if k == number else 1 for k in range(ndim)]


def _place(tap: tuple[int, ...] | None, taken: Mapping[int, int | slice]) -> tuple[Any, ...]:
    """Put a tap's numbers on the axes that are not taken."""
    rest = iter(tap or ())
    return tuple(taken[k] if k in taken else next(rest) for k in range(len(taken) + len(tap or ())))
