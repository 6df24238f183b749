"""A champion that is opened again, to be asked: inputs are scaled as they were in training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apps.datasets import Dataset, load_dataset
from apps.errors import UserError, first_line
from apps.files import DamagedFile, sha256_file
from apps.loops import EVALUATION_BATCH
from apps.messages import Workplace
from apps.plugins import is_plugin, load_plugin
from apps.runtime import load_keras
from apps.specs import DataSpec, NetworkSpec

if TYPE_CHECKING:
    import keras

Array = NDArray[Any]

_OF_CLASSES: Final = ("sparse_categorical_crossentropy", "categorical_crossentropy")
_OF_TWO: Final = "binary_crossentropy"


@dataclass(frozen=True)
class Champion:
    """A trained network and the data that it was trained for.

    Attributes:
        model: the Keras model, compiled.
        data: the run's own; its inputs say what others must be like.
    """

    model: keras.Model
    data: Dataset

    def predict(self, inputs: ArrayLike) -> Array:
        """Return the network's outputs [n, ...] for inputs [n, ...] as the data set has them.

        Samples that are rows of numbers are brought to the network's shape.

        Raises:
            UserError: the inputs are not numbers, or not of the network's shape.
        """
        x = self.fitted(inputs)
        return np.asarray(self.model.predict(x, batch_size=EVALUATION_BATCH, verbose=0))

    def tested(self) -> dict[str, float]:
        """Return loss and metrics on the run's test data."""
        x, y = self.fitted(self.data.x_test), self.data.y_test
        found = self.model.evaluate(x, y, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
        return {name: float(value) for name, value in found.items()}

    def fitted(self, inputs: ArrayLike) -> Array:
        """Return inputs as the network takes them: checked, in its shape, scaled.

        Raises:
            UserError: they are not numbers, or not of the network's shape.
        """
        x = np.asarray(inputs)
        example = self.data.x_train
        sample = example.shape[1:]
        if x.dtype.kind not in "biuf":
            raise UserError(f"inputs must be numbers, got dtype {x.dtype}")
        if x.ndim == 2 and x.shape[1:] != sample and x.shape[1] == np.prod(sample):
            x = x.reshape(len(x), *sample)
        if x.shape[1:] != sample or x.ndim == 0:
            columns = "" if len(sample) == 1 else f", or rows of {np.prod(sample)} numbers"
            one = "; of a single sample give an array of one" if x.shape == sample else ""
            raise UserError(
                f"inputs must have the shape [n, {', '.join(map(str, sample))}]{columns}, as in "
                f"training; got {list(x.shape)}{one}"
            )
        if not len(x):
            raise UserError("inputs must have at least one sample, got none")
        if not np.isfinite(x).all():
            raise UserError("inputs must be finite numbers, got NaN or infinity")
        if example.dtype.kind in "iu" and not np.array_equal(x, np.floor(x)):
            raise UserError(
                f"inputs must be whole numbers, as in training ({example.dtype}, multiplied by "
                f"{self.data.input_scale:.4g} here), got fractions: give them unscaled"
            )
        scale = self.data.input_scale
        if scale == 1.0:
            return x.astype(example.dtype)
        return x.astype(np.float32) * np.float32(scale)

    def probabilities(self, outputs: Array) -> Array | None:
        """Return the probability of every class [n, classes], or None of a network without any."""
        loss, from_logits = self._loss
        if loss in _OF_CLASSES and outputs.ndim == 2:
            return _softmax(outputs) if from_logits else outputs
        if loss == _OF_TWO and outputs.shape[1:] in ((), (1,)):
            second = outputs.reshape(-1, 1)
            if from_logits:
                second = 1 / (1 + np.exp(-second))
            return np.concatenate([1 - second, second], axis=1)
        return None

    @property
    def _loss(self) -> tuple[str, bool]:
        keras = load_keras()
        loss = keras.losses.get(self.model.loss)
        name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
        settings = loss.get_config() if hasattr(loss, "get_config") else {}
        return str(name), bool(settings.get("from_logits", False))


def load_champion(
    path: Path, digest: str, data: DataSpec, network: NetworkSpec, seed: int, place: Workplace
) -> Champion:
    """Open a champion's file.

    Args:
        path: the Keras file.
        digest: the SHA-256 that its record says.
        data: the run's.
        network: the run's; the module of a builder that is a plug-in registers its own classes.
        seed: the run's.
        place: where plug-ins are looked for.

    Raises:
        DamagedFile: the file is not the one recorded.
        UserError: Keras does not open it, or the data or a plug-in are not to be found.
    """
    if sha256_file(path) != digest:
        raise DamagedFile(
            f"{path}: the bytes differ from the recorded SHA-256 {digest}; start the same "
            "`heterosis run` again to have it written anew"
        )
    dataset = load_dataset(data, seed, place.search_path)
    keras = load_keras(place.threads)
    if is_plugin(network.builder):
        load_plugin(network.builder, place.search_path)
    try:
        model = keras.models.load_model(path)
    except Exception as error:
        raise UserError(f"{path}: Keras does not open it here: {first_line(error)}") from error
    return Champion(model, dataset)


def _softmax(outputs: Array) -> Array:
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
