"""Targets and outputs of one shape: what Keras broadcasts between them without a word.

Keras's own losses take targets [n] against outputs [n, 1] as meant; a function of the user's own
gets them as they are, and `target - output` then is of all pairs, [n, n].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from apps.datasets.arrays import Samples, mapped
from apps.datasets.batches import Batches
from apps.datasets.checks import Part
from apps.datasets.dataset import Dataset
from apps.errors import UserError
from apps.training.targets import loss_of, losses_of, output_names

Shape = tuple[int | None, ...]

_SAMPLES: Final = 1_009
"""A prime number of samples, by which an axis of samples is known again in a graph."""

_FEW: Final = 2

_ELEMENTWISE: Final = frozenset(
    [
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
        "huber",
        "log_cosh",
        "poisson",
        "kl_divergence",
        "cosine_similarity",
        "hinge",
        "squared_hinge",
        "binary_crossentropy",
        "binary_focal_crossentropy",
    ]
)
"""Functions of Keras's losses that compare a number with a number."""


def with_fitting_targets(data: Dataset, model: Any) -> tuple[Dataset, list[str]]:
    """Return data whose targets have the axes that loss and metrics take them with.

    Targets that differ from the outputs in axes of length 1 get the outputs' shape, if a loss or a
    metric would compare each sample with every other otherwise; Keras's own never do.

    Args:
        data: what is learnt.
        model: compiled.

    Returns:
        The data, and remarks for the user.

    Raises:
        UserError: a loss of Keras's compares each target with several outputs, or no shape of the
            targets suits loss and metrics.
    """
    shape = _output_shape(data, model)
    remarks = []
    for name, outputs in _with_targets(data, model, shape).items():
        targets: Any = data.probe.y
        own = (targets[name] if name else targets).shape[1:]
        if own == outputs:
            continue
        of = f" of {name!r}" if name else ""
        if _trimmed(own) != _trimmed(outputs):
            _check_elementwise(loss_of(losses_of(model), name), of, own, outputs)
            continue
        if not _wants(model, data, shape, name, outputs):
            continue
        parts = data.train, data.validation, data.test
        if any(isinstance(part, Batches) for part in parts):
            raise UserError(
                f"targets{of} have the shape [n{_axes(own)}] and outputs [n{_axes(outputs)}], and "
                "a loss or metric compares each sample with every other then: give the targets the "
                "outputs' shape where the batches are made",
                code="network-fit",
            )
        train, validation, test = (_shaped(part, name, outputs) for part in parts)
        data = replace(data, train=train, validation=validation, test=test, _derived={})
        remarks.append(
            f"targets{of} [n{_axes(own)}] were taken as [n{_axes(outputs)}], the outputs' shape: a "
            "loss or metric would compare each sample with every other"
        )
    return data, remarks


def _output_shape(data: Dataset, model: Any) -> Any:
    """Return a model's shape of outputs, several in a list or by name; None if it has none."""
    shape = getattr(model, "output_shape", None)  # a model of a class of its own has none
    if shape is not None:
        return shape
    try:
        found = model(_few(data).x, training=False)
    except (Exception, SystemExit):
        return None  # that they do not fit is told by the step that is tried
    if isinstance(found, Mapping):
        return {name: tuple(each.shape) for name, each in found.items()}
    if isinstance(found, list | tuple):
        return [tuple(each.shape) for each in found]
    return tuple(found.shape)


def _with_targets(data: Dataset, model: Any, shape: Any) -> dict[str, Shape]:
    """Return the shapes of the outputs that have targets, without the samples' axis, by name."""
    targets = data.probe.y
    if not isinstance(targets, Mapping):
        return {"": shape[1:]} if isinstance(shape, tuple) else {}
    if isinstance(shape, list):
        shape = dict(zip(output_names(model), shape, strict=False))
    if not isinstance(shape, Mapping):
        return {}
    return {name: shape[name][1:] for name in targets if name in shape}


def _few(data: Dataset) -> Samples:
    """Return the first samples, inputs as the network takes them."""
    few = data.probe[slice(_FEW)]
    if data.input_scale == 1.0:
        return few
    return replace(few, x=mapped(lambda array: array * np.float32(data.input_scale), few.x))


def _trimmed(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _check_elementwise(loss: Any, of: str, own: Shape, outputs: Shape) -> None:
    if _is_elementwise(loss) and None not in outputs:
        raise UserError(
            f"targets{of} have the shape [n{_axes(own)}] and outputs [n{_axes(outputs)}], and the "
            "loss compares number with number: Keras would repeat the smaller one without a word; "
            "give the network as many outputs, or the data as many targets",
            code="network-fit",
        )


def _is_elementwise(loss: Any) -> bool:
    import keras

    try:
        found = keras.losses.get(loss)
    except ValueError:  # chosen by the outputs, as "crossentropy" is
        return False
    function = getattr(found, "fn", found)
    own = not str(getattr(function, "__module__", "")).startswith("keras.")
    return not own and getattr(function, "__name__", "") in _ELEMENTWISE


def _wants(model: Any, data: Dataset, outputs: Any, name: str, shape: Shape) -> bool:
    """Whether loss or metrics want a target in its output's shape.

    Raises:
        UserError: one wants that, and another the target as it is.
    """
    own = mapped(lambda array: array.shape[1:], data.probe.y)
    fitting = {**own, name: shape} if name else shape
    if not _takes(model, data, own):
        return _takes(model, data, fitting)
    votes = set()
    for function in _functions(model):
        now, then = (_pairs(model, function, data, outputs, each) for each in (own, fitting))
        votes |= {then < now} if then != now else set()
    if len(votes) > 1:
        raise UserError(
            f"a loss or metric takes targets [n{_axes(own[name] if name else own)}] and another "
            f"[n{_axes(shape)}], and each compares every sample with every other in the other "
            "case: write all of them for targets of the outputs' shape",
            code="network-fit",
        )
    return votes == {True}


def _takes(model: Any, data: Dataset, shapes: Any) -> bool:
    """Whether a step of evaluation goes through with targets of these shapes.

    It makes the metrics' variables, which must not be made in a graph.
    """
    few = _few(data)
    try:
        model.test_step(replace(few, y=_reshaped(few.y, shapes)).fields)
    except (Exception, SystemExit):
        return False
    finally:
        model.reset_metrics()
    return True


def _functions(model: Any) -> list[Callable[[Any, Any], Any]]:
    """Return what compares targets with outputs: the loss, and each metric where there is one."""

    def loss(y: Any, outputs: Any) -> None:
        model.compute_loss(x=None, y=y, y_pred=outputs)

    def metrics(y: Any, outputs: Any) -> None:
        model.compute_metrics(None, y, outputs)

    made = getattr(getattr(model, "_compile_metrics", None), "metrics", [])
    single = len(getattr(model, "output_names", ("",))) == 1
    return [loss, *([each.update_state for each in made] if single and made else [metrics])]


def _pairs(
    model: Any,
    function: Callable[[Any, Any], Any],
    data: Dataset,
    outputs: Any,
    targets: Any,
) -> float:
    """Return how many results of a function have two axes of samples; infinity if it fails."""
    import tensorflow as tf

    def spec(shape: Shape, dtype: Any) -> tf.TensorSpec:
        return tf.TensorSpec((_SAMPLES, *shape), dtype)

    y = data.probe.y
    of_y = (
        {name: spec(targets[name], each.dtype) for name, each in y.items()}
        if isinstance(y, Mapping)
        else spec(targets, y.dtype)
    )
    dtype = model.compute_dtype
    given = (
        [spec(each[1:], dtype) for each in outputs]
        if isinstance(outputs, list)
        else {name: spec(each[1:], dtype) for name, each in outputs.items()}
        if isinstance(outputs, Mapping)
        else spec(outputs[1:], dtype)
    )

    try:
        graph = tf.function(function, autograph=False).get_concrete_function(of_y, given).graph
    except Exception:
        return math.inf
    results = [out.shape for operation in graph.get_operations() for out in operation.outputs]
    return float(sum(s.rank is not None and s.as_list().count(_SAMPLES) > 1 for s in results))


def _shaped(part: Part, name: str, shape: Shape) -> Part:
    """Return a part whose target has a shape; batches are as they are made."""
    if isinstance(part, Batches):
        return part
    own = mapped(lambda array: array.shape[1:], part.y)
    return replace(part, y=_reshaped(part.y, {**own, name: shape} if name else shape))


def _reshaped(y: Any, shapes: Any) -> Any:
    if isinstance(y, Mapping):
        return {name: each.reshape(len(each), *shapes[name]) for name, each in y.items()}
    return y.reshape(len(y), *shapes)


def _axes(shape: Shape) -> str:
    return "".join(f", {size}" for size in shape)
