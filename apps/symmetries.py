"""A Keras model's symmetries as data (dense stacks only, until the full derivation replaces it)."""

from __future__ import annotations

from typing import Any

from apps.genetics.permutation import PermutationSpec, dense_spec
from apps.networks import named_weights, read


def permutation_spec(model: Any) -> PermutationSpec:
    """Return the symmetries of a stack of dense layers."""
    return dense_spec(read(named_weights(model)))
