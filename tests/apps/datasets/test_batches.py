"""A part of a data set in batches: read anew for every pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from apps.datasets.batches import PROBE, Batches, is_batches
from apps.errors import HeterosisError, UserError
from apps.runtime import load_keras

SIZE = 4


def rows(count: int) -> Any:
    x = np.arange(count * SIZE, dtype=np.float32).reshape(-1, 1)
    return x, x[:, 0].astype(np.int64)


def dataset(count: int = 3) -> Any:
    load_keras()
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(rows(count)).batch(SIZE)


def indexed(count: int = 3) -> Any:
    keras = load_keras()
    x, y = rows(count)

    class Rows(keras.utils.PyDataset):
        def __len__(self) -> int:
            return count

        def __getitem__(self, index: int) -> Any:
            chosen = slice(index * SIZE, (index + 1) * SIZE)
            return x[chosen], y[chosen]

    return Rows()


def shuffled(seed: int) -> Any:
    return dataset().unbatch().shuffle(100, seed=seed).batch(SIZE)


def read(batches: Batches) -> list[float]:
    return [float(each) for batch in batches for each in batch.x[:, 0]]


@pytest.mark.parametrize("make", [dataset, indexed])
def test_every_pass_reads_all_batches_in_one_order(make: Callable[[], Any]) -> None:
    batches = Batches("train", make())
    assert read(batches) == read(batches) == list(range(3 * SIZE))
    batches.check_repeats()


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize("make", [dataset, indexed])
def test_a_part_without_a_batch_is_refused(make: Callable[[int], Any], name: str) -> None:
    with pytest.raises(UserError, match=f"{name} must have at least one batch, got none"):
        Batches(name, make(0)).check_repeats()


def test_a_function_of_a_seed_is_called_for_each_epoch() -> None:
    batches = Batches("train", shuffled)
    orders = [batches.order(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    one, again, other = (
        [float(x) for batch in batches.epoch(order).as_numpy_iterator() for x in batch[0][:, 0]]
        for order in orders
    )
    assert one == again != other
    assert sorted(one) == sorted(other) == list(range(3 * SIZE))
    assert batches.varies
    assert read(batches) == read(batches)


def test_a_dataset_has_one_order_for_all() -> None:
    batches = Batches("train", dataset())
    assert not batches.varies
    assert not batches.order(np.random.default_rng(0)).size
    (remark,) = batches.told(training=True)
    assert "meets the training batches in one order" in remark
    assert not list(batches.told(training=False))


def test_a_probe_is_the_first_samples() -> None:
    probe = Batches("train", dataset(PROBE // SIZE + 2)).probe()
    assert len(probe) == PROBE
    assert probe.x[-1, 0] == PROBE - 1


def test_epochs_of_other_lengths_are_refused() -> None:
    batches = Batches("train", dataset())
    for _ in range(2):
        batches.counted(3)
    with pytest.raises(HeterosisError, match="gave 2 batches in one epoch and 3 in another"):
        batches.counted(2)


def test_what_a_function_makes_is_checked() -> None:
    with pytest.raises(UserError, match=r"must return a tf\.data\.Dataset or a keras"):
        read(Batches("train", lambda seed: [seed]))
    with pytest.raises(UserError, match="its function of a seed raised ZeroDivisionError"):
        read(Batches("train", lambda seed: seed // 0))


def test_what_comes_in_batches_is_told_from_arrays() -> None:
    assert all(map(is_batches, (dataset(), indexed(), shuffled)))
    assert not any(map(is_batches, (rows(1), {"x": 1})))
