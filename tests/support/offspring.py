"""Parents on disk, children of theirs as messages, and what is bred of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.breeding.offspring import breed
from apps.messages.results import CheckpointRef, ChildPlan
from apps.messages.specs import CrossoverSpec, NetworkSpec, OperatorSpec
from apps.messages.tasks import Offspring, Workplace
from apps.records.checkpoints import Checkpoint, save_checkpoint
from apps.training.trainer import Trainer, trainer_for
from tests.support.small import ADAM, DATA, PLAIN, SEED, training

NONE = OperatorSpec("none")


def trainer(place: Workplace, network: NetworkSpec = PLAIN) -> Trainer:
    return trainer_for(DATA, network, ADAM, SEED, place)


def parent(place: Workplace, seed: int, network: NetworkSpec = PLAIN, **groups: Any) -> Checkpoint:
    rng = np.random.default_rng(seed)
    weights = trainer(place, network).blueprint.initial_weights(seed)
    # Biases too: a constant array is neither merged nor mutated visibly.
    moved = {
        name: (array + 0.01 * rng.random(array.shape)).astype(array.dtype)
        for name, array in weights.items()
    }
    return Checkpoint(moved, **groups)


def put_down(place: Workplace, *checkpoints: Checkpoint) -> tuple[CheckpointRef, ...]:
    refs = []
    for checkpoint in checkpoints:
        name = f"parent-{len(list(Path(place.root).glob('parent-*')))}"
        refs.append(CheckpointRef(name, save_checkpoint(Path(place.root) / name, checkpoint)))
    return tuple(refs)


def offspring(
    parents: Sequence[CheckpointRef],
    crossover: str = "mean",
    mutation: OperatorSpec = NONE,
    **plan: Any,
) -> Offspring:
    fields: dict[str, Any] = {
        "child": 0,
        "merge": 0,
        "parents": tuple(parents),
        "members": tuple(range(len(parents))),
        "fitness": tuple(0.1 * (1 + number) for number in range(len(parents))),
    }
    return Offspring(CrossoverSpec(crossover), mutation, ChildPlan(**fields | plan))


def bred(
    start: Offspring, place: Workplace, network: NetworkSpec = PLAIN, **changes: Any
) -> Checkpoint:
    task = training(network=network, first_epoch=2, start=start, **changes)
    return breed(task, start, place, trainer(place, network)).state


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return list(one.weights) == list(other.weights) and all(
        np.array_equal(one.weights[name], other.weights[name]) for name in one.weights
    )
