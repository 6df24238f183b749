"""Loss, metrics and optimiser of a network: Keras's by name, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from apps.datasets.arrays import listed, mapped
from apps.errors import UserError, did_you_mean, first_line
from apps.messages.specs import TrainingSpec
from apps.networks.optimizers import parts
from apps.plugins.load import call_plugin, is_plugin, load_plugin
from apps.runtime import load_keras

if TYPE_CHECKING:
    import keras


# Metrics that Keras chooses by the outputs' shape.
_CHOSEN_BY_OUTPUTS: Final = ("accuracy", "acc", "crossentropy", "ce")


def compile_network(
    model: keras.Model, training: TrainingSpec, search_path: str | None = None
) -> None:
    """Compile a model with loss, metrics and optimiser; a compiled one gets the optimiser only.

    Args:
        model: built.
        training: names them; without an optimiser a compiled model keeps its own.
        search_path: where plug-ins are looked for.

    Raises:
        UserError: one of them is unknown, or its settings are wrong.
    """
    keras = load_keras()
    if not model.compiled:
        _compile(keras, model, training, search_path)
    elif training.optimizer is not None:
        optimizer = _optimizer(keras, training, search_path)
        scaling = keras.optimizers.LossScaleOptimizer
        scales = isinstance(model.optimizer, scaling) and not isinstance(optimizer, scaling)
        model.optimizer = scaling(optimizer) if scales else optimizer
    # A file tells what a model was compiled with, and opened elsewhere Keras may not wrap it again.
    compiled = getattr(model, "_compile_config", None)
    if compiled is not None:
        compiled.config["optimizer"] = model.optimizer


def _compile(
    keras: Any, model: keras.Model, training: TrainingSpec, search_path: str | None
) -> None:
    def loss(name: str) -> Any:
        if is_plugin(name):
            return _own("loss", name, search_path)
        _understood(keras.losses, name, f"training.loss {name!r}")
        return name

    def metrics(names: Sequence[str]) -> list[Any]:
        return [_metric(keras, name, search_path) for name in names]

    model.compile(
        optimizer=_optimizer(keras, training, search_path),
        loss=mapped(loss, training.loss),
        metrics=mapped(metrics, training.metrics),
    )


def open_network(path: Path, training: TrainingSpec, search_path: str | None = None) -> keras.Model:
    """Open a Keras file whose loss, metrics or optimiser may be the user's own.

    Args:
        path: the file.
        training: what it was compiled with.
        search_path: where plug-ins are looked for.

    Raises:
        Exception: whatever Keras raises for a file that it cannot open.
    """
    names = [*listed(training.loss), *(n for each in listed(training.metrics) for n in each)]
    own = [load_plugin(name, search_path) for name in names if is_plugin(name)]
    if is_plugin(training.optimizer or ""):
        own += map(type, parts(_optimizer(load_keras(), training, search_path)))
    named = (each if hasattr(each, "__name__") else type(each) for each in own)
    return load_keras().models.load_model(
        path, custom_objects={each.__name__: each for each in named}
    )


def _optimizer(keras: Any, training: TrainingSpec, search_path: str | None) -> Any:
    name, settings = training.optimizer or "adam", training.optimizer_params
    if is_plugin(name):
        made = call_plugin(name, settings, search_path)
        if not isinstance(made, keras.optimizers.Optimizer):
            raise UserError(
                f"training.optimizer {name!r} must return a keras.optimizers.Optimizer, it "
                f"returned {type(made).__name__}",
                code="training-setting",
            )
        return made
    # Keras puts a schedule's object where its description was.
    description = {"class_name": name, "config": deepcopy(settings)}
    what = f"training.optimizer {name!r} with {settings}"
    return _understood(keras.optimizers, name, what, description)


def _metric(keras: Any, name: str, search_path: str | None) -> Any:
    if is_plugin(name):
        if isinstance(load_plugin(name, search_path), keras.metrics.Metric):
            raise UserError(
                f"training.metrics {name!r} is an object, which all members would share: give its "
                "class",
                code="training-setting",
            )
        return _own("metrics", name, search_path)
    if name.lower() not in _CHOSEN_BY_OUTPUTS:
        _understood(keras.metrics, name, f"training.metrics {name!r}")
    return name


def _own(key: str, name: str, search_path: str | None) -> Any:
    """Return the user's own loss or metric; of a class, a new object."""
    found = load_plugin(name, search_path)
    if not isinstance(found, type):
        return found
    try:
        return call_plugin(name, {}, search_path)
    except UserError as error:
        raise UserError(
            f"training.{key} {name!r}: {error}; a class is made without arguments",
            code="training-setting",
        ) from error


def _understood(module: Any, name: str, what: str, description: Any = None) -> Any:
    """Return the Keras object of a name, or of a description with settings."""
    try:
        return module.get(description or name)
    except Exception as error:
        # Of one thing's two names, BinaryCrossentropy and binary_crossentropy, the second.
        names = sorted(key for key, value in vars(module).items() if callable(value))
        known = {key.replace("_", "").lower(): key.lower() for key in names}.values()
        hint = "" if name.lower() in known else did_you_mean(name.lower(), known)
        raise UserError(f"{what}: {hint}{first_line(error)}", code="training-setting") from error
