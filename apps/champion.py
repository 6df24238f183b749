"""A champion opened again, to predict: inputs are scaled as in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from apps.datasets.arrays import Array, Named, concatenated, is_text, mapped
from apps.datasets.batches import Batches
from apps.datasets.dataset import Dataset
from apps.datasets.load import load_dataset
from apps.datasets.preparation import Example, Preparation
from apps.datasets.sources.table import asked_frame
from apps.errors import UserError, first_line
from apps.files import DamagedFile, sha256_file
from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.networks.keras_compile import open_network
from apps.plugins.load import is_plugin, load_plugin
from apps.runtime import load_keras
from apps.training.data_parts import EVALUATION_BATCH
from apps.training.target_shapes import with_fitting_targets
from apps.training.targets import loss_name, loss_of, losses_of, with_scaled_targets
from apps.training.teaching import named_outputs

if TYPE_CHECKING:
    import keras

_OF_CLASSES: Final = ("sparse_categorical_crossentropy", "categorical_crossentropy")
_OF_TWO: Final = "binary_crossentropy"

Asked = ArrayLike | Mapping[str, ArrayLike]
"""Samples as users give them: one array, or several by the names of the network's inputs."""


@dataclass(frozen=True)
class Champion:
    """A trained network, and how samples become its inputs.

    Attributes:
        model: the Keras model, compiled.
        preparation: of the run's data; it says what others must be like.
        load: reads the run's data, which are needed for what they say themselves only.
    """

    model: keras.Model
    preparation: Preparation
    load: Callable[[], Dataset]

    @property
    def data(self) -> Dataset:
        """The run's own data.

        Raises:
            UserError: they are not where they were, or have changed.
        """
        scaled = with_scaled_targets(self.load(), losses_of(self.model))
        return with_fitting_targets(scaled, self.model)[0]

    def predict(self, inputs: Asked) -> Named:
        """Return the network's outputs [n, ...] for inputs [n, ...] as the data set has them.

        Rows of numbers are reshaped to the network's input. Several inputs or outputs go by name.

        Raises:
            UserError: the inputs are not numbers, or have another shape or other names.
        """
        return self._outputs(self.fitted(inputs))

    def predict_test(self) -> Named:
        """Return the network's outputs [n, ...] for the run's test data."""
        test = self.data.test
        if not isinstance(test, Batches):
            return self.predict(test.x)
        return concatenated([self._outputs(batch.x) for batch in test])

    def tested(self) -> dict[str, float]:
        """Return loss and metrics on the run's test data."""
        test = self.data.test
        if isinstance(test, Batches):
            with test.reading() as batches:
                found = self.model.evaluate(batches, verbose=0, return_dict=True)
        else:
            found = self.model.evaluate(
                self.fitted(test.x),
                test.y,
                sample_weight=test.weights,
                batch_size=EVALUATION_BATCH,
                verbose=0,
                return_dict=True,
            )
        return {name: float(value) for name, value in found.items()}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs; empty if there is only one."""
        return self.preparation.names

    def fitted(self, inputs: Asked) -> Named:
        """Return inputs as the network takes them: checked, reshaped, scaled.

        A pandas table that a champion of a table is asked is read by its columns' names.

        Raises:
            UserError: they are not numbers, or have another shape or other names.
        """
        examples, form = self.preparation.arrays, self.preparation.form
        if form.get("kind") == "table" and isinstance(inputs, pd.DataFrame):
            inputs = asked_frame(form, inputs)
        if not self.inputs:
            if isinstance(inputs, Mapping):
                raise UserError(
                    f"inputs must be one array, got several: {', '.join(inputs)}",
                    code="predict-input",
                )
            return self._fitted("inputs", inputs, examples[""])
        given = inputs.keys() if isinstance(inputs, Mapping) else ()
        if not isinstance(inputs, Mapping) or set(given) != set(examples):
            raise UserError(
                f"inputs must be arrays by the names {', '.join(examples)}, got "
                f"{', '.join(given) or 'one without a name'}",
                code="predict-input",
            )
        found = {
            name: self._fitted(f"inputs {name!r}", inputs[name], each)
            for name, each in examples.items()
        }
        if len({len(each) for each in found.values()}) > 1:
            sizes = ", ".join(f"{name} {len(each)}" for name, each in found.items())
            raise UserError(
                f"inputs must have as many samples each, got {sizes}", code="predict-input"
            )
        return found

    def _fitted(self, what: str, inputs: ArrayLike, example: Example) -> Array:
        x = np.asarray(inputs)
        sample = example.shape
        texts = is_text(example)
        if texts != is_text(x) or (not texts and x.dtype.kind not in "biuf"):
            kind = "texts" if texts else "numbers"
            raise UserError(f"{what} must be {kind}, got dtype {x.dtype}", code="predict-input")
        if x.ndim == 2 and x.shape[1:] != sample and x.shape[1] == np.prod(sample):
            x = x.reshape(len(x), *sample)
        if x.shape[1:] != sample or x.ndim == 0:
            columns = "" if len(sample) == 1 else f", or rows of {np.prod(sample)} numbers"
            one = "; of a single sample give an array of one" if x.shape == sample else ""
            raise UserError(
                f"{what} must have the shape [n, {', '.join(map(str, sample))}]{columns}, as in "
                f"training; got {list(x.shape)}{one}",
                code="predict-input",
            )
        if not len(x):
            raise UserError(f"{what} must have at least one sample, got none", code="predict-input")
        if texts:
            return x.astype(object)
        if not np.isfinite(x).all():
            raise UserError(
                f"{what} must be finite numbers, got NaN or infinity", code="predict-input"
            )
        scale = self.preparation.scale
        if example.dtype.kind in "iu" and not np.array_equal(x, np.floor(x)):
            raise UserError(
                f"{what} must be whole numbers, as in training ({example.dtype}, multiplied by "
                f"{scale:.4g} here), got fractions: give them unscaled",
                code="predict-input",
            )
        if scale == 1.0:
            return x.astype(example.dtype)
        return x.astype(np.float32) * np.float32(scale)

    def _outputs(self, x: Named) -> Named:
        found = self.model.predict(x, batch_size=EVALUATION_BATCH, verbose=0)
        outputs: Named = mapped(
            np.asarray,
            named_outputs(self.model, found) if isinstance(found, list | tuple) else found,
        )
        return outputs

    def probabilities(self, outputs: Array, name: str | None = None) -> Array | None:
        """Return the probability of every class [n, classes]; None for an output without classes.

        Args:
            outputs: of the network [n, ...].
            name: of the output, where there are several.
        """
        loss, from_logits = self._loss(name)
        if loss in _OF_CLASSES and outputs.ndim == 2:
            return _softmax(outputs) if from_logits else outputs
        if loss == _OF_TWO and outputs.shape[1:] in ((), (1,)):
            second = outputs.reshape(-1, 1)
            if from_logits:
                second = 1 / (1 + np.exp(-second))
            return np.concatenate([1 - second, second], axis=1)
        return None

    def _loss(self, name: str | None) -> tuple[str, bool]:
        # One that is not known is none.
        loss = load_keras().losses.get(loss_of(losses_of(self.model), name or "") or None)
        settings = loss.get_config() if hasattr(loss, "get_config") else {}
        return loss_name(loss), bool(settings.get("from_logits", False))


def load_champion(
    path: Path,
    digest: str,
    specs: tuple[DataSpec, NetworkSpec, TrainingSpec],
    seed: int,
    place: Workplace,
    preparation: Preparation | None = None,
) -> Champion:
    """Open a champion's file.

    Args:
        path: the Keras file.
        digest: the recorded SHA-256.
        specs: of the run; importing a plug-in's module registers its own Keras classes.
        seed: the run's.
        place: where plug-ins are looked for.
        preparation: how samples become inputs, where it was stored; else the run's data say it.

    Raises:
        DamagedFile: the file is not the one recorded.
        UserError: Keras does not open it, or the data or a plug-in are not to be found.
    """
    if sha256_file(path) != digest:
        raise DamagedFile(
            f"{path}: the bytes differ from the recorded SHA-256 {digest}; start the same "
            "`heterosis run` again to have it written anew"
        )
    data, network, training = specs

    def load() -> Dataset:
        return load_dataset(data, seed, place.search_path)

    preparation = preparation or Preparation.of(load())
    load_keras(place.threads)
    missing = _register(network, place)
    try:
        model = open_network(path, training, place.search_path)
    except UserError:
        raise
    except Exception as error:
        if missing is not None:
            raise missing from error
        raise UserError(
            f"{path}: Keras does not open it here: {first_line(error)}", code="champion"
        ) from error
    return Champion(model, preparation, load)


def _register(network: NetworkSpec, place: Workplace) -> UserError | None:
    """Import a builder of the user's own; return why that failed: Keras may not need it."""
    if is_plugin(network.builder):
        try:
            load_plugin(network.builder, place.search_path)
        except UserError as error:
            return error
    return None


def _softmax(outputs: Array) -> Array:
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
