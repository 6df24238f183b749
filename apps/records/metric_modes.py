"""Whether a lower or a higher value of a metric is better, as far as its name tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from apps.messages.objective import Mode

_HIGHER: Final = frozenset(
    [
        *("acc", "accuracy", "binaryaccuracy", "categoricalaccuracy"),
        *("sparsecategoricalaccuracy", "topkcategoricalaccuracy", "sparsetopkcategoricalaccuracy"),
        *("auc", "precision", "recall", "precisionatrecall", "recallatprecision"),
        *("sensitivityatspecificity", "specificityatsensitivity", "truepositives"),
        *("truenegatives", "f1score", "fbetascore"),
        *("iou", "binaryiou", "meaniou", "onehotiou", "onehotmeaniou"),
        *("r2score", "cosinesimilarity", "concordancecorrelation", "pearsoncorrelation"),
    ]
)

_LOWER: Final = frozenset(
    [
        *("loss", "meansquarederror", "mse", "rootmeansquarederror", "meanabsoluteerror", "mae"),
        *("meanabsolutepercentageerror", "mape", "meansquaredlogarithmicerror", "msle"),
        *("logcosherror", "logcosh", "hinge", "squaredhinge", "categoricalhinge"),
        *("kldivergence", "poisson", "binarycrossentropy", "bce", "categoricalcrossentropy"),
        *("sparsecategoricalcrossentropy", "falsepositives", "falsenegatives"),
    ]
)
"""Keras's metrics in small letters without underscores."""


def keras_mode(name: str) -> Mode | None:
    """Return the direction of a metric of Keras's; None of another.

    >>> keras_mode("AUC"), keras_mode("root_mean_squared_error"), keras_mode("profit")
    ('max', 'min', None)
    """
    plain = name.replace("_", "").lower()
    return "max" if plain in _HIGHER else "min" if plain in _LOWER else None


def mode_of(name: str, training: Mapping[str, Any]) -> Mode | None:
    """Return the direction of a metric of a run; None where its name does not tell.

    A function or class of the user's own is not one of Keras's, whatever it is called.

    Args:
        name: as it is recorded, without what says on which data; of several outputs it has the
            output's before it.
        training: the table `training` of the experiment: `metrics` and `loss`, by output or not.

    >>> own = {"metrics": ["mae", "mine:profit"]}
    >>> mode_of("mae", own), mode_of("profit", own)
    ('min', None)
    >>> mode_of("left_auc", {"metrics": {"left": ["auc"]}})
    'max'
    """
    tables = [training.get(key) for key in ("metrics", "loss")]
    outputs = [output for table in tables if isinstance(table, Mapping) for output in table]
    own = {each.partition(":")[2] for each in _names(tables[0]) if ":" in each} - {"loss"}
    for prefix in ("", *(f"{output}_" for output in outputs)):
        found = name.removeprefix(prefix)
        if name.startswith(prefix) and found in own:
            return None
        if name.startswith(prefix) and (mode := keras_mode(found)) is not None:
            return mode
    return None


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _names(list(value.values()))
    elif isinstance(value, Sequence):
        for each in value:
            yield from _names(each)
