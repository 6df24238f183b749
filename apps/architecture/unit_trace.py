"""The units of a network, as found while its layers are walked through: layouts and ties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np

from apps.errors import UserError, first_line
from apps.genetics.atoms import AtomAxis, Atoms
from apps.genetics.unit_selection import ALL_CROSSOVERS

Layout = tuple[AtomAxis | None, ...]
"""The atoms along each axis of a tensor but that of the batch; None where its length is open."""


class UnknownSymmetry(UserError):
    """A layer whose symmetries are not known."""

    def __init__(self, text: str) -> None:
        """Raise with the text."""
        super().__init__(text, code="alignment")


class OpenLength(Exception):
    """An axis without a fixed length meets weights."""


class Trace:
    """What has been found out about a network's units so far.

    Attributes:
        atoms: the units and their ties.
        names: `id` of a variable -> canonical name.
        statistics: arrays found to hold running statistics.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self.atoms = Atoms()
        self.names = names
        self.statistics: set[str] = set()
        self._units: dict[tuple[int, str], AtomAxis] = {}
        self._axes: dict[int, tuple[AtomAxis, ...]] = {}

    def array(self, variable: Any, *axes: AtomAxis) -> None:
        """Describe an array of a layer; an array that the layer does not have (None) is skipped."""
        if variable is not None and id(variable) in self.names:
            self.atoms.site(self.names[id(variable)], axes)
            self._axes[id(variable)] = axes

    def axes_of(self, variable: Any) -> tuple[AtomAxis, ...]:
        """Return the units along the axes of an array that has been described."""
        return self._axes[id(variable)]

    def units(self, layer: Any, variable: Any, size: int, role: str = "") -> AtomAxis:
        """Return the units that a layer makes; the same ones if the layer is used again."""
        key = (id(layer), role)
        if key not in self._units:
            name = self.names.get(id(variable), layer.name).rpartition("/")[0] or layer.name
            if role:
                name = f"{name.rpartition('/')[0] or name}/{role}"
            self._units[key] = self.atoms.fresh(size, name)
        return self._units[key]

    def fix(self, layout: Layout) -> Layout:
        """Keep all units of a layout in place, and return what then is left: fixed axes."""
        for axis in layout:
            if axis is not None:
                self.atoms.fix(axis)
        return tuple(None if axis is None else self.atoms.fixed(axis.size) for axis in layout)

    def moves(self, layout: Layout) -> bool:
        """Whether some unit of a layout may be permuted."""
        return any(axis is not None and self.atoms.roots(axis).any() for axis in layout)

    def activated(self, function: Any, axis: AtomAxis) -> AtomAxis:
        """Return the units after an activation; they are fixed if it does not treat all alike."""
        if function is not None and not _is_equivariant(function):
            self.atoms.fix(axis)
        return axis

    def merged(self, a: Layout, b: Layout) -> Layout:
        """Tie two layouts that meet element by element, with NumPy's broadcasting."""
        long, short = (a, b) if len(a) >= len(b) else (b, a)
        rest = len(long) - len(short)
        pairs = zip(long[rest:], short, strict=True)
        return (*long[:rest], *(self._met(one, other) for one, other in pairs))

    def _met(self, a: AtomAxis | None, b: AtomAxis | None) -> AtomAxis | None:
        if a is None or b is None:
            self.fix((a, b))
            return None
        if a.size == b.size:
            self.atoms.tie(a, b)
            return a
        # Broadcast: the single unit meets all of the other's alike.
        return a if b.size == 1 else b


def known(axis: AtomAxis | None) -> AtomAxis:
    """Return an axis that meets weights.

    Raises:
        OpenLength: its length is open.
    """
    if axis is None:
        raise OpenLength
    return axis


def fixed(trace: Trace, lengths: Sequence[int]) -> list[AtomAxis]:
    """Return axes of units that stay in place."""
    return [trace.atoms.fixed(length) for length in lengths]


def blank_of(trace: Trace, shape: Sequence[int | None]) -> Layout:
    """Return the layout of a shape whose units stay in place."""
    return tuple(None if length is None else trace.atoms.fixed(length) for length in shape)


def channel_axis(layer: Any) -> int:
    """Return where the channels lie in a layer's layouts."""
    return 0 if getattr(layer, "data_format", None) == "channels_first" else -1


def output_shape(layer: Any, x: Layout) -> tuple[int | None, ...]:
    """Return the shape of what a layer gives, without the batch."""
    shape = (None, *(None if axis is None else axis.size for axis in x))
    return tuple(layer.compute_output_shape(shape)[1:])


def mapped(value: Any, function: Callable[[Layout], Any]) -> Any:
    """Put something in the place of every layout among arguments."""
    if isinstance(value, tuple):
        return function(value)
    if isinstance(value, list):
        return [mapped(each, function) for each in value]
    if isinstance(value, dict):
        return {key: mapped(each, function) for key, each in value.items()}
    return value


def layouts_in(arguments: Any) -> list[Layout]:
    """List the layouts among arguments: layouts are tuples, what holds several is a list."""
    if isinstance(arguments, tuple):
        return [arguments]
    if isinstance(arguments, dict):
        arguments = [*arguments.values()]
    if not isinstance(arguments, list):
        return []
    return [layout for each in arguments for layout in layouts_in(each)]


def unknown(name: str, kind: str) -> UnknownSymmetry:
    """Return the error for a layer without a rule."""
    *others, last = [
        key
        for key, function in ALL_CROSSOVERS.items()
        if signature(function).parameters.keys().isdisjoint(("spec", "network"))
    ]
    return UnknownSymmetry(
        f"the symmetries of layer {name!r} ({kind}) are not known, so networks with it cannot be "
        "aligned nor crossed by whole units; say what a layer of your own does with "
        "heterosis.register_layer in your network's module, or use align = 'none' with the "
        f"crossover {', '.join(others)} or {last}, and the distance raw or disagreement"
    )


def failed(operation: Any, error: Exception) -> UnknownSymmetry:
    """Return the error for an operation that cannot be tried with random numbers."""
    kind = f"{type(operation).__name__}, which fails for random numbers: {first_line(error)}"
    return unknown(operation.name, kind)


def _is_equivariant(function: Any) -> bool:
    """Try whether an activation treats all units alike: permuting before or after is the same."""
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    order = np.array([3, 0, 4, 1, 2])
    try:
        before, after = (np.asarray(function(each)) for each in (values, values[:, order]))
    except Exception:
        return False
    return before.shape == values.shape and np.allclose(before[:, order], after, atol=1e-6)
