"""What an operation without arrays does to units, found by trying it with random numbers.

It moves numbers about (slices, transposes, joins), which labels show; or it treats the units of an
axis alike, so that permuting what goes in permutes what comes out, or changes nothing. Units for
which neither holds stay in place, with which every operation is described rightly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from apps.architecture.trying import OF_OPERATIONS, OPEN
from apps.architecture.unit_trace import Layout, Trace
from apps.genetics.atoms import AtomAxis
from apps.genetics.weights import Array

_BATCH: Final = (3, 64)
_NUMBERS: Final = 8_192
"""Least and most samples, and about how many numbers they have: of truths few say nothing."""

Operation = Callable[[list[Array]], list[Array]]
"""Takes the inputs and gives the outputs, the axis of the batch first."""


@dataclass(frozen=True)
class _Place:
    """An axis of an input, that of the batch being 0."""

    tensor: int
    axis: int


class _Moved(Exception):
    """The numbers of an output are not its inputs' numbers in other places."""


def tried(
    trace: Trace, operation: Operation, layouts: Sequence[Layout], dtypes: Sequence[str]
) -> list[Layout]:
    """Find the layouts of an operation's outputs.

    Args:
        trace: what is known so far; units that the operation treats unlike are fixed in it.
        operation: without arrays of its own.
        layouts: of its inputs.
        dtypes: of its inputs.

    Raises:
        Exception: whatever the operation raises for random numbers.
    """
    rng = np.random.default_rng(0)
    lengths = [[OPEN if axis is None else axis.size for axis in layout] for layout in layouts]
    largest = max(math.prod(each) for each in lengths)
    samples = int(np.clip(_NUMBERS // max(1, largest), *_BATCH))
    shapes = [[samples, *each] for each in lengths]

    def drawn() -> list[Array]:
        return [_drawn(rng, shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]

    one, two = drawn(), drawn()
    before, other = operation(one), operation(two)
    places = [
        _Place(tensor, number)
        for tensor, layout in enumerate(layouts)
        for number, axis in enumerate(layout, start=1)
        if axis is not None and trace.moves((axis,))
    ]
    try:
        origins = [_origins(one, two, *outputs) for outputs in zip(before, other, strict=True)]
    except _Moved:
        return _permuted(trace, operation, layouts, places, one, before, rng)
    return [
        _relabelled(trace, layouts, shapes, places, origin, output)
        for origin, output in zip(origins, before, strict=True)
    ]


# ------------------------------------------------------------------------------ numbers are moved
def _origins(one: list[Array], two: list[Array], first: Array, second: Array) -> AtomAxis:
    """Return for each number of an output where among all inputs' it comes from; -1: from none.

    Raises:
        _Moved: the numbers are others, or come from elsewhere for other inputs.
    """
    ours, theirs = (np.concatenate([each.ravel() for each in arrays]) for arrays in (one, two))
    if first.dtype.kind != "f" or first.shape != second.shape:
        raise _Moved
    order = np.argsort(ours, kind="stable")
    at = order[np.searchsorted(ours, first.ravel(), sorter=order).clip(0, ours.size - 1)]
    found = ours[at] == first.ravel()
    if not found.any():
        raise _Moved
    expected = np.where(found, theirs[at], first.ravel())
    if not np.array_equal(expected, second.ravel()):
        raise _Moved
    return np.where(found, at, -1).reshape(first.shape)


def _relabelled(
    trace: Trace,
    layouts: Sequence[Layout],
    shapes: Sequence[list[int]],
    places: Sequence[_Place],
    origin: AtomAxis,
    constants: Array,
) -> Layout:
    """Return the layout of an output whose numbers come from the inputs.

    Args:
        trace: units that are moved unlike are fixed in it.
        layouts: of the inputs.
        shapes: of the inputs.
        places: the axes of the inputs that have units.
        origin: of each number of the output, see `_origins`.
        constants: the output, whose numbers from nowhere are always the same.
    """
    starts = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    axes = [trace.atoms.fixed(length) for length in origin.shape[1:]]
    for number in sorted({place.axis for place in places}):
        here = [place for place in places if place.axis == number]
        labels, source = np.zeros(origin.shape, np.intp), np.full(origin.shape, -1)
        index, rest = np.zeros(origin.shape, np.intp), origin.copy()
        for place in here:
            start, shape, atoms = starts[place.tensor], shapes[place.tensor], _axis(layouts, place)
            inside = (origin >= start) & (origin < starts[place.tensor + 1])
            at = np.unravel_index(origin[inside] - start, shape)[number]
            labels[inside], source[inside], index[inside] = atoms[at], place.tensor, at
            rest[inside] -= at * int(np.prod(shape[number + 1 :]))
            # Units that go different ways from here on are not exchanged.
            counts = np.bincount(at, minlength=shape[number])
            if np.unique(counts).size > 1:
                trace.atoms.colour(atoms, counts)
        along = _along_one(labels, source)
        if along is None or not _moves_alike(along, source, index, rest, constants):
            trace.atoms.fix(np.unique(labels))
            continue
        met = [
            [*np.unique(row[origins >= 0])]
            for row, origins in zip(
                np.moveaxis(labels, along, 0), np.moveaxis(source, along, 0), strict=True
            )
        ]
        for row in met:
            for atom in row[1:]:
                trace.atoms.tie(np.array(row[:1]), np.array([atom]))
        made = np.array([row[0] if row else 0 for row in met], np.intp)
        if axes[along - 1].any():
            # Units of two axes lie along this one.
            trace.atoms.fix(axes[along - 1])
            trace.atoms.fix(made)
        axes[along - 1] = made
    return tuple(axes)


def _along_one(labels: AtomAxis, source: AtomAxis) -> int | None:
    """Find the axis, but that of the batch, along which alone the labels of each source change."""
    for number in range(1, labels.ndim):
        rows = zip(np.moveaxis(labels, number, 0), np.moveaxis(source, number, 0), strict=True)
        if all(
            np.unique(row[origins == each]).size == 1
            for row, origins in rows
            for each in np.unique(origins[origins >= 0])
        ):
            return number
    return None


def _moves_alike(
    along: int, source: AtomAxis, index: AtomAxis, rest: AtomAxis, constants: Array
) -> bool:
    """Tell whether units differ in nothing but their own index in the input.

    Args:
        along: the axis along which they lie in the output.
        source: the input of each number, -1 for one without units.
        index: of each number's unit on its axis of the input.
        rest: where each number comes from, but for its unit's index; -1: from nowhere.
        constants: the output, whose numbers from nowhere are always the same.
    """
    sources, indices, rests, values = (
        np.moveaxis(each, along, 0) for each in (source, index, rest, constants)
    )
    alone = np.where(rests < 0, values, 0)
    for each in np.unique(source[source >= 0]):
        counts: dict[int, int] = {}
        rows: list[tuple[int, int, int]] = []
        for number in range(sources.shape[0]):
            if (sources[number] == each).any():
                unit = int(indices[number][sources[number] == each][0])
                rows.append((number, unit, counts.get(unit, 0)))
                counts[unit] = counts.get(unit, 0) + 1
        first: dict[tuple[int, int], int] = {}
        for number, unit, occurrence in rows:
            like = first.setdefault((counts[unit], occurrence), number)
            # What comes from other inputs with units has a turn of its own.
            theirs, ours = (
                np.where((sources[row] == each) | (sources[row] < 0), rests[row], -2)
                for row in (like, number)
            )
            if not np.array_equal(theirs, ours) or not np.array_equal(alone[like], alone[number]):
                return False
    return True


# ------------------------------------------------------------------------------ units are treated
def _permuted(
    trace: Trace,
    operation: Operation,
    layouts: Sequence[Layout],
    places: Sequence[_Place],
    inputs: list[Array],
    before: list[Array],
    rng: np.random.Generator,
) -> list[Layout]:
    """Permute units in turn, those of one axis and those that may meet, and see what changes."""
    made = [[trace.atoms.fixed(length) for length in array.shape[1:]] for array in before]
    left = list(places)
    taken: set[tuple[int, int]] = set()
    for wanted in _families(places, layouts):
        family = [place for place in wanted if place in left]
        if not family or (len(family) == 1 < len(wanted)):
            continue
        size = _axis(layouts, family[0]).size
        orders = [np.roll(np.arange(size), 1), rng.permutation(size)]
        seen = []
        for order in orders:
            moved = list(inputs)
            for place in family:
                moved[place.tensor] = np.take(moved[place.tensor], order, place.axis)
            seen.append(operation(moved))
        ways = [
            _way(array, [each[number] for each in seen], orders, family[0], layouts)
            for number, array in enumerate(before)
        ]
        named = {(number, way) for number, way in enumerate(ways) if way}
        if None in ways or named & taken:
            continue
        taken |= named
        left = [place for place in left if place not in family]
        first = _axis(layouts, family[0])
        for place in family[1:]:
            trace.atoms.tie(first, _axis(layouts, place))
        for number, way in named:
            assert way is not None
            made[number][way - 1] = first
    for place in left:
        trace.atoms.fix(_axis(layouts, place))
    return [tuple(axes) for axes in made]


def _families(places: Sequence[_Place], layouts: Sequence[Layout]) -> Iterator[list[_Place]]:
    """List the axes that may permute together: one, all that meet by NumPy's rules, any two."""
    for place in places:
        yield [place]

    def key(place: _Place) -> tuple[int, int]:
        from_last = place.axis - len(layouts[place.tensor])
        return from_last, _axis(layouts, place).size

    for each in dict.fromkeys(map(key, places)):
        yield [place for place in places if key(place) == each]
    for one, other in combinations(places, 2):
        if _axis(layouts, one).size == _axis(layouts, other).size:
            yield [one, other]


def _way(
    before: Array,
    after: list[Array],
    orders: list[AtomAxis],
    place: _Place,
    layouts: Sequence[Layout],
) -> int | None:
    """Return along which axis an output was permuted, 0: it was not; None: it is another."""
    if any(each.shape != before.shape for each in after):
        return None
    size = orders[0].size
    opposite = place.axis - len(layouts[place.tensor]) - 1 + before.ndim
    first = [opposite, place.axis]
    numbers = [*first, *(each for each in range(1, before.ndim) if each not in first)]
    for number in numbers:
        if 0 < number < before.ndim and before.shape[number] == size:
            turned = [np.take(before, order, number) for order in orders]
            if all(_close(each, other) for each, other in zip(after, turned, strict=True)):
                return number
    return 0 if all(_close(each, before) for each in after) else None


def _axis(layouts: Sequence[Layout], place: _Place) -> AtomAxis:
    axis = layouts[place.tensor][place.axis - 1]
    assert axis is not None
    return axis


def _drawn(rng: np.random.Generator, shape: list[int], dtype: str) -> Array:
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if "int" in dtype:
        return rng.integers(0, 2, shape).astype(dtype)
    values = rng.normal(size=shape)
    return values.astype("complex64" if "complex" in dtype else "float32")


def _close(one: Array, other: Array) -> bool:
    if one.dtype.kind not in "fcV":
        return bool(np.array_equal(one, other))
    half = one.dtype.itemsize < 4
    left, right = (
        each.astype(np.complex64 if each.dtype.kind == "c" else np.float32) for each in (one, other)
    )
    largest = np.abs(left[np.isfinite(left)]).max(initial=0.0)
    slack = (OF_OPERATIONS.half if half else OF_OPERATIONS.single) * largest
    return bool(np.allclose(left, right, 0, max(float(slack), 1e-30), equal_nan=True))
