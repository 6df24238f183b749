"""A Keras model's symmetries as data: which of its units may be permuted, and how.

The model's graph is walked from its inputs to its outputs, whose units stay in place; the rules of
the layers are in `apps.layer_rules`. The arrays have the canonical names of `apps.networks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from apps.genetics.permutation import PermutationSpec
from apps.genetics.repair import UnitLayer
from apps.genetics.weights import Array
from apps.layer_rules import Layout, Trace, UnknownSymmetry, apply, elementwise, same, unknown
from apps.networks import named_weights

if TYPE_CHECKING:
    import keras

__all__ = ["Symmetries", "UnknownSymmetry", "permutation_spec", "symmetries"]

_REPAIRABLE: Final = frozenset({"Dense", "Conv1D", "Conv2D", "Conv3D"})
_BINARY: Final = frozenset({"Add", "Subtract", "Multiply", "Maximum", "Minimum"})
_UNARY: Final = frozenset({"Relu", "Relu6", "Sigmoid", "Silu", "Gelu", "Elu", "Tanh", "Negative"})


@dataclass(frozen=True, eq=False)
class Symmetries:
    """What may be permuted in a model, and where its units can be watched.

    Attributes:
        spec: the permutations.
        unit_layers: the hidden layers that REPAIR can rescale, from the inputs on.
        model: the model that was described.
        signals: group -> the last tensor whose last axis holds the group's units, in order.
        layers: kernel of a unit layer -> the layer and the tensor that it reads.
    """

    spec: PermutationSpec
    unit_layers: tuple[UnitLayer, ...]
    model: keras.Model
    signals: Mapping[str, Any]
    layers: Mapping[str, tuple[Any, Any]]

    def activations(self, x: Array, batch_size: int = 500) -> dict[str, Array]:
        """Return what the units of each group say about samples, for `match_activations`.

        Args:
            x: inputs [samples, ...].
            batch_size: samples at a time.

        Returns:
            Group -> [samples, ..., units]. Groups inside a layer (the heads of an attention) or
            inside a nested model cannot be watched and are left out: leave those as they are, by
            `identity(spec) | match_activations(...)`.
        """
        tensors = dict(self.signals)
        return dict(zip(tensors, self._outputs([*tensors.values()], x, batch_size), strict=True))

    def pre_activations(self, layer: UnitLayer, x: Array, batch_size: int = 500) -> Array:
        """Return what a layer's units compute before their activation, for `repair`.

        Args:
            layer: one of `unit_layers`.
            x: inputs [samples, ...].
            batch_size: samples at a time.

        Returns:
            [samples, ..., units].
        """
        import keras

        found, source = self.layers[layer.kernel]
        (read,) = self._outputs([source], x, batch_size)
        kept = found.activation
        found.activation = keras.activations.linear
        try:
            parts = [
                np.asarray(found(read[start : start + batch_size]))
                for start in range(0, len(read), batch_size)
            ]
        finally:
            found.activation = kept
        return np.concatenate(parts)

    def _outputs(self, tensors: list[Any], x: Array, batch_size: int) -> list[Array]:
        import keras

        if not tensors:
            return []
        # An input is no output of a layer, and a model's outputs must be.
        probe = keras.Model(self.model.inputs, [_through_identity(each) for each in tensors])
        parts = [
            [np.asarray(each) for each in probe(x[start : start + batch_size], training=False)]
            for start in range(0, len(x), batch_size)
        ]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]


def permutation_spec(model: keras.Model) -> PermutationSpec:
    """Return the symmetries of a model.

    Raises:
        UnknownSymmetry: a layer's are not known; the message names it and what still works.
    """
    return symmetries(model).spec


def symmetries(model: keras.Model) -> Symmetries:
    """Derive the symmetries of a sequential or functional model.

    Args:
        model: built; its inputs and outputs are never permuted.

    Raises:
        UnknownSymmetry: a layer's symmetries are not known, or the model has no graph of layers
            (its `call` is Python); the message names it and what still works.
    """
    named = named_weights(model)
    trace = Trace({id(variable): name for name, variable in named.items()})
    graph = _graph(model)
    if graph is None:
        raise unknown(model.name, f"{type(model).__name__}, a model whose call is Python")
    layouts = {id(tensor): _fixed(trace, tensor) for tensor in graph.inputs}
    _walk(trace, graph, layouts)
    for tensor in graph.outputs:
        trace.fix(layouts[id(tensor)])
    for name, variable in named.items():
        if not trace.atoms.knows(name):
            # A layer that no output depends on.
            trace.atoms.site(name, [trace.atoms.fixed(length) for length in variable.shape])
    spec = trace.atoms.spec(named, trace.statistics)
    layers = _unit_layers(trace, graph, spec)
    return Symmetries(
        spec=spec,
        unit_layers=tuple(unit for unit, _, _ in layers),
        model=model,
        signals=_signals(trace, graph, layouts, spec),
        layers={unit.kernel: (layer, source) for unit, layer, source in layers},
    )


def _graph(model: Any) -> Any:
    """Return the functional model behind a model, None if there is none."""
    import keras

    if isinstance(model, keras.Sequential):
        return model._functional
    return model if hasattr(model, "_nodes_by_depth") else None


def _nodes(graph: Any) -> list[Any]:
    nodes = graph._nodes_by_depth
    return [n for depth in sorted(nodes, reverse=True) for n in nodes[depth] if not n.is_input]


def _walk(trace: Trace, graph: Any, layouts: dict[int, Layout]) -> None:
    import keras

    for node in _nodes(graph):
        if all(id(tensor) in layouts for tensor in node.outputs):
            continue
        arguments, keywords = keras.tree.map_structure(
            lambda each: layouts[id(each)] if isinstance(each, keras.KerasTensor) else each,
            (list(node.arguments.args), dict(node.arguments.kwargs)),
        )
        made = _applied(trace, node, arguments, keywords)
        for tensor, layout in zip(node.outputs, made, strict=True):
            layouts[id(tensor)] = layout


def _applied(trace: Trace, node: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    import keras

    operation = node.operation
    keywords = {key: each for key, each in keywords.items() if key not in ("mask", "training")}
    inputs = [tensor for tensor in node.input_tensors]
    nested = _graph(operation) if isinstance(operation, keras.Model) else None
    if nested is not None:
        inner = {id(t): a for t, a in zip(nested.inputs, _layouts(arguments), strict=True)}
        _walk(trace, nested, inner)
        return [inner[id(tensor)] for tensor in nested.outputs]
    if not isinstance(operation, keras.Layer):
        made = _operated(trace, operation, arguments, keywords)
    elif not operation.weights and not any(trace.moves(each) for each in _layouts(arguments)):
        # Nothing to permute goes in (augmentation, scaling of the inputs): nothing comes out.
        made = [_fixed(trace, tensor) for tensor in node.outputs]
    else:
        made = apply(trace, operation, *arguments, **keywords)
    return made if isinstance(made, list) else [made]
