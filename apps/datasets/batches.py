"""Data that come in batches, read anew for every pass: they need not fit into memory.

What a plug-in may give: a `tf.data.Dataset` of batches, whose order is its own; a
`keras.utils.PyDataset`, whose batches are put into each member's order for each epoch; or a
function of a seed that returns one of them, called for each epoch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import Samples, concatenated, listed, mapped
from apps.errors import HeterosisError, UserError
from apps.plugins import told
from apps.seeds import seed_integer

PROBE: Final = 5_000
"""Number of first samples that are used where arrays are needed."""

_FIRST: Final = 0  # seed of the passes that measure and do not train


class Batches:
    """One part of a data set, in batches of `(x, y)` or `(x, y, weights)`."""

    def __init__(self, name: str, source: Any) -> None:
        """Wrap a plug-in's value; nothing is read yet.

        Args:
            name: of the part, for messages.
            source: one of the kinds that the module names.
        """
        self._name = name
        self._function: Callable[[int], Any] | None = source if _is_function(source) else None
        self._source = source if self._function is None else None
        self._count: int | None = None

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return an epoch's order, by kind of source: of its batches, a seed [1], or empty."""
        if self._function is not None:
            return np.array([seed_integer(rng)])
        return rng.permutation(_length(self._source)) if _is_indexed(self._source) else _NONE

    def epoch(self, order: NDArray[np.int64]) -> Any:
        """Return one epoch's batches as `keras.Model.fit` takes them.

        Args:
            order: from `order`.

        Raises:
            UserError: the function of a seed raised, or returned something else.
        """
        if self._function is not None:
            source = self._made(int(order[0]))
            return _ordered(source, None) if _is_indexed(source) else source
        return _ordered(self._source, order) if _is_indexed(self._source) else self._source

    def whole(self) -> Any:
        """Return all batches in one fixed order, as `keras.Model.evaluate` takes them."""
        source = self._made(_FIRST) if self._function is not None else self._source
        return _ordered(source, None) if _is_indexed(source) else source

    def __iter__(self) -> Iterator[Samples]:
        """Read the batches in one fixed order.

        Raises:
            UserError: reading one raised, or one is not `(x, y)` or `(x, y, weights)`.
        """
        source = self.whole()
        try:
            if _is_indexed(source):
                for index in range(_length(source)):
                    yield self._batch(source[index])
            else:
                for batch in source.as_numpy_iterator():
                    yield self._batch(batch)
        except (UserError, GeneratorExit):
            raise
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{self._name}: reading a batch raised {told(error)}", code="data-batches"
            ) from error

    def probe(self) -> Samples:
        """Return the first samples, `PROBE` of them at most.

        Raises:
            UserError: there is no batch.
        """
        parts: list[Samples] = []
        for batch in self:
            parts.append(batch)
            if sum(map(len, parts)) >= PROBE:
                break
        if not parts:
            raise UserError(
                f"{self._name} must have at least one batch, got none", code="data-batches"
            )
        return _joined(parts)[slice(PROBE)]

    def check_repeats(self) -> None:
        """Check that a second pass begins as the first one did.

        Raises:
            UserError: it gives other samples, or ends early; or the data never end.
        """
        source = self.whole()
        if not _is_indexed(source) and int(source.cardinality()) == _infinite():
            raise UserError(
                f"{self._name} never ends: an epoch is one pass over it, so leave out .repeat() or "
                "say .take(number of batches)",
                code="data-batches",
            )
        first, second = (next(iter(self), None) for _ in range(2))
        if first is not None and not all(np.isfinite(each).all() for each in _arrays(first)):
            raise UserError(
                f"{self._name}: its first batch has NaN or infinite numbers: leave them out where "
                "the data are made",
                code="data-values",
            )
        if first is None or (second is not None and _equal(first, second)):
            return
        found = "is empty" if second is None else "begins with other samples"
        raise UserError(
            f"{self._name} can be read once only: its second pass {found}; a generator function "
            "must begin anew each time it is called, and a shuffle needs reshuffle_each_iteration ="
            " False or, for another order each epoch, a function of a seed that returns a Dataset",
            code="data-batches",
        )

    def counted(self, batches: int) -> None:
        """Check the number of batches of a pass against the earlier ones.

        Raises:
            HeterosisError: an earlier pass had another number.
        """
        if self._count is None:
            self._count = batches
        if batches != self._count:
            raise HeterosisError(
                f"{self._name} gave {batches} batches in one epoch and {self._count} in another: "
                "every pass must have the same, so that epochs are comparable",
                code="data-batches",
            )

    def _made(self, seed: int) -> Any:
        assert self._function is not None
        try:
            source = self._function(seed)
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{self._name}: its function of a seed raised {told(error)}", code="data-batches"
            ) from error
        if _is_function(source) or not is_batches(source):
            raise UserError(
                f"{self._name}: its function of a seed must return a tf.data.Dataset or a "
                f"keras.utils.PyDataset, it returned {type(source).__name__}",
                code="data-batches",
            )
        return source

    def _batch(self, batch: Any) -> Samples:
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            raise UserError(
                f"{self._name}: a batch must be (x, y) or (x, y, weights), got "
                f"{type(batch).__name__}",
                code="data-batches",
            )
        return Samples(*(mapped(np.asarray, each) for each in batch))


def is_batches(value: Any) -> bool:
    """Whether a plug-in's value comes in batches."""
    import keras
    import tensorflow as tf

    return isinstance(value, keras.utils.PyDataset | tf.data.Dataset) or _is_function(value)


_NONE: Final = np.empty(0, np.int64)


def _is_function(value: Any) -> bool:
    return inspect.isfunction(value) or inspect.ismethod(value)


def _is_indexed(source: Any) -> bool:
    import keras

    return isinstance(source, keras.utils.PyDataset)


def _length(source: Any) -> int:
    count = source.num_batches
    if count is None:
        raise UserError(
            "a PyDataset must know its number of batches: let __len__ return it, not None",
            code="data-batches",
        )
    return int(count)


def _ordered(source: Any, order: NDArray[np.int64] | None) -> Any:
    """Return a PyDataset's batches in an order, read one after another by this thread."""
    import keras

    numbers = range(_length(source)) if order is None else order

    class Ordered(keras.utils.PyDataset):  # type: ignore[misc] # Keras is not known to mypy
        def __init__(self) -> None:
            super().__init__(workers=1, use_multiprocessing=False)

        def __len__(self) -> int:
            return len(numbers)

        def __getitem__(self, index: int) -> Any:
            return source[int(numbers[index])]

    return Ordered()


def _joined(parts: list[Samples]) -> Samples:
    weights = [part.weights for part in parts if part.weights is not None]
    return Samples(
        concatenated([part.x for part in parts]),
        concatenated([part.y for part in parts]),
        np.concatenate(weights) if weights else None,
    )


def _equal(one: Samples, other: Samples) -> bool:
    left, right = _arrays(one), _arrays(other)
    same = (
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(left, right, strict=False)
    )
    return len(left) == len(right) and all(same)


def _arrays(batch: Samples) -> list[NDArray[Any]]:
    return [*listed(batch.x), *listed(batch.y)]


def _infinite() -> int:
    import tensorflow as tf

    return int(tf.data.INFINITE_CARDINALITY)
