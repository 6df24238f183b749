"""What looks odd of data, whatever they come from: bytes, classes that a part lacks, far labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from apps.datasets.arrays import Named, Samples, listed
from apps.datasets.dataset import Dataset
from apps.errors import first_few
from apps.messages.values import Loss
from apps.plugins.load import is_plugin

_GAP: Final = 10
_OF_CLASSES: Final = "crossentropy"  # in the name of a loss of classes
_CURE: Final = ": say data.stratified = true, or bring more samples"
_SAMPLES_A_CLASS: Final = 3  # at least, where whole numbers are taken for classes


def remarks(data: Dataset, stratified: bool, loss: Loss | None = None) -> Iterator[str]:
    """Tell of what looks as if it was not meant so.

    Args:
        data: all parts.
        stratified: whether each part that is drawn has its share of every class.
        loss: of the experiment, where one is known: whole numbers are no classes to all of them.
    """
    yield from _told_scale(data)
    yield from _told_classes(data, stratified, loss)
    yield from _told_gap(data)
    if stratified and not data.drawn:
        yield (
            "data.stratified = true changes nothing: all parts come as they are, and none is drawn"
        )


def _told_scale(data: Dataset) -> Iterator[str]:
    x = getattr(data.train, "x", None)
    if isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.ndim < 3 and data.input_scale < 1:
        yield (
            f"inputs are bytes, taken for pixels and multiplied by {data.input_scale:.6g}: if they "
            "are none, return them as int32, or say input_scale"
        )
    if data.byte_targets:
        what = ", ".join(repr(name) for name in sorted(data.byte_targets) if name)
        yield (
            f"targets {what + ' ' if what else ''}are bytes like the inputs: with one of Keras's "
            f"own losses of numbers they are multiplied by {data.input_scale:.6g} as the inputs are"
        )


def _told_classes(data: Dataset, stratified: bool, loss: Loss | None) -> Iterator[str]:
    """Tell of classes that a part lacks."""
    parts = {"training": data.train, "validation": data.validation, "test": data.test}
    held = {name: each for name, each in parts.items() if isinstance(each, Samples) and len(each)}
    if "training" not in held:
        return
    train = held["training"].y
    for name in train if isinstance(train, Mapping) else ("",):
        targets = {
            part: each.y[name] if isinstance(each.y, Mapping) else each.y
            for part, each in held.items()
        }
        if any(y.ndim != 1 or y.dtype.kind not in "iu" for y in targets.values()):
            continue
        its = loss.get(name, "") if isinstance(loss, Mapping) else loss
        if its and not is_plugin(its) and _OF_CLASSES not in its.replace("_", "").lower():
            continue
        labels = {part: set(np.unique(y).tolist()) for part, y in targets.items()}
        every = set().union(*labels.values())
        if _SAMPLES_A_CLASS * len(every) > sum(map(len, targets.values())):
            continue  # numbers, not classes
        names = data.form.get("classes") or {}
        for part, there in labels.items():
            if missing := sorted(every - there):
                shown = first_few([names[each] if names else each for each in missing])
                helps = not stratified and (part in data.drawn or part == "training")
                cure = _CURE if helps and data.drawn else ""
                yield (
                    f"no {part} sample has the class{'es' * (len(missing) > 1)} {shown}"
                    f"{' of ' + repr(name) if name else ''}, which other parts have{cure}"
                )


def _told_gap(data: Dataset) -> Iterator[str]:
    """Tell of a label far beyond all others, as 255 for what is not labelled."""
    y: Named = data.train.y if isinstance(data.train, Samples) else {}
    for each in listed(y):
        labels = np.unique(each) if each.dtype.kind in "iu" else ()
        last, most = map(int, labels[-2:]) if len(labels) > 2 else (0, 0)
        if most - last > 2 * len(labels) + _GAP and each.size > _SAMPLES_A_CLASS * len(labels):
            yield (
                f"the greatest target is {most}, and the next one {last}: of labels, classes are "
                f"{most + 1}; if it stands for none, say ignore_class={most} in the loss"
            )
