"""What a Keras model tells of its architecture, so that weights survive when it changes.

The model's graph is walked as `apps.architecture.symmetries` does; the rules of the layers are in
`layer_functions`, and `apps.genetics.morphism` makes the child's weights from the parent's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from apps.architecture.layer_functions import (
    FUNCTIONS,
    activation_of,
    function_step,
    layer_of,
    masks,
    step_of,
)
from apps.architecture.symmetries import UnknownSymmetry, graph_of, nodes_of, permutation_spec
from apps.errors import UserError
from apps.genetics.anatomy import Anatomy, Layer, Step
from apps.genetics.errors import GeneticsError
from apps.genetics.morphism import How, Morph, morph
from apps.genetics.weights import Weights, cast_like, check_alike
from apps.networks.build import named_weights

if TYPE_CHECKING:
    import keras


class UnknownAnatomy(UserError):
    """A model that can only be a parent, or a child, of its own architecture."""

    def __init__(self, text: str) -> None:
        """Raise with the text."""
        super().__init__(text, code="growth")


def anatomy(model: keras.Model) -> Anatomy:
    """Derive what `morph` needs to know of a sequential or functional model.

    Args:
        model: built. What it computes is what it does when it is not trained: dropout and
            batch normalisation by the batch's own moments are not looked at.

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
    layers: Iterable[Layer] = walk.layers.values()
    steps = walk.steps
    if walk.masked:
        # A new layer may lose the mask, a new sum may change it.
        layers = [replace(layer, exact=False) for layer in layers]
        steps = [replace(step, adds=False) for step in steps]
    return Anatomy(spec, tuple(layers), tuple(steps), inputs, outputs)


def morphed(
    rng: np.random.Generator,
    parent: Weights,
    fresh: Weights,
    before: Anatomy | None,
    after: Anatomy | None,
    how: How = "zeros",
    noise: float = 0.5,
) -> Morph:
    """Start a child from its parent, whatever the architectures of the two.

    Args:
        rng: see `morph`.
        parent: its weights.
        fresh: the child's, as initialised.
        before: the parent's architecture; None if `anatomy` could not be told.
        after: the child's, likewise.
        how: what new units do, see `morph`.
        noise: see `morph`.

    Returns:
        See `morph`. Without both anatomies a child whose arrays are of the same names and shapes
        has the parent's values; that it computes the same is then not known.

    Raises:
        UnknownAnatomy: an anatomy is needed and missing.
    """
    if before is not None and after is not None:
        return morph(rng, parent, fresh, before, after, how, noise)
    try:
        check_alike([fresh, parent])
    except GeneticsError:
        whose = "parent's" if before is None else "child's"
        raise _unknown(f"the anatomy of the {whose} model is not known") from None
    remark = "only the arrays' names and shapes were compared: a model has no anatomy"
    return Morph(cast_like(parent, fresh), False, (remark,), {})


def _unknown(what: str) -> UnknownAnatomy:
    return UnknownAnatomy(
        f"{what}, so weights cannot pass between models that differ in width or depth; build such "
        "models from Keras's own layers (Sequential or functional), or keep one architecture"
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
        operation, kind = node.operation, type(node.operation).__name__
        outputs = tuple(self.tensor() for _ in node.outputs)
        layer = ""
        self.masked |= masks(operation)
        if getattr(operation, "weights", None):
            if id(operation) not in self.layers:
                self.layers[id(operation)] = layer_of(operation, self._names)
            layer = self.layers[id(operation)].name
        shape = node.outputs[0].shape[1:]
        if kind in FUNCTIONS and len(inputs) == len(outputs) == 1 and not layer:
            self.steps.append(function_step(operation, shape, inputs, *outputs))
            return outputs
        self.steps.append(step_of(node, inputs, outputs, layer))
        activation = activation_of(operation)
        if activation is not None:
            inputs, outputs = outputs, (self.tensor(),)
            self.steps.append(function_step(activation, shape, inputs, *outputs))
        return outputs
