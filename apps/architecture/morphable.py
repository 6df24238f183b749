"""The anatomy of a Keras model, with which weights survive a change of its architecture.

The model's graph is walked as `apps.architecture.symmetries` does; the rules of the layers are in
`layer_functions`, and `apps.genetics.morphism` makes the child's weights from the parent's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from apps.architecture.layer_check import LayerCheck
from apps.architecture.layer_functions import (
    activation_of,
    function_step,
    is_function,
    layer_of,
    masks,
)
from apps.architecture.layer_symmetries import rule_of
from apps.architecture.own_layers import array_name, kind_of, own_layer
from apps.architecture.symmetries import (
    UnknownSymmetry,
    arguments_of,
    blank,
    call_of,
    graph_of,
    is_tried,
    nodes_of,
    permutation_spec,
)
from apps.errors import UserError
from apps.genetics.anatomy import Anatomy, Layer, Step, parts_of
from apps.networks.build import named_weights

if TYPE_CHECKING:
    import keras


class UnknownAnatomy(UserError):
    """A model whose anatomy is not known: its weights fit its own architecture only."""

    def __init__(self, text: str) -> None:
        """Raise with the text."""
        super().__init__(text, code="growth")


def anatomy(model: keras.Model) -> Anatomy:
    """Derive what `morph` needs to know of a sequential or functional model.

    Args:
        model: built. It is described as in inference: dropout and the batch's own moments in batch
            normalisation do not count.

    Raises:
        UnknownAnatomy: a layer is not known, or the model has no graph of layers (its `call` is
            Python); the message names it.
    """
    try:
        spec = permutation_spec(model)
    except UnknownSymmetry as error:
        raise _unknown(str(error).partition(", so ")[0]) from None
    names = {id(variable): name for name, variable in named_weights(model).items()}
    walk = _Walk(names)
    graph = graph_of(model)
    found = {id(tensor): walk.tensor() for tensor in graph.inputs}
    inputs = tuple(found.values())
    walk.through(graph, found)
    outputs = tuple(found[id(tensor)] for tensor in graph.outputs)
    # A new sum may change a mask.
    steps = [replace(step, adds=step.adds and not walk.masked) for step in walk.steps]
    return Anatomy(spec, tuple(walk.layers.values()), tuple(steps), inputs, outputs)


def _try_growth(node: Any) -> None:
    layer = node.operation
    arguments = arguments_of(node, {id(tensor): blank(tensor) for tensor in node.input_tensors})
    parts = parts_of([layer_of(layer, {id(v): array_name(layer, v) for v in layer.weights})])
    LayerCheck(rule_of(layer), layer, *arguments, lambda _: False).check_growth(parts)


def _unknown(what: str) -> UnknownAnatomy:
    return UnknownAnatomy(
        f"{what}, so weights cannot pass between models that differ in width or depth; build such "
        "models from Keras's own layers (Sequential or functional) and from layers that "
        "heterosis.register_layer knows, or keep one architecture"
    )


class _Walk:
    """What is found on the way through a graph."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.layers: dict[int, Layer] = {}
        self.steps: list[Step] = []
        self.masked = False
        self._names = names
        self._tensors = 0

    def tensor(self) -> int:
        self._tensors += 1
        return self._tensors - 1

    def through(self, graph: Any, found: dict[int, int]) -> None:
        """Number the tensors of a graph and list its steps."""
        import keras

        for node in nodes_of(graph):
            if all(id(tensor) in found for tensor in node.outputs):
                continue
            operation = node.operation
            inputs = tuple(found[id(tensor)] for tensor in node.input_tensors)
            if isinstance(operation, keras.Model):
                nested = graph_of(operation)
                inner = {id(t): number for t, number in zip(nested.inputs, inputs, strict=True)}
                self.through(nested, inner)
                outputs = tuple(inner[id(tensor)] for tensor in nested.outputs)
            else:
                outputs = self._step(node, inputs)
            found |= {id(t): number for t, number in zip(node.outputs, outputs, strict=True)}

    def _step(self, node: Any, inputs: tuple[int, ...]) -> tuple[int, ...]:
        operation = node.operation
        outputs = tuple(self.tensor() for _ in node.outputs)
        layer = ""
        self.masked |= masks(operation)
        if getattr(operation, "weights", None):
            if id(operation) not in self.layers:
                self.layers[id(operation)] = layer_of(operation, self._names)
                if own_layer(operation) is not None:
                    _try_growth(node)
            layer = self.layers[id(operation)].name
        if len(inputs) == len(outputs) == 1 and not layer:
            if is_function(operation):
                self.steps.append(function_step(operation, inputs, *outputs))
                return outputs
            if is_tried(operation):
                call = call_of(node)
                self.steps.append(function_step(lambda x: call([x])[0], inputs, *outputs))
                return outputs
        adds = kind_of(operation) == "Add" and len(inputs) > 1
        self.steps.append(Step(inputs, outputs, layer, adds))
        activation = activation_of(operation)
        if activation is not None:
            inputs, outputs = outputs, (self.tensor(),)
            self.steps.append(function_step(activation, inputs, *outputs))
        return outputs
