"""What a network learns beside its labels: the mean prediction of others, its teachers.

The loss of a step is a mix, `(1 - w) L(labels) + w T^2 L(teachers)`, each term in the network's own
loss, with w the weight and T the temperature. What is reported, metrics and loss, is of the labels.

References: Hinton et al., arXiv:1503.02531; Furlanello et al., arXiv:1805.04770.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from apps.datasets.arrays import Array, Named, listed, mapped
from apps.errors import UserError
from apps.messages.tasks import Lesson
from apps.messages.teachers import LOSSES_OF_NUMBERS
from apps.training.targets import output_names

_CLASSES: Final = frozenset(
    {"sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence"}
)
_TWO: Final = frozenset({"binary_crossentropy"})
TAUGHT: Final = tuple(sorted(_CLASSES | _TWO | LOSSES_OF_NUMBERS))
"""The losses whose targets can be predictions."""

_SMALLEST: Final = 1e-7


@dataclass(frozen=True)
class Output:
    """What an output is taught.

    Attributes:
        loss: Keras's name of its loss.
        settings: the loss's.
        reduction: of the losses of the samples.
        weight: of the output in the network's loss.
        path: where the output is in what the network returns.
    """

    loss: str
    settings: Mapping[str, Any]
    reduction: str = "sum_over_batch_size"
    weight: float = 1.0
    path: tuple[Any, ...] = ()

    @property
    def from_logits(self) -> bool:
        """Whether the network gives logits, and not probabilities."""
        return bool(self.settings.get("from_logits", False))

    @property
    def is_of_numbers(self) -> bool:
        """Whether its targets are numbers, and not probabilities of classes."""
        return self.loss in LOSSES_OF_NUMBERS

    def softened(self, predictions: Array, temperature: float) -> Array:
        """Return what teaches: probabilities at a temperature, or the predicted numbers.

        Args:
            predictions: a network's outputs [samples, ...].
            temperature: 1 leaves probabilities as they are.

        Returns:
            float64 [samples, ...].
        """
        values = predictions.astype(np.float64)
        if self.is_of_numbers or (temperature == 1 and not self.from_logits):
            return values
        if self.loss in _TWO:
            logits = values if self.from_logits else _logit(values)
            return 1 / (1 + np.exp(-logits / temperature))
        logits = values if self.from_logits else np.log(np.maximum(values, _SMALLEST))
        shares = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
        return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def taught_outputs(model: Any, temperature: float) -> dict[str, Output]:
    """Return what each output of a model can be taught; "" is the name of the only one.

    Which output a loss or a weight in a list is of, Keras alone knows: it goes by the outputs'
    order here and by that of sorted names there. So it is asked for what it made of them.

    Args:
        model: compiled, and evaluated once: Keras makes its losses then.
        temperature: of the lessons.

    Raises:
        UserError: predictions are no targets for a loss, or a step is of the model's own.
    """
    from keras import tree

    own = [
        name
        for name in ("train_step", "compute_loss", "compute_metrics", "_compute_loss")
        if not _is_keras(getattr(type(model), name))
    ]
    if own:
        raise _refused(f"the network has a {own[0]} of its own")
    compiled = model._compile_loss
    if compiled is None:
        raise _refused("the network is compiled without a loss")
    if not compiled.built:
        raise _refused("the network has a test_step of its own, which leaves its loss out")
    outputs = len(tree.flatten(compiled._y_pred_build_structure))
    if outputs > 1 and not tree.is_nested(compiled._user_loss):
        raise _refused(f"{outputs} outputs have one loss; give each its own by name")
    found: dict[str, Output] = {}
    for path, loss, weight, _ in compiled._flat_losses:
        name = "" if outputs == 1 else _name(model, path, outputs)
        if name in found:
            of = f" called {name!r}" if name else ""
            raise _refused(f"several losses are of an output{of}; give each one, and its own name")
        found[name] = _output(loss, weight, path, temperature)
    if not found:
        raise _refused("the network is compiled without a loss")
    return found


def _name(model: Any, path: tuple[Any, ...], outputs: int) -> str:
    if len(path) != 1:
        raise _refused("the network returns outputs within outputs")
    (place,) = path
    return _names(model, outputs)[place] if isinstance(place, int) else str(place)


def _output(loss: Any, weight: Any, path: tuple[Any, ...], temperature: float) -> Output:
    kind, function = type(loss), getattr(loss, "fn", None)
    name = str(getattr(function, "__name__", kind.__name__))
    settings = dict(getattr(loss, "_fn_kwargs", {}))
    if not all(map(_is_keras, (kind.call, kind.__call__))):
        name = kind.__name__  # it need not do what the function within does
    if name not in TAUGHT or not _is_keras(function):
        raise _refused(f"predictions are no targets of the loss {name}")
    if settings.get("ignore_class") is not None:
        raise _refused("the loss leaves a class out (ignore_class)")
    if settings.get("axis", -1) != -1:
        raise _refused("the loss has its classes on another axis than the last")
    if name in LOSSES_OF_NUMBERS and temperature != 1:
        raise _refused(f"a temperature is of classes, and the loss is {name}: leave it at 1")
    weighs = 1.0 if weight is None else float(weight)
    return Output(name, settings, loss.reduction, weighs, path)


def _is_keras(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("keras.")


def _refused(why: str) -> UserError:
    return UserError(
        f"teach: {why}; losses that can be taught are {', '.join(TAUGHT)}", code="training-setting"
    )


class Teaching:
    """Lets a model's training steps learn from predictions, beside the labels.

    Attributes:
        lessons: the teachers' predictions as tensors [samples, ...], or several by output.
    """

    def __init__(self, model: Any, lesson: Lesson) -> None:
        """Teach nothing yet.

        Args:
            model: as `taught_outputs` takes it.
            lesson: weight and temperature.

        Raises:
            UserError: as `taught_outputs`.
        """
        self.lessons: Any = None
        self._model = model
        self._lesson = lesson
        self._outputs = taught_outputs(model, lesson.temperature)
        self._losses = {
            name: _loss(output, lesson.temperature) for name, output in self._outputs.items()
        }

    def learn_from(self, predictions: Named) -> None:
        """Take the predictions that the next epochs learn from."""
        import tensorflow as tf

        self.lessons = mapped(tf.constant, predictions)

    def fields(self, fields: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return inputs, targets and weights with the lessons beside the targets."""
        x, y, *weights = fields
        return (x, (y, self.lessons), *weights)

    def with_own_lessons(self, fields: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a few samples as `fields` does, with what the model itself predicts of them."""
        made = named_outputs(self._model, self._model.predict_on_batch(fields[0]))
        lessons = softened(self._outputs, made, self._lesson.temperature)
        x, y, *weights = fields
        return (x, (y, mapped(lambda array: array.astype(np.float32), lessons)), *weights)

    @contextmanager
    def steps(self) -> Iterator[None]:
        """Let steps of training within, or traced within, take targets with lessons beside them.

        Another thread must not use the model meanwhile.
        """
        model, tracker = self._model, self._model._loss_tracker
        compute_metrics, update = model.compute_metrics, tracker.update_state
        of_labels: list[Any] = []

        def loss(
            x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
        ) -> Any:
            labels, lessons = y
            own = model._compile_loss(labels, y_pred, sample_weight)
            taught = self._taught(lessons, y_pred, sample_weight)
            others = sum(model._aggregate_additional_loss(each) for each in model.losses)
            of_labels[:] = [own + others]
            weight = self._lesson.weight
            return (1 - weight) * own + weight * taught + others

        def update_state(value: Any, sample_weight: Any = None) -> Any:
            return update(of_labels.pop(), sample_weight=sample_weight)

        def metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return compute_metrics(x, y[0], y_pred, sample_weight=sample_weight)

        model.compute_loss, model.compute_metrics = loss, metrics
        tracker.update_state = update_state
        try:
            yield
        finally:
            del model.compute_loss, model.compute_metrics, tracker.update_state

    def _taught(self, lessons: Any, y_pred: Any, sample_weight: Any) -> Any:
        total: Any = 0.0
        for name, loss in self._losses.items():
            output, predicted = self._outputs[name], y_pred
            for place in output.path:
                predicted = predicted[place]
            total = total + output.weight * loss(_of(lessons, name), predicted, sample_weight)
        return total


def named_outputs(model: Any, made: Any) -> Named:
    """Return what a model predicts as one array, or as several by the names of its outputs."""
    if isinstance(made, Mapping):
        return made if len(made) > 1 else next(iter(made.values()))
    if isinstance(made, list | tuple):
        return _by_output(model, made) if len(made) > 1 else made[0]
    return np.asarray(made)


def softened(outputs: Mapping[str, Output], made: Named, temperature: float) -> Named:
    """Return `Output.softened` of each output that is taught."""
    if "" in outputs:
        return outputs[""].softened(_of(made, ""), temperature)
    return {name: each.softened(_of(made, name), temperature) for name, each in outputs.items()}


def _names(model: Any, outputs: int) -> list[str]:
    names = output_names(model)
    if len(names) != outputs:
        raise _refused(
            "the network returns several outputs without names; return them by name, and give "
            "each its loss by name"
        )
    return names


def _by_output(model: Any, values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(_names(model, len(values)), values, strict=True))


def _of(values: Any, name: str) -> Any:
    by_name = name and isinstance(values, Mapping)
    return values[name] if by_name else next(iter(listed(values)))


def _loss(output: Output, temperature: float) -> Callable[[Any, Any, Any], Any]:
    import keras

    losses, ops = keras.losses, keras.ops
    logits, squared = output.from_logits, temperature**2

    def classes(y_true: Any, y_pred: Any) -> Any:
        if temperature == 1:
            return losses.categorical_crossentropy(y_true, y_pred, from_logits=logits)
        values = y_pred if logits else ops.log(ops.maximum(y_pred, _SMALLEST))
        softer = values / temperature
        return squared * losses.categorical_crossentropy(y_true, softer, from_logits=True)

    def two(y_true: Any, y_pred: Any) -> Any:
        if temperature == 1:
            return losses.binary_crossentropy(y_true, y_pred, from_logits=logits)
        kept = ops.clip(y_pred, _SMALLEST, 1 - _SMALLEST)
        values = y_pred if logits else ops.log(kept) - ops.log(1 - kept)
        softer = values / temperature
        return squared * losses.binary_crossentropy(y_true, softer, from_logits=True)

    def numbers(y_true: Any, y_pred: Any) -> Any:
        return getattr(losses, output.loss)(y_true, y_pred, **output.settings)

    function = classes if output.loss in _CLASSES else two if output.loss in _TWO else numbers

    class OfTeachers(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return function(y_true, y_pred)

    return OfTeachers(reduction=output.reduction)


def _logit(probabilities: Array) -> Array:
    kept = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(kept) - np.log1p(-kept))
