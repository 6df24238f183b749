"""Which engine trains a network: a rule on the network and the experiment alone, no clock.

The same message gives the same engine, and so the same numbers, everywhere. Measured on one core
(`make bench`): XLA makes the fastest program of a network whose step is many small operations, and
takes seconds to make it; its convolutions and poolings on a CPU are ten to thirty times slower than
TensorFlow's own kernels, and where a few large products take the time it gains nothing. Texts and
data in batches are read by TensorFlow's operations, which XLA lacks: a graph goes through them,
even if `xla` was asked for. A model that runs eagerly is left to Keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from apps.datasets.arrays import mapped
from apps.messages.specs import EngineName

if TYPE_CHECKING:
    import tensorflow as tf

SMALL_STEP: Final = 200e6
"""Floating-point operations of a training step below which XLA is faster on a CPU."""

_CONVOLUTIONS: Final = ("Conv", "DepthwiseConv", "MaxPool", "AvgPool")
_LOOPS: Final = ("While", "StatelessWhile")
_CUDNN_LOOPS: Final = "CudnnRNN"
_LOOPS_OF_KERAS: Final = ("fit", "evaluate", "make_train_function", "make_test_function")
_BACKWARD: Final = 3
"""A training step takes about three times the products of the forward pass."""


@dataclass(frozen=True)
class Profile:
    """What a training step of a network does.

    Attributes:
        convolves: whether it has convolutions, or poolings.
        loops: whether it has loops over time, as recurrent layers have.
        cudnn_loops: whether cuDNN's kernels do them, as Keras chooses on a GPU: XLA lacks those.
        flops: floating-point operations in its products of matrices, loops counted once.
    """

    convolves: bool
    loops: bool
    flops: float
    cudnn_loops: bool = False


@dataclass(frozen=True)
class EngineChoice:
    """An engine of training, never `auto`, and why it."""

    engine: EngineName
    reason: str


def choose(profile: Profile, gpu: bool) -> EngineChoice:
    """Return which engine trains a network for many steps.

    Args:
        profile: of the network.
        gpu: whether there is a GPU, whose convolutions XLA leaves to cuDNN as TensorFlow does, and
            where one kernel started for many operations pays for large products too.
    """
    if profile.convolves:
        return EngineChoice("graph", "convolutions")
    if profile.cudnn_loops:
        return EngineChoice("graph", "recurrent, by cuDNN")
    if profile.loops:
        return EngineChoice("xla", "recurrent")
    if gpu:
        return EngineChoice("xla", "a GPU, and no convolutions")
    size = f"{profile.flops / 1e6:.0f} million operations a step"
    if profile.flops < SMALL_STEP:
        return EngineChoice("xla", f"a small step: {size}")
    return EngineChoice("graph", f"large products: {size}")


def loop_of_its_own(model: Any) -> str:
    """Return what of Keras's loops a model's class replaces, which only `fit` calls; else ""."""
    import keras

    replaced = [
        name
        for name in _LOOPS_OF_KERAS
        if getattr(type(model), name) is not getattr(keras.Model, name)
    ]
    return f"the model has a {replaced[0]} of its own" if replaced else ""


def profile_of(model: Any, x: Any, batch_size: int) -> Profile:
    """Return what a model's training step does, from a graph of its forward pass.

    Args:
        model: a built Keras model.
        x: some inputs, arrays [samples, ...], or several by name.
        batch_size: samples per step.
    """
    import tensorflow as tf

    def spec(array: Any) -> tf.TensorSpec:
        return tf.TensorSpec((batch_size, *array.shape[1:]), array.dtype)

    @tf.function(autograph=False)
    def forward(inputs: Any) -> Any:
        return model(inputs, training=True)

    graph = forward.get_concrete_function(mapped(spec, x)).graph
    operations = list(graph.get_operations())
    kinds = {operation.type for operation in operations}
    library = graph.as_graph_def().library.function
    kinds |= {node.op for function in library for node in function.node_def}
    return Profile(
        convolves=any(kind.startswith(_CONVOLUTIONS) for kind in kinds),
        loops=bool(kinds & set(_LOOPS)),
        flops=_BACKWARD * sum(map(_products, operations)),
        cudnn_loops=any(kind.startswith(_CUDNN_LOOPS) for kind in kinds),
    )


def _products(operation: tf.Operation) -> float:
    """Return the floating-point operations of a product of matrices, 0 of anything else."""
    if operation.type == "Einsum":
        # Every index is gone through once for every value of all others.
        sizes: dict[str, int] = {}
        labels = operation.get_attr("equation").decode().split("->")[0].split(",")
        for names, tensor in zip(labels, operation.inputs, strict=True):
            sizes |= zip(names.replace("...", ""), tensor.shape.as_list(), strict=False)
        return 2.0 * _volume(list(sizes.values()))
    if operation.type not in ("MatMul", "BatchMatMulV2"):
        return 0.0
    left = operation.inputs[0].shape.as_list()
    transposed = any(
        operation.get_attr(name)
        for name in ("transpose_a", "adj_x")
        if name in operation.node_def.attr
    )
    summed = left[-2] if transposed else left[-1]
    return 2.0 * (summed or 1) * _volume(operation.outputs[0].shape.as_list())


def _volume(sizes: list[int | None]) -> float:
    volume = 1.0
    for size in sizes:
        volume *= size or 1
    return volume
