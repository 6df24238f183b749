"""Whether a network, its loss and the data fit together; and what builders are told of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from apps.datasets.arrays import Array, Samples, mapped
from apps.datasets.load import Dataset
from apps.errors import UserError, first_line
from apps.messages.specs import NetworkSpec, Params, TrainingSpec
from apps.plugins import is_plugin
from apps.training.data_parts import Parts

_CLASSES: Final = "crossentropy"  # in the name of a loss of classes
_SPARSE: Final = "sparse"  # where targets are their numbers


def facts(data: Dataset, training: TrainingSpec) -> Params:
    """Return the arguments that a builder gets when it asks for them by name.

    Args:
        data: what is learnt.
        training: names the loss, if the builder does not.

    Returns:
        `input_shape`, of one sample, and `classes`: where targets are numbers of classes, how many
        there are in all parts of the data, else how many numbers a target is of. Both by name where
        inputs or targets are several.
    """
    return {
        "input_shape": mapped(lambda array: array.shape[1:], data.probe.x),
        "classes": _classes(data, training),
    }


def two_samples(parts: Parts, training: TrainingSpec) -> tuple[Any, ...]:
    """Return two training samples, one of which has the largest label: it needs an output too."""
    x, y, *weights = parts.samples("probe", slice(2)).fields
    classes = _classes(parts.data, training)
    if isinstance(y, Mapping):
        return (x, {name: _reaching(each, classes[name]) for name, each in y.items()}, *weights)
    return (x, _reaching(y, classes), *weights)


def _reaching(y: Array, classes: int) -> Array:
    if not _are_labels(y):
        return y
    reaching = np.array(y)
    reaching[-1] = classes - 1
    return reaching


def check_shapes(
    model: Any, network: NetworkSpec, samples: tuple[Any, ...], lowest: Callable[[str], int]
) -> None:
    """Check that a step of evaluation works; it makes the metrics' variables too.

    Args:
        model: built and compiled.
        network: what it was built of.
        samples: a few, as a step takes them.
        lowest: returns the smallest label of the data for an output's name, '' if it has none.

    Raises:
        UserError: it fails, or labels do not count from 0.
    """
    x, y = samples[:2]
    _check_labels(model.loss, y, lowest)
    _check_inputs(model, network, x)
    try:
        # Metrics' variables must not be made inside a compiled program.
        model.test_step(samples)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"network {network.builder!r} and loss {_called(model.loss)} do not fit the data: "
            f"inputs {_shown(x)}, outputs {_outputs(model)}, targets {_shown(y)}: "
            f"{_by_output(model, y) or first_line(error)}",
            code="network-fit",
        ) from error


def _check_labels(loss: Any, y: Any, lowest: Callable[[str], int]) -> None:
    for name, targets in (y if isinstance(y, Mapping) else {"": y}).items():
        own = _name(loss.get(name, "") if isinstance(loss, Mapping) else loss)
        if _SPARSE not in own:
            continue
        of = f" of {name!r}" if name else ""
        if (np.mod(targets, 1) != 0).any():
            raise UserError(
                f"the loss {own}{of} is for classes, whole numbers from 0, and the targets are not "
                f"whole: for a regression say training.loss = {_setting('mse', name)}",
                code="data-labels",
            )
        if (label := lowest(name)) != 0:
            rule, cure = (
                ("count from 0", f"subtract {label} from the targets")
                if label > 0
                else ("not be negative", "number the classes from 0")
            )
            raise UserError(
                f"labels{of} must {rule} for the loss {own}: the smallest one is {label}; {cure} "
                "where the data are made",
                code="data-labels",
            )


def _setting(value: str, name: str) -> str:
    return f'{{ {name} = "{value}" }}' if name else f'"{value}"'


def _check_inputs(model: Any, network: NetworkSpec, x: Any) -> None:
    # Keras's own words are long, and hold the data.
    taken = getattr(model, "input_shape", None)
    if not isinstance(taken, tuple) or isinstance(x, Mapping):
        return
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


def lowest_label(data: Dataset, name: str) -> int:
    """Return the smallest target of the parts that are held in memory, and of the probe.

    Args:
        data: all parts.
        name: of the output, '' if there is one without a name.
    """
    return min(int(np.min(y[name] if name else y)) for y in _targets(data))


def _classes(data: Dataset, training: TrainingSpec) -> Any:
    targets = _targets(data)
    loss = training.loss if isinstance(training.loss, str) else _CLASSES
    if isinstance(targets[0], Mapping):
        return {name: _count([each[name] for each in targets], loss) for name in targets[0]}
    return _count(targets, loss)


def _targets(data: Dataset) -> list[Any]:
    # Over all parts: a small training set may lack the last class.
    parts = [data.probe, data.train, data.validation, data.test]
    return [each.y for each in parts if isinstance(each, Samples) and len(each)]


def _count(targets: list[Array], loss: str) -> int:
    if _are_labels(targets[0]) and (_CLASSES in loss.lower() or is_plugin(loss)):
        return 1 + max(int(np.max(each)) for each in targets)
    return int(np.prod(targets[0].shape[1:]))


def _are_labels(y: Array) -> bool:
    return y.ndim == 1 and y.dtype.kind in "iu"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    return f"{value.shape[1:]} {value.dtype}"


def _outputs(model: Any) -> Any:
    shape = getattr(model, "output_shape", None)  # a model of a class of its own has none
    if isinstance(shape, tuple):
        return shape[1:]
    if shape is None:
        return "of several kinds"
    return ", ".join(
        f"{name} {each[1:]}" for name, each in zip(model.output_names, shape, strict=True)
    )


def _by_output(model: Any, y: Any) -> str:
    names = list(getattr(model, "output_names", ()))
    if len(names) < 2 or (isinstance(y, Mapping) and isinstance(model.loss, Mapping)):
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


def _name(loss: Any) -> str:
    return str(getattr(loss, "name", getattr(loss, "__name__", loss))).lower()
