"""The values that one parameter may have: a choice, an integer range, a float range."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Value = bool | int | float | str

_EXACT = 2**53  # up to here integers are exact as floats, and safe in JSON
_LARGEST = 1e300  # so that no difference and no exponential overflows
_EPS = 2.0**-52


@dataclass(frozen=True)
class Choice:
    """One of some values; if they are `ordered`, a mutation moves to a neighbour."""

    values: tuple[Value, ...]
    ordered: bool = False


@dataclass(frozen=True)
class Integer:
    """A whole number from low to high (both possible), in steps; `log` for sizes."""

    low: int
    high: int
    log: bool = False
    step: int = 1


@dataclass(frozen=True)
class Float:
    """A number from low to high; `log` for learning rates and the like."""

    low: float
    high: float
    log: bool = False


Domain = Choice | Integer | Float


def draw(rng: np.random.Generator, domain: Domain) -> Value:
    """Draw a value, uniformly or on a logarithmic scale."""
    if isinstance(domain, Choice):
        return domain.values[int(rng.integers(len(domain.values)))]
    if isinstance(domain, Integer) and not domain.log:
        return domain.low + domain.step * int(rng.integers(int(points(domain))))
    if isinstance(domain, Integer):
        # Each value stands for the interval up to the next one.
        low, high = math.log(domain.low), math.log(domain.high + domain.step)
        steps = math.floor((math.exp(low + (high - low) * rng.random()) - domain.low) / domain.step)
        return domain.low + domain.step * min(max(steps, 0), int(points(domain)) - 1)
    return _from_unit(domain, float(rng.random()))


def moved(rng: np.random.Generator, domain: Domain, value: Value, scale: float) -> Value:
    """Mutate a value; it stays the same only if there is no other."""
    if points(domain) == 1:
        return value
    if isinstance(domain, Choice):
        place = domain.values.index(value)
        if domain.ordered:
            return _neighbour(domain, value, up=bool(rng.integers(2)))
        other = int(rng.integers(len(domain.values) - 1))
        return domain.values[other + (other >= place)]
    noise = scale * float(rng.standard_normal())
    folded = (_unit_of(domain, value) + noise) % 2.0
    moved = _from_unit(domain, min(folded, 2.0 - folded))
    return moved if moved != value else _neighbour(domain, value, up=noise >= 0)


def _neighbour(domain: Domain, value: Value, up: bool) -> Value:
    """Return the neighbour in one direction, or in the other at the end."""
    if isinstance(domain, Choice):
        place, last = domain.values.index(value), len(domain.values) - 1
        up = up if 0 < place < last else place == 0
        return domain.values[place + 1 if up else place - 1]
    assert not isinstance(value, str)
    up = up if domain.low < value < domain.high else value <= domain.low
    if isinstance(domain, Integer):
        return int(value) + (domain.step if up else -domain.step)
    return math.nextafter(value, domain.high if up else domain.low)


def _unit_of(domain: Domain, value: Value) -> float:
    """Give the place, within [0, 1], of a number or ordered choice in a range of several."""
    if isinstance(domain, Choice):
        return domain.values.index(value) / (len(domain.values) - 1)
    assert not isinstance(value, str)
    if domain.log:
        low, high = math.log(domain.low), math.log(domain.high)
        return (math.log(value) - low) / (high - low)
    return (value - domain.low) / (domain.high - domain.low)


def _from_unit(domain: Integer | Float, place: float) -> Value:
    """Give the value at a place of the range, on the grid."""
    if domain.log:
        low, high = math.log(domain.low), math.log(domain.high)
        number = math.exp(low + (high - low) * place)
    else:
        number = domain.low + (domain.high - domain.low) * place
    if isinstance(domain, Integer):
        steps = round((number - domain.low) / domain.step)
        return domain.low + domain.step * min(max(steps, 0), int(points(domain)) - 1)
    # Rounded, since the logarithms of two machines may differ in the last bit; 0.0 for -0.0.
    return min(max(float(f"{number:.12g}") + 0.0, float(domain.low)), float(domain.high))


def all_apart(
    domain: Domain, ones: Sequence[Value], others: Sequence[Value]
) -> NDArray[np.float64]:
    """Return the distances between values, each in [0, 1]: [ones, others]."""
    places = {value: place for place, value in enumerate(dict.fromkeys([*ones, *others]))}
    numbers = [np.array([places[value] for value in side], int) for side in (ones, others)]
    differ: NDArray[np.float64] = np.not_equal.outer(*numbers).astype(np.float64)
    if isinstance(domain, Choice) and not domain.ordered:
        return differ
    if len(places) < 2:
        return differ
    units = [np.array([_unit_of(domain, value) for value in side]) for side in (ones, others)]
    # Floats may differ and have the same logarithm: different values are never at distance 0.
    differ *= np.maximum(np.abs(np.subtract.outer(*units)), _EPS)
    return differ


def points(domain: Domain) -> float:
    """Return the number of values; inf of a float that has a range."""
    if isinstance(domain, Choice):
        return len(domain.values)
    if isinstance(domain, Integer):
        return (domain.high - domain.low) // domain.step + 1
    return 1 if domain.low == domain.high else math.inf


def contains(domain: Domain, value: object) -> bool:
    """Whether a value is of the domain and of its type."""
    if isinstance(domain, Choice):
        return any(type(each) is type(value) and each == value for each in domain.values)
    if isinstance(domain, Integer):
        return (
            type(value) is int
            and domain.low <= value <= domain.high
            and (value - domain.low) % domain.step == 0
        )
    return type(value) is float and domain.low <= value <= domain.high


def example(domain: Domain) -> Value:
    """Return a value that is allowed, for a message."""
    if isinstance(domain, Choice):
        return domain.values[0]
    return domain.low if isinstance(domain, Integer) else float(domain.low)


def extremes(domain: Domain) -> tuple[Value, ...]:
    """Return all values of a choice, or the least and the greatest number.

    >>> extremes(Integer(2, 8, step=2)), extremes(Choice(("relu", "tanh")))
    ((2, 8), ('relu', 'tanh'))
    """
    if isinstance(domain, Choice):
        return domain.values
    if isinstance(domain, Integer):
        return domain.low, domain.high
    return float(domain.low), float(domain.high)


def described(domain: Domain) -> str:
    """Say which values are allowed."""
    if isinstance(domain, Choice):
        return f"one of {list(domain.values)}"
    if isinstance(domain, Integer):
        steps = f" in steps of {domain.step}" if domain.step > 1 else ""
        return f"an integer from {domain.low} to {domain.high}{steps}"
    return f"a float from {float(domain.low)} to {float(domain.high)}"


def choice_faults(domain: Choice) -> Iterator[tuple[str, object, str]]:
    """Yield what is wrong with a choice: rule, what was received, next step."""
    values = domain.values
    if not values:
        yield "a choice has at least one value", "none", "Add the values."
    for value in values:
        if type(value) not in (bool, int, float, str):
            yield (
                "the values of a choice are Python booleans, numbers or texts",
                repr(value),
                "Use e.g. its name, and look it up in the builder.",
            )
        elif isinstance(value, float) and not math.isfinite(value):
            yield "a number must be finite", value, "Use a text, e.g. 'none', for a special case."
    if any(value in values[:place] for place, value in enumerate(values)):
        yield (
            "the values of a choice differ (1, 1.0 and True are equal)",
            list(values),
            "Remove the repeated ones.",
        )


def number_faults(domain: Integer | Float) -> Iterator[tuple[str, object, str]]:
    """Yield what is wrong with a range of numbers: rule, what was received, next step."""
    low, high = domain.low, domain.high
    whole = isinstance(domain, Integer)
    kinds = (int,) if whole else (int, float)
    limits = f"low = {low!r}, high = {high!r}"
    if type(low) not in kinds or type(high) not in kinds:
        kind = "whole numbers" if whole else "numbers"
        yield f"low and high must be {kind} of Python", limits, "Write them as such."
    elif not low <= high:
        yield "low must be at most high", limits, "Exchange them."
    elif any(abs(each) > (_EXACT if type(each) is int else _LARGEST) for each in (low, high)):
        yield (
            "low and high must be within 2**53 of 0, or 1e300 if they are floats",
            limits,
            "Use bounds that training can survive.",
        )
    elif domain.log and low <= 0:
        yield "a logarithmic range must have low > 0", limits, "Raise low, or use log = False."
    elif isinstance(domain, Integer):
        step = domain.step
        if type(step) is not int or step < 1:
            yield "step must be a whole number >= 1", repr(step), "Use step = 1."
        elif (high - low) % step:
            yield (
                "high - low must be a multiple of step",
                f"{limits}, step = {step}",
                f"Use high = {high - (high - low) % step}.",
            )
