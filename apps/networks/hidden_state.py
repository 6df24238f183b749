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

    held = [*model.variables, *variables(model.optimizer)]
    known = {id(each) for variable in held for each in (variable, variable.value)}
    own = parts(model.optimizer)
    found: dict[str, Reading] = {}
    for layer in model._flatten_layers():
        where = type(model).__name__ if layer is model else f"layer {layer.name!r}"
        # TensorFlow keeps what is assigned once more, under names of its own.
        public = {name: value for name, value in vars(layer).items() if name[:6] != "_self_"}
        for name, value in public.items():
            for each in _one_or_several(value):
                if isinstance(each, optimizers.Optimizer):
                    if all(each is not one for one in own):
                        found[f"{where}.{name}"] = _of_optimizer(each)
                elif isinstance(each, tf.Variable | Variable) and id(each) not in known:
                    found[f"{where}.{name}"] = _of_variable(each)
    return found


def moved(states: Mapping[str, Reading], before: Mapping[str, list[Array]]) -> list[str]:
    """Return the attributes whose state is not what it was.

    Args:
        states: of a model, from `hidden_state`.
        before: their values then.
    """
    return [name for name, reading in states.items() if not _alike(reading(), before[name])]


def _of_optimizer(optimizer: Any) -> Reading:
    # One that is not built yet has more variables afterwards.
    return lambda: [np.asarray(each) for each in variables(optimizer)]


def _of_variable(variable: Any) -> Reading:
    return lambda: [np.asarray(variable)]


def _one_or_several(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    else:
        yield value


def _alike(now: list[Array], then: list[Array]) -> bool:
    return len(now) == len(then) and all(map(np.array_equal, now, then))
