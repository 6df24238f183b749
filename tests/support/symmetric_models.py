"""The networks of `symmetric_nets` as built models, with random numbers in all their arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from apps.networks.build import assign, named_weights, read
from tests.support.symmetric_nets import GROUPS

CASES = pytest.mark.parametrize("builder", GROUPS, ids=lambda builder: builder.__name__)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Models(dict[Callable[[Any, Any], Any], Any]):
    """The models of `GROUPS`, built when first asked for, random numbers in all their arrays."""

    def __missing__(self, builder):
        import keras

        keras.utils.set_random_seed(0)
        self[builder] = model = builder(keras.layers, keras)
        assign(named_weights(model), random_weights(model, 1))
        return model


def random_weights(model, seed):
    generator = rng(seed)
    return {
        # Variances are positive.
        name: np.abs(generator.normal(size=values.shape)).astype(values.dtype)
        if "variance" in name
        else generator.normal(size=values.shape).astype(values.dtype)
        for name, values in read(named_weights(model)).items()
    }


def samples(model, count=3):
    generator = rng(2)
    inputs = []
    for tensor in model.inputs:
        shape = (count, *(5 if length is None else length for length in tensor.shape[1:]))
        whole = tensor.dtype == "int32"
        inputs.append(generator.integers(0, 9, shape) if whole else generator.normal(size=shape))
    return inputs if len(inputs) > 1 else inputs[0]
