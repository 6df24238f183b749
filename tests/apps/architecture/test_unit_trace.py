"""What is said of a layer without a rule."""

from __future__ import annotations

import re

import numpy as np

from apps.architecture.unit_trace import unknown
from apps.genetics.crossover import CROSSOVERS, Crossover, Parents

PAIR = Parents(tuple({"a/kernel": np.full((2, 3), v)} for v in (0.5, 1.0)), (0.2, 0.1))


def works_without_symmetries(crossover: Crossover) -> bool:
    try:
        crossover(np.random.default_rng(0), PAIR)
    except TypeError:
        return False
    return True


def test_the_error_names_the_crossovers_that_need_no_symmetries() -> None:
    found = re.search("crossover (.*), and the distance", str(unknown("mine", "Mine")))
    assert found is not None
    working = {name for name, each in CROSSOVERS.items() if works_without_symmetries(each)}
    assert set(re.split(", | or ", found[1])) == working
    assert working < CROSSOVERS.keys()
