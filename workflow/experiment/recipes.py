"""`recipe`: an arm by name, whose settings follow from the experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from apps.errors import did_you_mean
from apps.messages.results import FORWARD_PASS
from apps.messages.specs import OuterSpec
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

# What the recipe was tuned at: 6 networks of 784-128-10 on Fashion-MNIST, Adam at 0.001, for few
# epochs and, on other seeds of `taught_100`, for many.
_TUNED_RATE: Final = 2 * _ADAM_LIKE
_FEW: Final = 20
_MANY: Final = 100

_NUMBERS: Final = {"mse", "mae"} | {name.replace("_", "") for name in LOSSES_OF_NUMBERS}


class _Tuned(NamedTuple):
    """What follows from the epochs, at the tuned learning rate.

    Attributes:
        weight: the teachers', beside the labels.
        decay_alone: weight decay of the networks that train alone.
        decay_taught: that of their child.
    """

    weight: float
    decay_alone: float
    decay_taught: float


_OF_CLASSES: Final = _Tuned(0.5, 0.1, 0.1), _Tuned(0.8, 0.2, 0.1)
"""For few epochs and for many: who can learn all labels by heart has more to learn of teachers."""

_OF_NUMBERS: Final = _Tuned(0.05, 0.1, 0.1)
"""Tuned on `tabular` and `lstm`: networks halted half-way know less of a number than its target."""

_FALL: Final = 0.74
"""Exponent by which settings for numbers fall beyond few epochs: to 0.6 at twice as many."""

_THIRDS: Final = 1e-9
"""What thirds of epochs may be short of a whole number."""

_TEACHERS: Final = 6
"""The best members whose mean prediction is taught in a search."""


@dataclass(frozen=True)
class Asked:
    """What a recipe follows from.

    Attributes:
        population: N.
        epochs: K.
        training: the table `[training]`.
        searches: whether the members differ in their architecture or settings.
    """

    population: int
    epochs: int
    training: Mapping[str, Any]
    searches: bool

    @property
    def tuned(self) -> _Tuned:
        """What follows from the epochs, by what the targets are."""
        of_numbers = _is_of_numbers(self.training.get("loss"))
        return (_of_numbers if of_numbers else _of_classes)(self.epochs)

    @property
    def lesson(self) -> float:
        """Network-epochs that the teachers of a halt of a search take."""
        return min(_TEACHERS, self.population) * FORWARD_PASS


def heterosis(asked: Asked) -> dict[str, Any]:
    """Return the best that is known to be made of N networks.

    Of one architecture: strangers, then one child of all. For half of the epochs the networks train
    alone; then one child starts from the units of all of them that together fit their mean output,
    and learns that, beside the labels, for as long as the budget lasts. All train at twice the
    learning rate, constant for half of each leg and then falling to zero, with weight decay and
    Nesterov momentum over the epochs' steps. Where the targets are classes, the teachers' weight
    and the weight decay of the networks that train alone grow from 20 epochs to 100. Where they are
    numbers, by the name of the loss, the teachers weigh little, and both fall beyond 20 epochs; a
    network that compiles itself has to have its loss named beside it. There is no momentum over
    epochs beside `ScheduleFreeAdamW`.

    In a search: four generations of networks that keep weights, in species, with a learning rate
    that falls to zero. Each child learns what the best six predict; the last generation is few
    copies of the best, which train twice as long and are merged at the end (`search_decay`).

    Raises:
        ValueError: the optimiser's learning rate is not a number; or a search has fewer networks
            or epochs than it takes.
    """
    if asked.searches:
        return _search(asked)
    rate, tuned = 2 * _rate(asked.training), asked.tuned
    # A step takes learning rate x weight decay of a weight away: no more at another rate.
    at_rate = min(1.0, _TUNED_RATE / rate)
    child: dict[str, float] = {"population": 1}
    if tuned.decay_taught != tuned.decay_alone:
        child["weight_decay"] = tuned.decay_taught * at_rate
    return {
        "epochs": "budget",
        "learning_rate": rate,
        "weight_decay": tuned.decay_alone * at_rate,
        "schedule": {"kind": "cosine", "over": "leg"},
        "outer": {"momentum": 0.0 if _is_schedule_free(asked.training.get("optimizer")) else 0.7},
        "halts": [{"at": max(1, asked.epochs // 2), **child}],
        "parents": asked.population,
        "crossover": "select",
        "mutation": "none",
        "measure": False,
        "teach": {"weight": tuned.weight},
    }


def _search(asked: Asked) -> dict[str, Any]:
    *halts, last = _generations(asked)
    rest = asked.epochs - last
    left = asked.population * rest - asked.lesson * (len(halts) + 1)
    few = {
        "mating": "all",
        "selection": "truncation",
        "parents": 1,
        "population": max(1, int(left / (2 * rest) + _THIRDS)),
        "search": {"mutation_rate": 0.0},
    }
    return {
        "epochs": "budget",
        "schedule": "cosine",
        "halts": [*halts, {"at": last, **few}],
        "mating": "species",
        "species": {"method": "dynamic", "between": 0.1},
        "selection": {"name": "tournament", "size": 3},
        "parents": 2,
        "crossover": "select",
        "search": {"inherit": "nearest"},
        "mutation": "none",
        "optimizer": "inherit",
        "measure": False,
        "harvest": "mean",
        "teach": {"weight": asked.tuned.weight, "teachers": _TEACHERS},
    }


def _generations(asked: Asked) -> list[int]:
    """Return the halts of a search: three, or as many as leave epochs for the last generation."""
    for count in (3, 2, 1):
        halts = [asked.epochs * (place + 1) // (count + 1) for place in range(count)]
        rest = asked.epochs - halts[-1]
        if halts[0] > 0 and asked.population * rest - asked.lesson * count >= rest:
            return halts
    raise ValueError(
        f"a search by this recipe needs 2 networks and 2 epochs or more, got a population of "
        f"{asked.population} and epochs = {asked.epochs}: raise them, or leave the arm out"
    )


def halving_taught(asked: Asked) -> dict[str, Any]:
    """Return successive halving with a falling learning rate, whose last networks are taught.

    Twice as many networks as N begin, N go on after a quarter of the epochs, and after half of them
    as many as the budget allows, which learn what the best six predict beside the labels. Of a
    search it had half of the gain of `heterosis` for about half of its processor time
    (`search_decay`).

    Raises:
        ValueError: there are fewer networks or epochs than it takes.
    """
    first, second = asked.epochs // 4, asked.epochs // 2
    spent = asked.population * (first + second) + asked.lesson
    last = int((asked.population * asked.epochs - spent) / (asked.epochs - second) + _THIRDS)
    if first < 1 or last < 1:
        raise ValueError(
            "halving by this recipe needs 3 networks and 4 epochs or more, got a population of "
            f"{asked.population} and epochs = {asked.epochs}: raise them, or leave the arm out"
        )
    teach = {"weight": asked.tuned.weight, "teachers": _TEACHERS}
    return {
        "population": 2 * asked.population,
        "mating": "survivors",
        "halts": [
            {"at": first, "population": asked.population},
            {"at": second, "population": last, "teach": teach},
        ],
        "schedule": "cosine",
    }


RECIPES: Final[Mapping[str, Callable[[Asked], dict[str, Any]]]] = {
    "heterosis": heterosis,
    "halving-taught": halving_taught,
}
"""The recipes by name."""


def with_recipes(table: Any) -> Any:
    """Return an experiment's table with the recipes of its arms written out.

    Keys that an arm has beside its recipe replace the recipe's; a weight decay is then the child's,
    too, and what `teach` does not say stays the recipe's.

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
    if not isinstance(name, str) or name not in RECIPES:
        raise ValueError(
            f"{where}: there is no recipe {name!r}; {did_you_mean(str(name), RECIPES)}there is "
            f"{', '.join(RECIPES)}"
        )
    training = table.get("training")
    population = arm.get("population", table.get("population"))
    epochs = training.get("epochs") if isinstance(training, Mapping) else None
    if not (_is_count(population) and isinstance(epochs, int) and _is_count(epochs)):
        return own  # what is wrong there is said there
    if epochs < 2:
        raise ValueError(f"{where}: a halt needs 2 epochs or more, got epochs = {epochs}")
    searches = table.get("space") is not None
    try:
        recipe = RECIPES[name](Asked(population, epochs, training or {}, searches))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if "population" in own and (searches or "population" in recipe):
        raise ValueError(
            f"{where}: its populations follow from the experiment's: leave the arm's population out"
        )
    if "teach" in own and "teach" not in recipe:
        recipe["halts"][-1]["teach"] = _merged(recipe["halts"][-1]["teach"], own.pop("teach"))
    elif "teach" in own:
        own["teach"] = _merged(recipe["teach"], own["teach"])
    if "weight_decay" in own:
        recipe["halts"] = [
            {key: value for key, value in halt.items() if key != "weight_decay"}
            if isinstance(halt, dict)
            else halt
            for halt in recipe["halts"]
        ]
    return recipe | own


def _merged(teach: Mapping[str, Any], own: Any) -> Any:
    return {**teach, **own} if isinstance(own, Mapping) else own


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


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
    if _is_of_numbers(loss) or not math.isclose(weight, _of_classes(epochs).weight):
        return None
    return _of_numbers(epochs).weight


def without_outer(outer: OuterSpec | None, optimizer: Any) -> bool:
    """Whether an arm has no momentum over epochs because its optimiser does not go with it.

    Args:
        outer: the arm's.
        optimizer: as `[training]` has it.
    """
    return outer is not None and not outer.momentum and _is_schedule_free(optimizer)


def _is_schedule_free(optimizer: Any) -> bool:
    return str(optimizer).lower() == "schedulefreeadamw"


def _of_classes(epochs: int) -> _Tuned:
    """Return what was tuned, and between few epochs and many what lies between, by logarithm."""
    few, many = _OF_CLASSES
    way = math.log(epochs / _FEW) / math.log(_MANY / _FEW)
    way = min(max(way, 0.0), 1.0)
    return _Tuned(*(a + (b - a) * way for a, b in zip(few, many, strict=True)))


def _of_numbers(epochs: int) -> _Tuned:
    fall = min(1.0, float((_FEW / epochs) ** _FALL))
    return _Tuned(*(each * fall for each in _OF_NUMBERS))


def _is_of_numbers(loss: Any) -> bool:
    losses = loss.values() if isinstance(loss, Mapping) else [loss]
    return bool(_NUMBERS & {str(each).lower().replace("_", "") for each in losses})


def _rate(training: Mapping[str, Any]) -> float:
    params = training.get("optimizer_params") or {}
    rate = params.get("learning_rate") if isinstance(params, Mapping) else None
    name = str(training.get("optimizer") or "adam").lower()
    found = _USUAL_RATES.get(name) if rate is None else rate
    if not isinstance(found, int | float) or isinstance(found, bool) or not found > 0:
        raise ValueError(
            f"training.optimizer_params.learning_rate: a recipe takes a multiple of it, and it is "
            f"{rate!r} of {name!r}; give it as a number above 0"
        )
    return float(found)
