"""Whether two models have the same layers, with other numbers of units at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.architecture.own_layers import kind_of
from apps.architecture.symmetries import Symmetries, graph_of, nodes_of
from apps.genetics.permutation import Axis
from apps.networks.build import named_weights

if TYPE_CHECKING:
    import keras


def same_but_for_widths(
    one: keras.Model, other: keras.Model, found: Symmetries, others: Symmetries
) -> bool:
    """Whether two models differ in the widths of hidden layers, and in nothing that is computed.

    Args:
        one: built, with a graph of layers.
        other: likewise.
        found: the symmetries of the first.
        others: those of the other.

    Returns:
        Whether they have the same operations in one order, with the same activations, and arrays of
        the same names whose axes are as long but for units of the same groups.
    """
    return _operations(one) == _operations(other) and _arrays(one, found) == _arrays(other, others)


def _operations(model: keras.Model) -> list[tuple[str, str]]:
    operations = [node.operation for node in nodes_of(graph_of(model))]
    return [
        (kind_of(each), _activation(each))
        for each in operations
        if not kind_of(each).endswith("Dropout")  # which does nothing to a prediction
    ]


def _activation(operation: Any) -> str:
    found = getattr(operation, "activation", None)
    return str(getattr(found, "__name__", type(found).__name__))


def _arrays(model: keras.Model, found: Symmetries) -> dict[str, list[Any]]:
    """Return what may not differ of every array's axes."""
    return {
        name: [
            _axis(axis, length)
            for axis, length in zip(found.spec.axes[name], variable.shape, strict=True)
        ]
        for name, variable in named_weights(model).items()
    }


def _axis(axis: Axis, length: int) -> Any:
    if not axis:
        return length
    return [(each.group, each.outer, each.inner, 0 if each.group else each.size) for each in axis]
