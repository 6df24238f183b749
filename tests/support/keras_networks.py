"""Networks around one layer or operation, and whether they are aligned and grown rightly."""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np

from apps.architecture.morphable import anatomy
from apps.architecture.symmetries import permutation_spec
from apps.genetics.morphism import morph
from apps.genetics.permutation import permute, random_permutations
from apps.networks.build import assign, named_weights, read
from tests.support.genetics import same

UNITS: Final = 6


MORE: Final = 12


SIDE: Final = 4


L = keras.layers


def hidden(rank: int, units: int) -> tuple[Any, Any]:
    x = keras.Input((*[SIDE] * (rank - 1), 3))
    return x, L.Dense(units, name="before")(x)


def ended(x: Any, y: Any, made: Any) -> Any:
    """Make a network that reads whatever was made, if only its sum."""
    z = keras.tree.flatten(made)[0]
    if "complex" in str(z.dtype):
        z = keras.ops.abs(z)
    z = keras.ops.cast(z, "float32")
    if not z.shape or z.shape[0] is not None or None in z.shape[1:]:
        return keras.Model(x, L.Dense(3, name="after")(L.Flatten()(y)) + keras.ops.sum(z))
    z = L.Reshape((1,))(z) if len(z.shape) == 1 else L.Flatten()(z)
    return keras.Model(x, L.Dense(3, name="after")(z))


def drawn(model: Any, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def fresh(name: str, array: Any) -> Any:
        positive = "variance" in name
        made = rng.uniform(0.5, 1.5, array.shape) if positive else rng.normal(0, 0.5, array.shape)
        return made.astype(array.dtype)

    return {name: fresh(name, array) for name, array in read(named_weights(model)).items()}


def outputs(model: Any, weights: Any) -> Any:
    shape = [5, *model.inputs[0].shape[1:]]
    assign(named_weights(model), weights)
    return np.asarray(model(np.random.default_rng(1).normal(size=shape), training=False))


def close(one: Any, other: Any) -> bool:
    scale = np.abs(one[np.isfinite(one)]).max(initial=1)
    return np.allclose(one, other, 1e-3, 1e-4 * scale, equal_nan=True)


def check_alignment(model: Any) -> dict[str, int]:
    """Permute the units of a network, and return their groups."""
    weights, spec = drawn(model, 0), permutation_spec(model)
    before = outputs(model, weights)
    for seed in (2, 3):
        moved = permute(weights, spec, random_permutations(np.random.default_rng(seed), spec))
        assert not spec.groups or not same(moved, weights)
        assert close(before, outputs(model, moved))
    return dict(spec.groups)


def check_growth(small: Any, large: Any, exact: bool) -> None:
    parent = drawn(small, 0)
    made = morph(parent, drawn(large, 1), anatomy(small), anatomy(large))
    assert made.weights.keys() == read(named_weights(large)).keys()
    if exact:
        assert close(outputs(small, parent), outputs(large, made.weights))
