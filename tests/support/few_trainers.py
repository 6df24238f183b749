"""What tests of trainers share: orders of the samples, fresh members, comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.datasets.load import load_dataset
from apps.records.checkpoints import Checkpoint
from apps.training.trainer import Trainer
from tests.support.small import DATA, SEED


def orders(count: int = 3) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    return [rng.permutation(100) for _ in range(count)]


def fresh(trainer: Trainer, seed: int = 3) -> Trainer:
    trainer.member.load(
        Checkpoint(trainer.blueprint.initial_weights(seed)), np.random.default_rng(1)
    )
    return trainer


def samples(part: str) -> tuple[Any, Any]:
    data = load_dataset(DATA, SEED)
    x = getattr(data, part).x.astype(np.float32) / np.float32(255)
    return x, getattr(data, part).y


def close(one: Any, other: Any, rtol: float = 1e-4) -> bool:
    return set(one) == set(other) and all(
        np.allclose(one[name], other[name], rtol=rtol, atol=1e-5) for name in one
    )


def equal(one: Checkpoint, other: Checkpoint) -> bool:
    return all(
        list(left) == list(right) and all(np.array_equal(left[n], right[n]) for n in left)
        for left, right in (
            (one.weights, other.weights),
            (one.optimizer, other.optimizer),
            (one.random, other.random),
        )
    )
