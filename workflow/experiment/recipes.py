"""`recipe`: an arm by name, whose settings follow from the experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from apps.errors import did_you_mean
from apps.messages.teachers import LOSSES_OF_NUMBERS

_ADAM_LIKE: Final = 0.001
_USUAL_RATES: Final = {
    "adam": _ADAM_LIKE,
    "adamw": _ADAM_LIKE,
    "nadam": _ADAM_LIKE,
    "adamax": _ADAM_LIKE,
    "rmsprop": _ADAM_LIKE,
    "sgd": 0.01,
}
"""Keras's learning rates, where the experiment names none."""

# What the recipe was tuned at: 6 networks of 784-128-10 on Fashion-MNIST, Adam at 0.001.
_TUNED_EPOCHS: Final = 20
_TUNED_RATE: Final = 2 * _ADAM_LIKE
_TUNED_DECAY: Final = 0.1
_TUNED_WEIGHT: Final = 0.5
_TUNED_WEIGHT_OF_NUMBERS: Final = 0.05
"""Tuned on `tabular` and `lstm`: networks halted half-way know less of a number than its target."""

_NUMBERS: Final = {"mse", "mae"} | {name.replace("_", "") for name in LOSSES_OF_NUMBERS}
_FALL: Final = 0.74
"""Exponent: at twice the epochs a decay of 0.06 and a weight of 0.3 were best."""


def heterosis(population: int, epochs: int, training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the best that is known to be made of N networks: strangers, then one child of all.

    For half of the epochs the networks train alone; then one child starts from the units of all of
    them that together fit their mean output, and learns that, beside the labels, for as long as
    the budget lasts. All train at twice the learning rate, constant for half of each leg and then
    falling to zero, with weight decay and Nesterov momentum over the epochs' steps. Weight decay
    and the teachers' weight fall as the epochs grow, and are never above what they were tuned to.
    Where the targets are numbers, by the name of the loss, the teachers weigh little; a network
    that compiles itself has to have its loss named beside it.

    Args:
        population: N.
        epochs: K.
        training: the table `[training]`.

    Raises:
        ValueError: the optimiser's learning rate is not a number.
    """
    rate = 2 * _rate(training)
    fall = _fallen(epochs)
    # A step takes learning rate x weight decay of a weight away: no more at another rate.
    decay = _TUNED_DECAY * min(1.0, _TUNED_RATE / rate)
    return {
        "epochs": "budget",
        "learning_rate": rate,
        "weight_decay": decay * fall,
        "schedule": {"kind": "cosine", "over": "leg"},
        "outer": {"momentum": 0.7},
        "halts": [{"at": max(1, epochs // 2), "population": 1}],
        "parents": population,
        "crossover": "select",
        "mutation": "none",
        "measure": False,
        "teach": {"weight": _teachers_weight(training.get("loss")) * fall},
    }


RECIPES: Final[Mapping[str, Callable[[int, int, Mapping[str, Any]], dict[str, Any]]]] = {
    "heterosis": heterosis,
}
"""The recipes by name."""


def with_recipes(table: Any) -> Any:
    """Return an experiment's table with the recipes of its arms written out.

    Keys that an arm has beside its recipe replace the recipe's.

    Raises:
        ValueError: a recipe is unknown, or cannot be followed.
    """
    if not isinstance(table, Mapping) or not isinstance(table.get("arms"), list | tuple):
        return table
    return {**table, "arms": [_written_out(arm, table) for arm in table["arms"]]}


def _written_out(arm: Any, table: Mapping[str, Any]) -> Any:
    if not isinstance(arm, Mapping) or "recipe" not in arm:
        return arm
    own = {key: value for key, value in arm.items() if key != "recipe"}
    where, name = f"arms.{arm.get('name')}.recipe", arm["recipe"]
    if name not in RECIPES:
        raise ValueError(
            f"{where}: there is no recipe {name!r}; {did_you_mean(str(name), RECIPES)}there is "
            f"{', '.join(RECIPES)}"
        )
    training = table.get("training")
    population = arm.get("population", table.get("population"))
    epochs = training.get("epochs") if isinstance(training, Mapping) else None
    if not isinstance(population, int) or not isinstance(epochs, int) or population < 1:
        return own  # what is wrong there is said there
    if epochs < 2:
        raise ValueError(f"{where}: a halt needs 2 epochs or more, got epochs = {epochs}")
    return RECIPES[name](population, epochs, training or {}) | own


def weight_if_of_numbers(weight: float, epochs: int, loss: Any) -> float | None:
    """Return a recipe's weight of teachers of numbers, where `weight` is its weight of classes.

    A network that compiles itself has a loss that the file need not name.

    Args:
        weight: the teachers'.
        epochs: K.
        loss: as `[training]` has it.

    Returns:
        None if the weight is another one, or the file names a loss of numbers.
    """
    fall = _fallen(epochs)
    if _teachers_weight(loss) != _TUNED_WEIGHT or not math.isclose(weight, _TUNED_WEIGHT * fall):
        return None
    return _TUNED_WEIGHT_OF_NUMBERS * fall


def _fallen(epochs: int) -> float:
    """Return the factor on decay and teachers' weight."""
    return min(1.0, float((_TUNED_EPOCHS / epochs) ** _FALL))


def _teachers_weight(loss: Any) -> float:
    losses = loss.values() if isinstance(loss, Mapping) else [loss]
    plain = [str(each).lower().replace("_", "") for each in losses]
    return _TUNED_WEIGHT_OF_NUMBERS if _NUMBERS & {*plain} else _TUNED_WEIGHT


def _rate(training: Mapping[str, Any]) -> float:
    params = training.get("optimizer_params") or {}
    rate = params.get("learning_rate") if isinstance(params, Mapping) else None
    name = str(training.get("optimizer") or "adam").lower()
    found = _USUAL_RATES.get(name) if rate is None else rate
    if not isinstance(found, int | float):
        raise ValueError(
            f"training.optimizer_params.learning_rate: a recipe takes a multiple of it, and it is "
            f"{rate!r} of {name!r}; give it as a number"
        )
    return float(found)
