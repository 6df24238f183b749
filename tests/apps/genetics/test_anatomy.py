"""What is said of an architecture."""

import pickle

import pytest

from apps.genetics.anatomy import (
    Anatomy,
    Layer,
    Step,
    ends_in_sum,
)
from apps.genetics.errors import GeneticsError
from apps.genetics.morphism import morph
from apps.genetics.permutation import PermutationSpec
from tests.support.genetics import dense
from tests.support.stacks import rng, stack


def test_a_branch_ends_in_a_sum_unless_another_layer_comes_before():
    layers = (Layer("a", "d", {}), Layer("n", "bn", {}, makes=False), Layer("b", "d", {}))
    steps = (
        Step((0,), (1,), "a"),
        Step((1,), (2,), "n"),
        Step((2,), (3,), "b"),
        Step((3,), (4,)),
        Step((0, 4), (5,), adds=True),
    )
    known = Anatomy(PermutationSpec({}), layers, steps, (0,), (5,))
    assert [ends_in_sum(known, name) for name in "ab"] == [False, True]


def test_a_wrong_anatomy_or_way_is_refused():
    parent, shape = dense(rng(), (3, 4, 2)), stack(3, 4, 2)
    with pytest.raises(GeneticsError, match="shape"):
        morph(parent, dense(rng(), (3, 5, 2)), shape, shape)
    with pytest.raises(GeneticsError, match="unknown names"):
        Anatomy(shape.spec, shape.layers, (Step((0,), (1,), "x"),), (0,), (1,))


def test_an_anatomy_survives_pickling():
    assert pickle.loads(pickle.dumps(stack(3, 4, 2))) == stack(3, 4, 2)
