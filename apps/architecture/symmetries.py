"""A Keras model's symmetries as data: which of its units may be permuted, and how.

The model's graph is walked from its inputs to its outputs, whose units stay in place; the rules of
the layers are in `layer_symmetries`. What is found is a `Symmetries`, which `watched_units` defines
and which reads the units on samples. The arrays have the canonical names of `apps.networks.build`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from apps.architecture.layer_symmetries import RULES, apply
from apps.architecture.linear_rows import is_linear
from apps.architecture.moving_symmetries import elementwise
from apps.architecture.own_layers import kind_of, own_layer
from apps.architecture.tried_units import Operation, tried
from apps.architecture.unit_trace import (
    Layout,
    Trace,
    UnknownSymmetry,
    failed,
    layouts_in,
    unknown,
)
from apps.architecture.watched_units import Symmetries
from apps.genetics.permutation import PermutationSpec
from apps.genetics.repair import UnitLayer
from apps.genetics.unit_selection import LinearLayer
from apps.genetics.weights import Array
from apps.networks.build import named_weights

if TYPE_CHECKING:
    import keras

__all__ = ["Symmetries", "UnknownSymmetry", "permutation_spec", "symmetries"]

_REPAIRABLE: Final = frozenset({"Dense", "Conv1D", "Conv2D", "Conv3D"})
# Operations of keras.ops (`x + y` in a functional model) that work element by element.
_ELEMENTWISE = (
    "Add Divide Maximum Minimum Multiply Subtract TrueDivide "
    "Abs Elu Exp Gelu HardSwish LeakyRelu Negative Relu Relu6 Sigmoid Silu Softplus Sqrt Square "
    "Tanh"
)
OPERATIONS: Final = frozenset(_ELEMENTWISE.split())
"""Operations whose outcome is known without a trial."""


def permutation_spec(model: keras.Model) -> PermutationSpec:
    """Return the symmetries of a model.

    Raises:
        UnknownSymmetry: see `symmetries`.
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
    graph = graph_of(model)
    if graph is None:
        raise unknown(model.name, f"{type(model).__name__}, a model whose call is Python")
    layouts = {id(tensor): blank(tensor) for tensor in graph.inputs}
    _walk(trace, graph, layouts)
    for tensor in graph.outputs:
        trace.fix(layouts[id(tensor)])
    for name, variable in named.items():
        if not trace.atoms.knows(name):
            # Of a layer that no output depends on.
            trace.atoms.site(name, [trace.atoms.fixed(length) for length in variable.shape])
    spec = trace.atoms.spec(named, trace.statistics)
    layers = _unit_layers(trace, graph, spec)
    return Symmetries(
        spec=spec,
        unit_layers=tuple(unit for unit, _, _ in layers),
        inputs=_as_called(graph),
        signals=_signals(trace, graph, layouts, spec),
        layers={unit.kernel: (layer, source) for unit, layer, source in layers},
        linear=tuple(_linear_layers(trace, graph)),
    )


def graph_of(model: Any) -> Any:
    """Return the functional model behind a model, None if there is none."""
    import keras

    if isinstance(model, keras.Sequential):
        return model._functional
    return model if hasattr(model, "_nodes_by_depth") else None


def _as_called(graph: Any) -> Any:
    """Return the inputs of a graph in the form in which data reach it."""
    if isinstance(graph.input, dict):
        return graph.input
    return graph.inputs if len(graph.inputs) > 1 else graph.inputs[0]


def nodes_of(graph: Any) -> list[Any]:
    """Return the nodes of a functional model, each after those it takes its inputs from."""
    nodes = graph._nodes_by_depth
    return [n for depth in sorted(nodes, reverse=True) for n in nodes[depth] if not n.is_input]


def blank(tensor: Any) -> Layout:
    """Return the layout of a tensor whose units stay in place."""
    lengths = tensor.shape[1:]
    return tuple(None if length is None else np.zeros(length, np.intp) for length in lengths)


def _walk(trace: Trace, graph: Any, layouts: dict[int, Layout]) -> None:
    """Find the layouts of all tensors of a graph from those of its inputs."""
    for node in nodes_of(graph):
        if not all(id(tensor) in layouts for tensor in node.outputs):
            made = _applied(trace, node, layouts)
            layouts |= {id(t): each for t, each in zip(node.outputs, made, strict=True)}


def arguments_of(node: Any, layouts: Mapping[int, Layout]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a node with layouts in the place of tensors."""
    keywords = _in_layouts(dict(node.arguments.kwargs), layouts)
    return _in_layouts(list(node.arguments.args), layouts), {
        key: each for key, each in keywords.items() if key not in ("mask", "training")
    }


def _in_layouts(value: Any, layouts: Mapping[int, Layout]) -> Any:
    """Put layouts in the place of tensors, and lists in the place of what holds several."""
    if id(value) in layouts:
        return layouts[id(value)]
    if isinstance(value, (list, tuple)):
        return [_in_layouts(each, layouts) for each in value]
    if isinstance(value, dict):
        return {key: _in_layouts(each, layouts) for key, each in value.items()}
    return value


def _applied(trace: Trace, node: Any, layouts: Mapping[int, Layout]) -> Any:
    import keras

    operation = node.operation
    arguments, keywords = arguments_of(node, layouts)
    inputs = layouts_in([arguments, keywords])
    if isinstance(operation, keras.Model):
        nested = graph_of(operation)
        if nested is None:
            raise unknown(operation.name, f"{type(operation).__name__}, a model in Python")
        inner = {id(t): each for t, each in zip(nested.inputs, inputs, strict=True)}
        _walk(trace, nested, inner)
        return [inner[id(tensor)] for tensor in nested.outputs]
    if not getattr(operation, "weights", None) and not any(trace.moves(each) for each in inputs):
        # No units to permute go in (scaled or augmented inputs, masks): none come out.
        return [blank(tensor) for tensor in node.outputs]
    if is_tried(operation):
        return _tried(trace, node, layouts)
    if isinstance(operation, keras.Layer):
        made = apply(trace, operation, *arguments, **keywords)
    else:
        made = elementwise(trace, operation, *arguments, *keywords.values())
    return made if isinstance(made, list) else [made]


def is_tried(operation: Any) -> bool:
    """Whether only a trial tells what an operation without arrays does."""
    import keras

    if isinstance(operation, keras.Layer):
        known = own_layer(operation) is not None or not kind_of(operation)
        return not (known or operation.weights or kind_of(operation) in RULES)
    return kind_of(operation) not in OPERATIONS


def call_of(node: Any) -> Operation:
    """Return what a node computes, as a function of the tensors that it reads."""
    import keras

    tensors = _read(node)

    def call(values: list[Array]) -> list[Array]:
        given = dict(zip(map(id, tensors), values, strict=True))
        arguments, keywords = node.arguments.fill_in(given)
        with keras.StatelessScope():
            made = node.operation(*arguments, **keywords)
        return [np.asarray(each) for each in keras.tree.flatten(made)]

    return call


def _read(node: Any) -> list[Any]:
    return [*{id(tensor): tensor for tensor in node.input_tensors}.values()]


def _tried(trace: Trace, node: Any, layouts: Mapping[int, Layout]) -> list[Layout]:
    tensors = _read(node)
    dtypes = [str(tensor.dtype) for tensor in tensors]
    try:
        found = tried(trace, call_of(node), [layouts[id(tensor)] for tensor in tensors], dtypes)
        return [_opened(trace, *each) for each in zip(found, node.outputs, strict=True)]
    except Exception as error:  # of any operation
        raise failed(node.operation, error) from error


def _opened(trace: Trace, layout: Layout, tensor: Any) -> Layout:
    """Leave the axes of a layout open whose lengths are: no units lie along those."""
    pairs = list(zip(layout, tensor.shape[1:], strict=True))
    trace.fix(tuple(axis for axis, length in pairs if length is None))
    return tuple(None if length is None else axis for axis, length in pairs)


def _unit_layers(
    trace: Trace, graph: Any, spec: PermutationSpec
) -> list[tuple[UnitLayer, Any, Any]]:
    """List kernel, axis and bias of every layer that can be repaired, the layer and its input."""
    # What a layer of the user's own computes before its activation is not known.
    nodes = [
        node
        for node in nodes_of(graph)
        if kind_of(node.operation) in _REPAIRABLE and own_layer(node.operation) is None
    ]
    used = [id(node.operation) for node in nodes]
    layers = []
    for node in nodes:
        layer = node.operation
        if layer.bias is None or used.count(id(layer)) > 1:
            continue
        kernel, bias = trace.names[id(layer.kernel)], trace.names[id(layer.bias)]
        if any(segment.group for axis in spec.axes[bias] for segment in axis):
            unit = UnitLayer(kernel, len(layer.kernel.shape) - 1, bias)
            layers.append((unit, layer, node.input_tensors[0]))
    return layers


def _linear_layers(trace: Trace, graph: Any) -> Iterator[tuple[LinearLayer, Any, Any]]:
    """Yield the layers whose weights least squares can find, the layer and its input."""
    nodes = nodes_of(graph)
    used = [id(node.operation) for node in nodes]
    at_the_end = {id(tensor) for tensor in graph.outputs}
    for node in reversed(nodes):
        if id(node.outputs[0]) in at_the_end and not getattr(node.operation, "weights", None):
            at_the_end |= {id(tensor) for tensor in node.input_tensors}
    for node in nodes:
        layer = node.operation
        if is_linear(layer) and own_layer(layer) is None and used.count(id(layer)) == 1:
            bias = None if layer.bias is None else trace.names[id(layer.bias)]
            output = id(node.outputs[0]) in at_the_end
            found = LinearLayer(trace.names[id(layer.kernel)], bias, output)
            yield found, layer, node.input_tensors[0]


def _signals(
    trace: Trace, graph: Any, layouts: Mapping[int, Layout], spec: PermutationSpec
) -> dict[str, tuple[Any, int]]:
    # After its activation a unit says most, before pooling it says it most often.
    tensors = [tensor for node in nodes_of(graph) for tensor in node.outputs]
    signals = {}
    for tensor in sorted(tensors, key=lambda each: prod(n or 1 for n in each.shape[1:-1])):
        axis = layouts[id(tensor)][-1] if layouts[id(tensor)] else None
        for group in spec.groups:
            start = None if axis is None else trace.atoms.run(group, axis)
            if start is not None:
                signals[group] = (tensor, start)
    return {group: signals[group] for group in spec.groups if group in signals}
