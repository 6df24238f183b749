"""Networks as a builder makes them, for data of 28 x 28 pixels and ten classes."""

from __future__ import annotations

from typing import Any

from apps.messages.specs import NetworkSpec, TrainingSpec
from apps.networks.build import (
    build,
)

FACTS = {"input_shape": (28, 28), "classes": 10}


RICH = NetworkSpec("two_layer_dense", {"units": 5, "dropout": 0.2, "batch_normalization": True})


def made(
    spec: NetworkSpec | str, seed: int = 3, training: TrainingSpec | None = None, **params: Any
) -> Any:
    if isinstance(spec, str):
        spec = NetworkSpec(f"tests.support.nets:{spec}", params)
    return build(spec, training or TrainingSpec(32), seed, FACTS)
