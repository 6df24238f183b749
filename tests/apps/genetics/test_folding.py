"""A layer that is dropped is folded into the one that reads it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.morphism import morph
from tests.support.genetics import SEEDS, dense
from tests.support.stacks import WIDTHS, computed, rng, stack


@given(WIDTHS, WIDTHS, st.data(), SEEDS)
def test_layers_that_are_linear_are_dropped_without_loss(widths, dropped, data, seed):
    more = data.draw(st.lists(st.integers(0, 4), min_size=len(widths), max_size=len(widths)))
    wider = [width + added for width, added in zip(widths, more, strict=True)]
    large, small = (3, *widths, *dropped, 2), (3, *wider, 2)
    generator = rng(seed)
    parent, child = (dense(generator, sizes, np.float64) for sizes in (large, small))
    shapes = [stack(*sizes, slope=1.0) for sizes in (large, small)]
    made = morph(parent, child, *shapes)
    last = len(large) - 2
    assert made.lost == tuple(
        f"layer l{number} is folded into l{last}" for number in range(len(widths), last)
    )
    x = generator.normal(size=(11, 3))
    old, new = (computed(network, x, lambda z: z) for network in (parent, made.weights))
    np.testing.assert_allclose(new, old, atol=1e-9 * max(1, abs(old).max()))
