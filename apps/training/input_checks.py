"""Whether network, loss and data fit together; and the facts on the data that builders get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from apps.datasets.arrays import Array, Samples, is_text, listed, mapped, type_in_words
from apps.datasets.dataset import Dataset
from apps.errors import UserError, first_line
from apps.messages.specs import NetworkSpec, Params, TrainingSpec
from apps.messages.tasks import Workplace
from apps.networks.build import build
from apps.plugins.load import is_plugin
from apps.training.data_parts import Parts
from apps.training.targets import (
    are_labels,
    counted,
    ignored_label,
    loss_name,
    loss_of,
    losses_of,
    output_names,
    takes_labels,
)

_CLASSES: Final = "crossentropy"  # in the name of a loss of classes
_FOR_TEXTS: Final = (
    'let it begin with keras.Input((1,), dtype="string") and keras.layers.TextVectorization or '
    "StringLookup, which know their vocabulary"
)
_OF_TWO: Final = "binary"  # where targets are 0 or 1


def build_for(
    data: Dataset, network: NetworkSpec, training: TrainingSpec, seed: int, place: Workplace
) -> Any:
    """Build and compile a network for data, as `apps.networks.build.build`; a `keras.Model`.

    What targets mean is the loss's to say. A builder that compiles the model itself is asked again
    where its loss shows that it was told another number of classes.
    """
    told = facts(data, training)
    try:
        model = build(network, training, seed, told, place.search_path, place.threads)
    except UserError as error:
        if error.code != "network-builder" or not any(map(is_text, listed(data.probe.x))):
            raise
        raise UserError(
            f"{error}; inputs of the data are texts: {_FOR_TEXTS}", code=error.code
        ) from error
    known = facts(data, training, losses_of(model))
    if known == told:
        return model
    return build(network, training, seed, known, place.search_path, place.threads)


def facts(data: Dataset, training: TrainingSpec, loss: Any = None) -> Params:
    """Return the arguments that a builder gets when it asks for them by name.

    Args:
        data: what is learnt.
        training: names the loss, if the builder does not.
        loss: the model's own, where it is known.

    Returns:
        `input_shape`, of one sample, and `classes`: where targets are numbers of classes, of a
        sample or of each of its positions, how many there are in all parts of the data, without one
        that the loss leaves out; else how many numbers a target is of. Both by name where inputs or
        targets are several.
    """
    return {
        "input_shape": mapped(lambda array: array.shape[1:], data.probe.x),
        "classes": _classes(data, training, loss),
    }


def two_samples(parts: Parts, training: TrainingSpec) -> tuple[Any, ...]:
    """Return two training samples, one with the largest label: it needs an output too."""
    x, y, *weights = parts.samples("probe", slice(2)).fields
    classes = _classes(parts.data, training)
    if isinstance(y, Mapping):
        return (x, {name: _reaching(each, classes[name]) for name, each in y.items()}, *weights)
    return (x, _reaching(y, classes), *weights)


def _reaching(y: Array, classes: int) -> Array:
    if not are_labels(y, None):
        return y
    reaching = np.array(y)
    reaching[-1] = classes - 1
    return reaching


def check_shapes(
    model: Any,
    network: NetworkSpec,
    samples: tuple[Any, ...],
    span: Callable[[str, Any], Span],
) -> None:
    """Check that a step of evaluation works; it makes the metrics' variables too.

    Args:
        model: built and compiled.
        network: what it was built of.
        samples: a few, as a step takes them.
        span: returns what the labels of the data are for an output's name, '' if it has none, and
            its loss.

    Raises:
        UserError: it fails, or labels do not count from 0 or have no output.
    """
    x, y = samples[:2]
    _check_labels(losses_of(model), y, span)
    _check_inputs(model, network, x)
    _check_outputs(model, network, y, span)
    try:
        # Metrics' variables must not be made inside a compiled program.
        model.test_step(samples)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"network {network.builder!r} and loss {_called(losses_of(model))} do not fit the "
            f"data: inputs {_shown(x)}, outputs {_outputs(model)}, targets {_shown(y)}: "
            f"{_by_output(model, y) or first_line(error)}",
            code="network-fit",
        ) from error


def _check_labels(loss: Any, y: Any, span: Callable[[str, Any], Span]) -> None:
    for name in y if isinstance(y, Mapping) else ("",):
        its = loss_of(loss, name)
        own = loss_name(its)
        of = f" of {name!r}" if name else ""
        if _OF_TWO in own and _CLASSES in own:
            low, high, whole = span(name, its)
            if whole and (low < 0 or high > 1):
                raise UserError(
                    f"the loss {own}{of} is for targets from 0 to 1, and those of the data are "
                    f"whole numbers from {low} to {high}: number two classes 0 and 1; for more say "
                    f"training.loss = {_setting('sparse_categorical_crossentropy', name)}, with an "
                    "output a class",
                    code="data-labels",
                )
        if not takes_labels(its):
            continue
        label, _, whole = span(name, its)
        if not whole:
            raise UserError(
                f"the loss {own}{of} is for classes, whole numbers from 0, and the targets are not "
                f"whole: for a regression say training.loss = {_setting('mse', name)}",
                code="data-labels",
            )
        left_out = ignored_label(its)
        if left_out is not None and left_out >= 0:
            label = min(label, left_out)  # of padding, say: it has an output as other classes have
        if label != 0:
            rule, cure = (
                ("count from 0", f"subtract {label} from the targets")
                if label > 0
                else ("not be negative", "number the classes from 0")
            )
            own_cure = (
                "; or compile the loss with ignore_class, if it stands for none"
                if label < 0 and left_out is None
                else ""
            )
            raise UserError(
                f"labels{of} must {rule} for the loss {own}: the smallest one is {label}; {cure} "
                f"where the data are made{own_cure}",
                code="data-labels",
            )


def _check_outputs(
    model: Any, network: NetworkSpec, y: Any, span: Callable[[str, Any], Span]
) -> None:
    """Check that every label has an output: without one its loss is NaN, or the step fails."""
    for name in y if isinstance(y, Mapping) else ("",):
        its = loss_of(losses_of(model), name)
        outputs = _width(model, name)
        if outputs is None or not takes_labels(its):
            continue
        label = span(name, its).high
        if label >= outputs:
            of = f" of {name!r}" if name else ""
            raise UserError(
                f"network {network.builder!r} and loss {_called(losses_of(model))} do not fit the "
                f"data: outputs {_outputs(model)}, targets {_shown(y)}: "
                f"labels{of} reach {label}, and it has {outputs} output{'s' * (outputs != 1)} a "
                f"sample or position, for the classes from 0 to {outputs - 1}: give it {label + 1} "
                "(its builder's argument classes is that number), or mend the data; a label that "
                "stands for none is left out by the loss's ignore_class",
                code="data-labels",
            )


def _width(model: Any, name: str) -> int | None:
    """Return the length of an output's last axis; None if the model does not know it."""
    shape = getattr(model, "output_shape", None)  # a model of a class of its own has none
    if isinstance(shape, Mapping):
        shape = shape.get(name)
    elif isinstance(shape, list):
        shape = dict(zip(output_names(model), shape, strict=False)).get(name)
    if not isinstance(shape, tuple) or len(shape) < 2 or not isinstance(shape[-1], int):
        return None
    return shape[-1]


def _setting(value: str, name: str) -> str:
    return f'{{ {name} = "{value}" }}' if name else f'"{value}"'


def _check_inputs(model: Any, network: NetworkSpec, x: Any) -> None:
    # Keras's own words are long, and hold the data.
    taken = getattr(model, "input_shape", None)
    types = [each.dtype for each in getattr(model, "inputs", None) or ()]
    if any(map(is_text, listed(x))) and types and "string" not in types:
        raise UserError(
            f"network {network.builder!r} takes numbers, and inputs of the data are texts: "
            f"{_FOR_TEXTS}",
            code="network-fit",
        )
    if not isinstance(taken, tuple) or isinstance(x, Mapping):
        return
    if is_text(x) and taken[1:] == (*x.shape[1:], 1):
        return  # Keras adds the axis
    fits = len(taken) == x.ndim and all(
        size in (None, given) for size, given in zip(taken[1:], x.shape[1:], strict=True)
    )
    if not fits:
        raise UserError(
            f"network {network.builder!r} takes inputs {taken[1:]}, and the data have "
            f"{x.shape[1:]}: give its Input layer the argument input_shape, which is "
            "the data's, or reshape the data",
            code="network-fit",
        )


class Span(NamedTuple):
    """Targets: the smallest and the largest one, cut to whole numbers, and whether all are."""

    low: int
    high: int
    whole: bool


def label_span(data: Dataset, name: str, loss: Any) -> Span:
    """Return what the targets are of the parts held in memory, and of the probe.

    Args:
        data: all parts.
        name: of the output, '' if there is one without a name.
        loss: of the output; a label that it leaves out does not count.
    """
    found = [counted(y[name] if name else y, loss) for y in _targets(data)]
    low, high = min(int(np.min(y)) for y in found), max(int(np.max(y)) for y in found)
    return Span(low, high, all(np.all(np.mod(y, 1) == 0) for y in found))


def _classes(data: Dataset, training: TrainingSpec, own: Any = None) -> Any:
    targets = _targets(data)
    if isinstance(targets[0], Mapping):
        return {
            name: _count([each[name] for each in targets], training.loss, own, name)
            for name in targets[0]
        }
    return _count(targets, training.loss, own, "")


def _targets(data: Dataset) -> list[Any]:
    # Over all parts: a small training set may lack the last class.
    parts = [data.probe, data.train, data.validation, data.test]
    return [each.y for each in parts if isinstance(each, Samples) and len(each)]


def _count(targets: list[Array], asked: Any, own: Any, name: str) -> int:
    loss = loss_of(asked if own is None else own, name)
    named = asked if isinstance(asked, str) else _CLASSES
    of_samples = targets[0].ndim == 1 and (_CLASSES in named.lower() or is_plugin(named))
    # Whole numbers may be of a regression, as long as only the experiment's loss is known.
    known = own is not None or targets[0].dtype.kind in "iu"
    if known and are_labels(targets[0], loss) and (of_samples or targets[0].ndim > 1):
        return 1 + max(int(np.max(counted(each, loss))) for each in targets)
    return int(np.prod(targets[0].shape[1:]))


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    return f"{value.shape[1:]} {type_in_words(value)}"


def _outputs(model: Any) -> Any:
    shape = getattr(model, "output_shape", None)  # a model of a class of its own has none
    if isinstance(shape, tuple):
        return shape[1:]
    if shape is None:
        return "of several kinds"
    return ", ".join(
        f"{name} {each[1:]}" for name, each in zip(output_names(model), shape, strict=True)
    )


def _by_output(model: Any, y: Any) -> str:
    names = output_names(model)
    if len(names) < 2 or (isinstance(y, Mapping) and isinstance(losses_of(model), Mapping)):
        return ""
    return (
        f"there are {len(names)} outputs: give the targets by name, "
        f"{{{', '.join(f'{name!r}: ...' for name in names)}}}, and a loss for each, "
        f"training.loss = {{ {', '.join(f'{name} = ...' for name in names)} }}; metrics likewise"
    )


def _called(loss: Any) -> str:
    if isinstance(loss, Mapping):
        return ", ".join(f"{_called(each)} of {name}" for name, each in loss.items())
    return repr(getattr(loss, "name", getattr(loss, "__name__", loss)))
