"""Which layers and units of a parent its child has."""

import numpy as np
import pytest

from apps.genetics.anatomy import (
    Anatomy,
    Layer,
    Part,
    Step,
    match_layers,
)
from apps.genetics.carrying import NEW, Source, carry
from apps.genetics.permutation import PermutationSpec, Segment


def test_gates_positions_and_joined_units_are_carried_unit_by_unit():
    sources = {"a": Source("p", np.array([1, NEW])), "b": Source("q", np.array([0, NEW]))}
    ours = ((Segment(2, "a", outer=2), Segment(1), Segment(2, "b", inner=2)),)
    theirs = ((Segment(1, "q", inner=2), Segment(1), Segment(2, "p", outer=2)),)
    parent, fresh = np.arange(7.0), np.full(9, 50.0)
    made = carry(parent, theirs, fresh, ours, Part("x"), sources)
    assert made is not None
    assert made.tolist() == [4, 50, 6, 50, 2, 0, 1, 50, 50]
    read = carry(parent, theirs, fresh, ours, Part("x", consumed=(0,)), sources)
    assert read is not None
    assert read.tolist() == [4, 0, 6, 0, 2, 0, 1, 0, 0]


def test_what_has_nothing_in_common_is_not_carried():
    sources = {"a": Source("p", np.array([0, 1]))}
    fresh, parent = np.zeros(4), np.ones(6)
    ours, theirs = ((Segment(2, "a", outer=2),),), ((Segment(2, "p", outer=3),),)
    assert carry(parent, theirs, fresh, ours, Part("x"), sources) is None
    assert carry(parent, ((),), fresh, ((),), Part("x"), {}) is None
    assert carry(np.ones((2, 3)), ((), ()), fresh, ((),), Part("x"), {}) is None


def rows(*names: str, kinds: str = "") -> Anatomy:
    layers = tuple(
        Layer(name, kind, {}) for name, kind in zip(names, kinds or "d" * len(names), strict=True)
    )
    steps = tuple(Step((i,), (i + 1,), name) for i, name in enumerate(names))
    return Anatomy(PermutationSpec({}), layers, steps, (0,), (len(names),))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (rows("a"), rows("b"), {"b": "a"}),
        (rows("a", "b"), rows("a", "b", "c"), {"a": "a", "c": "b"}),
        (rows("a", "b", "c"), rows("a", "b"), {"a": "a", "b": "c"}),
        (rows("h", "o"), rows("x", "y", "o"), {"x": "h", "o": "o"}),
        (rows("s1", "t1", "o"), rows("s1", "s2", "t1", "o"), {"s1": "s1", "t1": "t1", "o": "o"}),
        (rows("c", "o", kinds="cd"), rows("c", "e", "o", kinds="ced"), {"c": "c", "o": "o"}),
        (rows("c", "o", kinds="cd"), rows("h", "o", kinds="dd"), {"o": "o"}),
    ],
)
def test_layers_are_matched_kind_by_kind_and_the_last_with_the_last(before, after, expected):
    assert match_layers(before, after) == expected
