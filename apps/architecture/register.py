"""The door for a user's own layers: `register_layer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from apps.architecture.layer_symmetries import RULES
from apps.architecture.own_layers import Axes, OwnLayer, remember, units_of
from apps.errors import UserError, did_you_mean

_Class = TypeVar("_Class", bound=type)


def register_layer(
    *,
    like: str = "",
    arrays: Mapping[str, Axes] | None = None,
    identity: Mapping[str, float] | None = None,
) -> Callable[[_Class], _Class]:
    """Make a layer of one's own known: its networks can be aligned, crossed by units and grown.

    It decorates the layer's class, in the module of the network's builder, which every worker
    loads. Without arguments the layer is taken to have no arrays, and to act on every unit alike
    and separately. The registration is tried with random numbers wherever a network with the layer
    is looked at.

    Args:
        like: a layer of Keras that has the same arrays, by the same names, and treats units as
            this one does: `like="Dense"`.
        arrays: name of each array within the layer, such as `kernel`, or `query/kernel` of a layer
            inside -> the units along its axes: `"in"`, those of the last axis of the input;
            `"out"`, those that the layer makes; any other name for units within; `None` for an
            axis whose order matters. `"4*out"` are the units four times side by side. A layer
            without `"out"` gives back the units of its input.
        identity: of a layer without `"out"`, the value of each array with which it passes its
            input on: a new layer starts so.

    Returns:
        The decorator, which returns the class as it is.

    Raises:
        UserError: `like` is not known, or arrays and identity do not fit together.

    >>> register_layer(like="Dens")
    Traceback (most recent call last):
    ...
    apps.errors.UserError: register_layer: like = 'Dens' is no layer that is known; did you mean \
'Dense'?
    """
    known = OwnLayer(like, dict(arrays or {}), dict(identity or {}))
    _check(known)

    def decorate(layer: _Class) -> _Class:
        if not isinstance(layer, type):
            raise _wrong(f"it decorates a class, received {layer!r}")
        remember(layer, known)
        return layer

    return decorate


def _check(known: OwnLayer) -> None:
    if known.like and (known.arrays or known.identity):
        raise _wrong("like says all of a layer: leave arrays and identity out, or like")
    if known.like and known.like not in RULES:
        hint = did_you_mean(known.like, RULES)
        raise _wrong(f"like = {known.like!r} is no layer that is known; {hint}".rstrip("; "))
    for name, axes in known.arrays.items():
        if isinstance(axes, str):
            raise _wrong(f"the axes of {name!r} are a tuple, as in ('in', 'out'), got {axes!r}")
        for axis in axes:
            try:
                units_of(axis)
            except (TypeError, ValueError):
                raise _wrong(
                    f"an axis of {name!r} is a name as 'out' or '4*out', or None, got {axis!r}"
                ) from None
    if known.identity and (known.makes or known.identity.keys() != known.arrays.keys()):
        raise _wrong(
            "identity has a value for every array of a layer without 'out'; it has "
            f"{sorted(known.identity)} for {sorted(known.arrays)}"
        )


def _wrong(text: str) -> UserError:
    return UserError(f"register_layer: {text}", code="alignment")
