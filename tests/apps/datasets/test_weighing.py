"""Samples count by their classes, in arrays and in TensorFlow's batches alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.datasets.arrays import Samples
from apps.datasets.weighing import classes_of, weighing, weighted

BY = {0: 0.5, 3: 4.0}
LABELS = np.array([0, 1, 3, 3, 2, 5], np.int32)
EXPECTED = [0.5, 1, 4, 4, 1, 1]


def forms() -> dict[str, Any]:
    return {
        "numbers": LABELS,
        "bytes": LABELS.astype(np.uint8),
        "fractions": LABELS.astype(np.float32),
        "a column": LABELS[:, None],
        "an output a class": np.eye(6, dtype=np.float32)[LABELS],
        "soft": (0.9 * np.eye(6) + 0.1 / 6)[LABELS],
    }


@pytest.mark.parametrize("form", forms())
@pytest.mark.parametrize("own", [None, np.arange(6, dtype=np.float64)])
@pytest.mark.parametrize("named", [False, True])
def test_weights_are_those_of_the_classes_times_the_samples_own(
    form: str, own: Any, named: bool
) -> None:
    import tensorflow as tf

    y: Any = {"out": forms()[form]} if named else forms()[form]
    samples = Samples(np.zeros((6, 2), np.float32), y, own)
    expected = np.array(EXPECTED, np.float32) * (1 if own is None else own)
    found = weighted(samples, BY)
    assert found.weights is not None
    assert found.weights.dtype == np.float32
    np.testing.assert_array_equal(found.weights, expected)
    assert found.y is y
    dataset = tf.data.Dataset.from_tensor_slices(samples.fields).batch(4).map(weighing(BY))
    streamed = np.concatenate([batch[2] for batch in dataset.as_numpy_iterator()])
    assert streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, expected, rtol=1e-6)


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(10, 12))
def test_classes_are_kerass_own(labels: list[int], classes: int) -> None:
    from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

    by = {number: number + 0.5 for number in range(classes)}
    for y in (np.array(labels), np.eye(classes)[labels], np.array(labels, np.float32)[:, None]):
        assert classes_of(y).tolist() == labels
        found = weighted(Samples(np.zeros(len(y)), y), by).weights
        np.testing.assert_array_equal(found, class_weight_to_sample_weights(y, by))


def test_no_sample_has_no_weight() -> None:
    found = weighted(Samples(np.zeros((0, 2)), np.zeros(0, np.int32)), BY)
    assert found.weights is not None
    assert len(found.weights) == 0
