"""Weights of classes become weights of the training samples: they count in the loss alone.

Held-out and test data are measured as they are, and so are metrics; what teachers teach counts as
much as the label beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from apps.datasets.arrays import Array, Named, listed
from apps.datasets.batches import Batches
from apps.datasets.dataset import Dataset
from apps.datasets.weighing import ClassWeights, classes_of, weighted
from apps.errors import UserError, did_you_mean, first_few
from apps.messages.values import ClassWeight
from apps.training.targets import ignored_label, is_of_numbers, loss_name, loss_of, takes_labels

_TWO: Final = "binary"
_NEARLY_ONE: Final = 1e-3
_TOLD: Final = 20  # of the names of classes


def with_class_weights(
    data: Dataset, loss: Any, given: ClassWeight
) -> tuple[Dataset, tuple[str, ...]]:
    """Return data whose training samples count by their classes.

    Args:
        data: what is learnt.
        loss: the model's, or several by the outputs' names.
        given: weights by the classes' names in the data, or by their numbers where the data name
            none; `balanced`: each class of the training set gets samples / (classes x samples of
            the class), scikit-learn's rule; None changes nothing.

    Returns:
        The data, and remarks for the user.

    Raises:
        UserError: the targets are no classes, or those of several outputs or positions; or a class
            is named that the data do not have.
    """
    if given is None:
        return data, ()
    targets = listed(data.probe.y)
    if len(targets) > 1:
        raise _refused(f"the targets are of {len(targets)} outputs, and a class is of one")
    its = _loss_of(loss, data.probe.y)
    train = data.train
    _check_classes(targets[0] if isinstance(train, Batches) else listed(train.y)[0], its)
    names: list[Any] = data.form.get("classes") or []
    weights = _balanced(train, its) if given == "balanced" else _by_numbers(given, names)
    if isinstance(train, Batches):
        return data.with_weights(weights), ()
    learnt = weighted(train, weights)
    if not np.any(learnt.weights):
        raise _refused("no training sample is left with a weight above 0")
    there = {*classes_of(listed(train.y)[0]).tolist()}
    missing = sorted(weights.keys() - there)
    absent = ", ".join(str(names[number] if names else number) for number in missing)
    told = f"training.class_weight names {absent}, of which there is no training sample"
    return replace(data, train=learnt, _derived={}), (told,) if absent else ()


def _loss_of(loss: Any, y: Named) -> Any:
    """Return the loss of the only output that has targets."""
    if isinstance(y, Mapping) or not isinstance(loss, Mapping):
        return loss_of(loss, next(iter(y)) if isinstance(y, Mapping) else "")
    return next((each for each in loss.values() if each is not None), None)


def _by_numbers(given: Mapping[str, float], names: Sequence[Any]) -> ClassWeights:
    """Return weights by the numbers that stand for classes in the targets."""
    if names:
        known = {str(name): number for number, name in enumerate(names)}
        if odd := [name for name in given if name not in known]:
            all_named = first_few(list(known), _TOLD)
            raise UserError(
                f"training.class_weight names {odd[0]!r}, and the classes are {all_named}; "
                f"{did_you_mean(odd[0], known)}name them as the data do",
                code="training-setting",
            )
        return {known[name]: weight for name, weight in given.items()}
    numbers: dict[int, float] = {}
    for name, weight in given.items():
        if not name.isascii() or not name.isdigit():
            raise UserError(
                f"training.class_weight names {name!r}, and the data name no classes: these are "
                "numbered from 0",
                code="training-setting",
            )
        if int(name) in numbers:
            raise UserError(
                f"training.class_weight names class {int(name)} twice", code="training-setting"
            )
        numbers[int(name)] = weight
    return numbers


def _balanced(train: Any, loss: Any) -> ClassWeights:
    parts = train if isinstance(train, Batches) else [train]
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(classes_of(listed(part.y)[0]).tolist())
    if (ignored := ignored_label(loss)) is not None:
        counts.pop(ignored, None)
    samples = sum(counts.values())
    return {number: samples / (len(counts) * count) for number, count in sorted(counts.items())}


def _check_classes(y: Array, loss: Any) -> None:
    positions = y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1 and takes_labels(loss))
    if positions:
        raise _refused("the targets are labels for each position, and a sample has many classes")
    if y.ndim == 2 and y.shape[1] != 1:
        rows = y.astype(np.float64)
        if _TWO in loss_name(loss):
            raise _refused("the targets are several labels a sample, each for itself")
        if (rows < 0).any() or (abs(rows.sum(axis=1) - 1) > _NEARLY_ONE).any():
            raise _refused("the targets are numbers and no classes: a sample's do not add up to 1")
        return
    if not np.array_equal(y, np.round(y)):
        raise _refused("the targets are numbers and no classes: not all of them are whole")
    labels = np.unique(y)
    if is_of_numbers(loss) and not {*labels.tolist()} <= {0, 1}:
        raise _refused(f"the loss {loss_name(loss)} compares numbers, and the targets are not 0, 1")
    if odd := [int(each) for each in labels if each < 0 and each != ignored_label(loss)]:
        raise _refused(f"classes are numbered from 0, and a target is {odd[0]}")


def _refused(why: str) -> UserError:
    return UserError(
        f"training.class_weight: {why}; give each sample its weight in the data, or leave it out",
        code="training-setting",
    )
