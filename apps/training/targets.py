"""What a loss takes targets for: labels of classes, of a sample or of each position, or numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from apps.datasets.arrays import Array
from apps.datasets.dataset import Dataset

_SPARSE: Final = "sparse"  # in the name of a loss whose targets are the numbers of classes
_ANY_LOSS: Final = frozenset(("Loss", "LossFunctionWrapper", "KerasSaveable"))
_ONE_HOT: Final = "categorical"  # of one whose targets are an output a class


def output_names(model: Any) -> list[str]:
    """Return what losses and targets call a model's outputs, in Keras's order.

    Of outputs that the model returns by name these are the names, which its layers need not have.
    There are none of a sequential model, nor of a class of the user's own.
    """
    from keras import tree

    returned = getattr(model, "_outputs_struct", None)
    if isinstance(returned, Mapping):
        return [str(path[0]) for path, _ in tree.flatten_with_path(returned)]
    return list(getattr(model, "output_names", None) or ())


def losses_of(model: Any) -> Any:
    """Return a model's loss, or several by the outputs' names, also where it has them in a list.

    They stay in a list where Keras knows no names of the outputs before they are computed.
    """
    loss, names = model.loss, output_names(model)
    if isinstance(loss, list | tuple) and len(loss) == 1 and len(names) < 2:
        return loss[0]
    if isinstance(loss, list | tuple) and len(loss) <= len(names):
        loss = dict(zip(names, loss, strict=False))
    return loss[names[0]] if isinstance(loss, Mapping) and [*loss] == names[:1] == names else loss


def loss_of(loss: Any, name: str) -> Any:
    """Return the loss of an output; `name` is "" of the only one.

    Args:
        loss: as `losses_of` gives it.
        name: of the output.

    Returns:
        The loss; "" where it is not known which one is the output's.
    """
    if isinstance(loss, list | tuple):
        return ""
    return loss.get(name, "") if isinstance(loss, Mapping) else loss


def loss_name(loss: Any) -> str:
    """Return what a loss is called, in small letters; "" of none.

    One of Keras's classes, or made of one, is called by that, whatever its user calls it.
    """
    if loss is None:
        return ""
    for kind in type(loss).__mro__:
        if kind.__module__.startswith("keras.") and kind.__name__ not in _ANY_LOSS:
            return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
    return str(getattr(loss, "name", getattr(loss, "__name__", loss))).lower()


def takes_labels(loss: Any) -> bool:
    """Whether targets are the numbers of classes."""
    return _SPARSE in loss_name(loss)


def are_labels(y: Array, loss: Any) -> bool:
    """Whether targets count as numbers of classes: one a sample, or one a position if asked for."""
    if takes_labels(loss):
        return y.dtype.kind in "iu" or bool(np.all(np.mod(y, 1) == 0))
    return y.dtype.kind in "iu" and y.ndim == 1


def ignored_label(loss: Any) -> int | None:
    """Return the label that a loss leaves out; None of most."""
    found = getattr(loss, "ignore_class", None)
    return found if isinstance(found, int) else None


def counted(y: Array, loss: Any) -> Array:
    """Return the labels without those that a loss leaves out; if none is left, all."""
    ignored = ignored_label(loss)
    kept = y if ignored is None else y[y != ignored]
    return kept if kept.size else y


def with_scaled_targets(data: Dataset, loss: Any) -> Dataset:
    """Return data whose targets are scaled like the inputs, where they are bytes like them.

    Both sides of a pair have one convention: an autoencoder's pixels are 0 to 1 at both ends. A
    loss of the user's own is left to know what it was written for.

    Args:
        data: what is learnt.
        loss: the model's, or several by the outputs' names.
    """
    names = frozenset(name for name in data.byte_targets if is_of_numbers(loss_of(loss, name)))
    return data.with_scaled_targets(names)


def is_of_numbers(loss: Any) -> bool:
    """Whether a loss is one of Keras's that compare numbers with numbers."""
    import keras

    name = loss_name(loss)
    if not name or _SPARSE in name or _ONE_HOT in name:
        return False
    found = keras.losses.get(loss)
    made_of = getattr(found, "fn", found)
    module = getattr(made_of, "__module__", "") or type(made_of).__module__
    return str(module).split(".")[0] == "keras"
