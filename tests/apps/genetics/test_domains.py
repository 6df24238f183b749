"""What a domain may be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apps.genetics.domains import Choice, Float, Integer
from apps.genetics.errors import GeneticsError
from tests.support.spaces import one


@pytest.mark.parametrize(
    ("domain", "match"),
    [
        (Choice(()), "at least one value, received none"),
        (Choice((1, 2, 1)), r"differ .*received \[1, 2, 1\]"),
        (Choice((1, True)), r"differ .*received \[1, True\]"),
        (Choice((1, None)), "Python booleans, numbers or texts, received None"),
        (Choice((np.int64(1),)), "Python booleans, numbers or texts, received"),
        (Choice(([1, 2],)), r"numbers or texts, received \[1, 2\]"),
        (Choice((0.1, math.inf)), "must be finite, received inf"),
        (Integer(3, 2), "low must be at most high, received low = 3, high = 2"),
        (Integer(0, 8, log=True), "must have low > 0"),
        (Integer(1, 9, step=0), "step must be a whole number >= 1, received 0"),
        (Integer(1, 9, step=1.5), "step must be a whole number >= 1, received 1.5"),
        (Integer(1, 10, step=2), "multiple of step, received .*Use high = 9"),
        (Integer(1.0, 9), "must be whole numbers of Python"),
        (Integer(False, True), "must be whole numbers of Python"),
        (Integer(0, 2**60), "within 2.*53 of 0"),
        (Float(0.5, 0.1), "low must be at most high"),
        (Float(0.0, math.nan), "low must be at most high"),
        (Float(0.0, 1.0, log=True), "must have low > 0"),
        (Float(-1e308, 1e308), "or 1e300 if they are floats"),
        (Float(0.0, math.inf), "or 1e300 if they are floats"),
        (Float(0.0, 10**400), "within 2.*53 of 0"),
        (Float("0", 1.0), "must be numbers of Python"),
        (Float(np.float64(0), 1.0), "must be numbers of Python"),
    ],
)
def test_wrong_domains_are_refused_naming_the_gene(domain, match):
    with pytest.raises(GeneticsError, match=match) as refused:
        one(domain)
    assert str(refused.value).startswith("Gene 'g': ")
