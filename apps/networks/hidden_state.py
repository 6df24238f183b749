"""State of a model that no checkpoint holds: not among its variables, nor its optimiser's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from apps.datasets.arrays import Array
from apps.networks.optimizers import parts, variables

Reading = Callable[[], list[Array]]
"""Returns the values of a state as they are now."""


def hidden_state(model: Any) -> dict[str, Reading]:
    """Return what can be read of such state, by the attribute that has it.

    That is an optimiser beside the one that the model was compiled with, as a model with a
    `train_step` of its own may have, and a variable of TensorFlow's that no layer added.

    Args:
        model: a compiled Keras model.
    """
    import tensorflow as tf
    from keras import Variable, optimizers

    stored = [*model.variables, *variables(model.optimizer)]
    known = {id(each) for variable in stored for each in (variable, variable.value)}
    own = parts(model.optimizer)
    found: dict[str, Reading] = {}
    for layer in model._flatten_layers():
        where = type(model).__name__ if layer is model else f"layer {layer.name!r}"
        # TensorFlow keeps what is assigned once more, under names of its own.
        public = {name: value for name, value in vars(layer).items() if name[:6] != "_self_"}
        for name, value in public.items():
            held = [*_one_or_several(value)]
            others = [each for each in held if isinstance(each, optimizers.Optimizer)]
            others = [each for each in others if all(each is not one for one in own)]
            loose = [each for each in held if isinstance(each, tf.Variable | Variable)]
            loose = [each for each in loose if id(each) not in known]
            if others or loose:
                found[f"{where}.{name}"] = _reading(others, loose)
    return found


def moved(states: Mapping[str, Reading], before: Mapping[str, list[Array]]) -> list[str]:
    """Return the attributes whose state is not what it was.

    Args:
        states: of a model, from `hidden_state`.
        before: their values then.
    """
    return [name for name, reading in states.items() if not _alike(reading(), before[name])]


def _reading(optimizers: list[Any], loose: list[Any]) -> Reading:
    def values() -> list[Array]:
        # An optimiser that is not built yet has more variables afterwards.
        built = [each for optimizer in optimizers for each in variables(optimizer)]
        return [np.asarray(each) for each in (*built, *loose)]

    return values


def _one_or_several(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    else:
        yield value


def _alike(now: list[Array], then: list[Array]) -> bool:
    return len(now) == len(then) and all(map(np.array_equal, now, then))
