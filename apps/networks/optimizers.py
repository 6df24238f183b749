"""What an optimiser is made of: one may be wrapped in another, as Keras does to scale losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np


def parts(optimizer: Any) -> list[Any]:
    """Return an optimiser and all that are wrapped in it, at any depth, the outermost first.

    Args:
        optimizer: Keras's `LossScaleOptimizer`, `MultiOptimizer`, a wrapper of the user's own that
            has others among its attributes, or a plain one.
    """
    found = [optimizer]
    for each in found:  # grows meanwhile
        for inner in _wrapped(each):
            if all(inner is not known for known in found):
                found.append(inner)
    return found


def innermost(optimizer: Any) -> list[Any]:
    """Return the optimisers that update variables: those that wrap no other."""
    return [each for each in parts(optimizer) if not list(_wrapped(each))]


def variables(optimizer: Any) -> list[Any]:
    """Return an optimiser's variables in its own order, then those of wrapped ones beside them."""
    found = list(optimizer.variables)
    known = {id(variable) for variable in found}
    for each in parts(optimizer)[1:]:
        left_out = [variable for variable in each.variables if id(variable) not in known]
        found += left_out
        known |= {id(variable) for variable in left_out}
    return found


def copies_of_weights(optimizer: Any) -> list[tuple[Any, Any]]:
    """Return pairs of a state that stands for a weight and not for its gradients, and the weight.

    A moving average of the weights does (`use_ema`), and what begins as a copy of them: the slow
    weights of a lookahead, the sequence that `ScheduleFreeAdamW` updates.

    Args:
        optimizer: built and not used yet.
    """
    pairs = []
    for each in parts(optimizer):
        weights = list(getattr(each, "_trainable_variables", ()))
        averages = getattr(each, "_model_variables_moving_average", None)
        for states in vars(each).values():
            if not isinstance(states, list) or states is each._trainable_variables:
                continue
            if states is averages or _are_copies(states, weights):
                pairs += [p for p in zip(states, weights, strict=True) if p[0] is not None]
    return pairs


def averages_its_path(optimizer: Any) -> bool:
    """Whether every step makes the weights of the mean of all steps so far: schedule-free."""
    from keras import optimizers

    kind = getattr(optimizers, "ScheduleFreeAdamW", None)
    return kind is not None and any(isinstance(each, kind) for each in parts(optimizer))


def finalizes(optimizer: Any) -> bool:
    """Whether the weights that a `fit` ends with are others than those of its last step."""
    usual = _keras_optimizer().finalize_variable_values
    return any(
        each.use_ema
        # Keras's own wrappers pass it on to what they wrap.
        or (
            type(each).finalize_variable_values is not usual
            and not type(each).__module__.startswith("keras.")
        )
        for each in parts(optimizer)
    )


@contextmanager
def unfinished(optimizer: Any) -> Iterator[None]:
    """Let `fit` leave the weights as they are after its last step: training is to go on."""
    optimizer.finalize_variable_values = lambda var_list: None
    try:
        yield
    finally:
        del optimizer.finalize_variable_values


def _wrapped(optimizer: Any) -> Iterator[Any]:
    kind = _keras_optimizer()
    for value in list(vars(optimizer).values()):
        held: Any = [value]
        if isinstance(value, Mapping):
            # A map of Keras's has one more beside its items, for all the rest.
            held = [*value.values(), getattr(value, "default_optimizer", None)]
        elif isinstance(value, list | tuple):
            held = value
        yield from (each for each in held if isinstance(each, kind))


def _are_copies(states: Any, weights: list[Any]) -> bool:
    if not weights or len(states) != len(weights):
        return False
    alike = all(
        getattr(state, "shape", None) == weight.shape
        and np.array_equal(np.asarray(state), np.asarray(weight))
        for state, weight in zip(states, weights, strict=True)
    )
    # Zeros say nothing: moments begin so, and weights may.
    return alike and any(np.ptp(np.asarray(weight)) > 0 for weight in weights if weight.shape)


def _keras_optimizer() -> Any:
    from keras import optimizers

    return optimizers.Optimizer
