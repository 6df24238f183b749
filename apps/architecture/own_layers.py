"""What is known of a user's own layers, by their class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from apps.genetics.anatomy import Neutral, Part

IN: Final = "in"
OUT: Final = "out"

Axes = tuple[str | None, ...]
"""For each axis of an array the units along it, see `register_layer`."""

_AXIS: Final = re.compile(r"(?:([1-9]\d*)\*)?([a-z_]\w*)", re.ASCII)


@dataclass(frozen=True)
class OwnLayer:
    """What a user says of a layer.

    Attributes:
        like: the layer of Keras whose rules hold for it; '' if `arrays` says all.
        arrays: name of an array within the layer -> the units along its axes.
        identity: name of an array -> the value with which the layer passes its input on.
    """

    like: str = ""
    arrays: Mapping[str, Axes] = field(default_factory=dict)
    identity: Mapping[str, float] = field(default_factory=dict)

    @property
    def makes(self) -> bool:
        """Whether it makes units; else those of its input pass through."""
        return any(units_of(axis)[0] == OUT for axes in self.arrays.values() for axis in axes)

    def part(self, name: str, array: str) -> Part:
        """Say what an array does.

        Of the units along its axes those are made that come last on the way from the inputs to
        the outputs, and the others are summed over.

        Args:
            name: within the layer.
            array: canonical name.
        """
        units = [units_of(axis)[0] for axis in self.arrays[name]]
        order = [*dict.fromkeys(u for axes in self.arrays.values() for u, _ in map(units_of, axes))]
        rank = {IN: -1, OUT: len(order)}
        ranks = [rank.get(each, order.index(each)) for each in units]
        named = [number for number, each in enumerate(units) if each]
        made = max(named, key=lambda number: (ranks[number], number), default=None)
        neutral = None
        if made is not None and name in self.identity:
            neutral = Neutral(made, self.identity[name])
        return Part(array, tuple(number for number in named if number != made), neutral=neutral)


def units_of(axis: str | None) -> tuple[str, int]:
    """Take the text of an axis apart: the name of its units, '' for none, and how often they lie.

    >>> units_of("4*out"), units_of("in"), units_of(None)
    (('out', 4), ('in', 1), ('', 1))

    Raises:
        ValueError: the text has another form.
    """
    if axis is None:
        return "", 1
    found = _AXIS.fullmatch(axis)
    if found is None:
        raise ValueError(axis)
    return found[2], int(found[1] or 1)


_KNOWN: Final[WeakKeyDictionary[type, OwnLayer]] = WeakKeyDictionary()


def remember(layer: type, known: OwnLayer) -> None:
    """Keep what is known of a class."""
    _KNOWN[layer] = known


def own_layer(layer: Any) -> OwnLayer | None:
    """Return what is known of a layer's class, None for Keras's own and for unknown ones."""
    return _KNOWN.get(type(layer))


def kind_of(operation: Any) -> str:
    """Return the layer or operation of Keras whose rules hold for one; '' if there is none."""
    if type(operation).__module__.startswith("keras."):
        return type(operation).__name__
    own = own_layer(operation)
    return "" if own is None else own.like


def array_name(layer: Any, variable: Any) -> str:
    """Return the name of a variable within a layer, such as `kernel` or `query/kernel`."""
    return str(variable.path).rpartition(f"{layer.name}/")[2]
