"""Experiments to be rehearsed, here or in a process of their own, and a plug-in with mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from apps.messages.tasks import Workplace
from tests.support.experiments import FOLDER, changed, write
from workflow.experiment.config import Experiment
from workflow.experiment.file import load_experiment

PLUGIN: Final = """
import sys

import keras


def rotated(rng, weights, keep=frozenset(), how="raise"):
    if how == "exit":
        sys.exit("enough")
    raise ArithmeticError("no rotation\\nfor you")


def network(input_shape, classes, how="raise"):
    if how == "raise":
        raise LookupError("no such layer")
    layers = [keras.layers.Input(input_shape), keras.layers.Flatten()]
    if how == "unknown layer":
        layers.append(Unheard())
    return keras.Sequential([*layers, keras.layers.Dense(classes, activation="softmax")])


def deaf(input_shape, classes, units=8, rate=0.1, activation="relu", hears=()):
    heard = dict(units=units, rate=rate, activation=activation)
    heard = {"units": 8, "rate": 0.1, "activation": "relu"} | {key: heard[key] for key in hears}
    return keras.Sequential([
        keras.layers.Input(input_shape),
        keras.layers.Flatten(),
        keras.layers.Dense(heard["units"], activation=heard["activation"]),
        keras.layers.Dropout(heard["rate"]),
        keras.layers.Dense(classes, activation="softmax"),
    ])


def fixed(input_shape, classes):
    seeded = keras.initializers.GlorotUniform(seed=7)
    return keras.Sequential([
        keras.layers.Input(input_shape),
        keras.layers.Flatten(),
        keras.layers.Dense(classes, activation="softmax", kernel_initializer=seeded),
    ])


def measured(input_shape, classes):
    model = keras.Sequential([keras.layers.Input(input_shape), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


@keras.saving.register_keras_serializable()
class Unheard(keras.layers.Dense):
    def __init__(self, units=5, **settings):
        super().__init__(units, **settings)
"""


PLUGINS: Final = FOLDER / "rehearsed"
"""A place for the plug-in: with one search path, rehearsals of one network build it once."""

PLUGINS.mkdir()
(PLUGINS / "own.py").write_text(PLUGIN)


def network(**settings: Any) -> dict[str, Any]:
    """Return `TINY` with another network."""
    return changed(network=settings)


def prepared(
    folder: Path, table: dict[str, Any], plugins: Path | None = None
) -> tuple[Path, Experiment, Workplace]:
    """Write an experiment, and the plug-in beside it; return what a rehearsal takes.

    Args:
        folder: for both.
        table: what is in the experiment's file.
        plugins: where the rehearsal looks for the plug-in, if not beside the experiment.
    """
    file = write(folder, table)
    (folder / "own.py").write_text(PLUGIN)
    workplace = Workplace(root=str(folder / "nowhere"), search_path=str(plugins or folder))
    return file, load_experiment(file), workplace
