"""What is said of a layer without a rule."""

from __future__ import annotations

import re
from inspect import signature

import numpy as np

from apps.architecture.unit_trace import unknown
from apps.genetics.crossover import Crossover, Parents
from apps.genetics.unit_selection import ALL_CROSSOVERS

PAIR = Parents(tuple({"a/kernel": np.full((2, 3), v)} for v in (0.5, 1.0)), (0.2, 0.1))


def works_without_symmetries(crossover: Crossover) -> bool:
    new = {"initial": PAIR.weights[0]}
    asked = {name: new[name] for name in new.keys() & signature(crossover).parameters.keys()}
    try:
        crossover(np.random.default_rng(0), PAIR, **asked)
    except TypeError:
        return False
    return True


def test_the_error_names_the_crossovers_that_need_no_symmetries() -> None:
    found = re.search("crossover (.*), and the distance", str(unknown("mine", "Mine")))
    assert found is not None
    working = {name for name, each in ALL_CROSSOVERS.items() if works_without_symmetries(each)}
    assert set(re.split(", | or ", found[1])) == working
    assert working < ALL_CROSSOVERS.keys()
