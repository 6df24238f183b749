"""Data that come in batches, read anew for every pass: they need not fit into memory.

What a plug-in may give: a `tf.data.Dataset` of batches, whose order is its own; a
`keras.utils.PyDataset`, whose batches are put into each member's order for each epoch (`indexed`);
or a function of a seed that returns one of them, called for each epoch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import Samples, check_type, concatenated, listed, mapped
from apps.datasets.indexed import Epoch, Indexed, is_indexed
from apps.datasets.weighing import ClassWeights, weighing, weighted
from apps.errors import HeterosisError, UserError
from apps.plugins.load import told
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
        self._indexed = Indexed(name, source) if is_indexed(source) else None
        self._signature: Any = None
        self._count: int | None = None
        self._class_weights: ClassWeights = {}

    def weighted(self, by: ClassWeights) -> Batches:
        """Return the same batches, with samples that count by their classes, too."""
        other = copy(self)
        other._class_weights = by
        return other

    def order(
        self, rng: np.random.Generator, earlier: Iterable[np.random.Generator] = ()
    ) -> NDArray[np.int64]:
        """Return an epoch's order, by kind of source: of its batches, seeds, or empty.

        Args:
            rng: of the epoch.
            earlier: those of the epochs before, for a source with a past.
        """
        if self._function is not None:
            return np.array([seed_integer(rng)])
        return _NONE if self._indexed is None else self._indexed.order(rng, earlier)

    def epoch(self, order: NDArray[np.int64]) -> Any:
        """Return one epoch's batches: a `tf.data.Dataset` or an `Epoch`.

        Args:
            order: from `order`.

        Raises:
            UserError: the function of a seed raised, or returned something else.
        """
        if self._function is not None:
            return self._made(int(order[0]))
        return self._source if self._indexed is None else self._indexed.epoch(order)

    def whole(self) -> Any:
        """Return all batches in one fixed order, those of a first epoch, likewise."""
        if self._function is not None:
            return self._made(_FIRST)
        return self._source if self._indexed is None else self._indexed.whole()

    @contextmanager
    def reading(self, order: NDArray[np.int64] | None = None) -> Iterator[Any]:
        """Give a `tf.data.Dataset` of one pass; a PyDataset is told of its begin and end.

        Args:
            order: from `order`; None for the fixed one.

        Raises:
            UserError: its first batches cannot be read.
        """
        with ExitStack() as meanwhile:
            try:
                dataset = self._opened(order, meanwhile)
            except UserError:
                raise
            except (Exception, SystemExit) as error:
                raise self._unreadable(error) from error
            yield self._weighed(dataset)

    def _opened(self, order: NDArray[np.int64] | None, meanwhile: ExitStack) -> Any:
        source = self.whole() if order is None else self.epoch(order)
        if not isinstance(source, Epoch):
            return source
        # Of the fixed order: what was read before must leave no trace.
        self._signature = self._signature or self.whole().signature()
        return meanwhile.enter_context(source.dataset(self._signature))

    def _unreadable(self, error: BaseException) -> UserError:
        return UserError(f"{self._name}: reading a batch raised {told(error)}", code="data-batches")

    def _weighed(self, dataset: Any) -> Any:
        return dataset.map(weighing(self._class_weights)) if self._class_weights else dataset

    def __iter__(self) -> Iterator[Samples]:
        """Read the batches in one fixed order.

        Raises:
            UserError: reading one raised, or one is not `(x, y)` or `(x, y, weights)`.
        """
        return self._read(self.whole())

    def _read(self, source: Any) -> Iterator[Samples]:
        try:
            if isinstance(source, Epoch):
                with source.running():
                    yield from map(self._batch, source)
            else:
                for batch in source.as_numpy_iterator():
                    yield self._batch(batch)
        except (UserError, GeneratorExit):
            raise
        except (Exception, SystemExit) as error:
            raise self._unreadable(error) from error

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
            raise self._empty()
        return _joined(parts)[slice(PROBE)]

    def _empty(self) -> UserError:
        return UserError(
            f"{self._name} must have at least one batch, got none", code="data-batches"
        )

    def check_repeats(self) -> None:
        """Check that there are batches, and that a second pass begins as the first one did.

        Raises:
            UserError: there is none, or the second pass gives other samples or ends early; or the
                data never end.
        """
        source = self.whole()
        if not isinstance(source, Epoch) and int(source.cardinality()) == _infinite():
            raise UserError(
                f"{self._name} never ends: an epoch is one pass over it, so leave out .repeat() or "
                "say .take(number of batches)",
                code="data-batches",
            )
        first, second = (self._first() for _ in range(2))
        if first is None:
            raise self._empty()
        numbers = [array for array in _arrays(first) if array.dtype.kind in "iuf"]
        if not all(np.isfinite(each).all() for each in numbers):
            raise UserError(
                f"{self._name}: its first batch has NaN or infinite numbers: leave them out where "
                "the data are made",
                code="data-values",
            )
        if second is not None and _equal(first, second):
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

        What a PyDataset's hooks make of its length is the same in every run.

        Raises:
            HeterosisError: an earlier pass had another number.
        """
        if self._indexed is not None and self._indexed.has_hooks:
            return
        if self._count is None:
            self._count = batches
        if batches != self._count:
            raise HeterosisError(
                f"{self._name} gave {batches} batches in one epoch and {self._count} in another: "
                "every pass must have the same, so that epochs are comparable",
                code="data-batches",
            )

    @property
    def varies(self) -> bool:
        """Whether members, and epochs, can have batches of their own."""
        if self._function is None:
            return self._indexed is not None
        one, other = (next(self._read(self._made(seed)), None) for seed in (1, 2))
        return one is None or other is None or not _equal(one, other)

    def told(self, training: bool) -> Iterator[str]:
        """Tell what is done otherwise than the source asks for, or does not vary.

        Args:
            training: whether it is what members learn from.
        """
        if training and not self.varies:
            yield (
                "every member meets the training batches in one order, in every epoch: for orders "
                "of their own give a keras.utils.PyDataset, or a function of a seed that returns "
                "the data set, shuffled by that seed"
            )
        if self._indexed is None:
            return
        if self._indexed.by_processes:
            yield f"{self._name}: threads read it instead of processes (use_multiprocessing)"
        if not self._indexed.repeats:
            yield (
                f"{self._name}: what its on_epoch_begin or on_epoch_end do is another thing each "
                "time, so a run cannot be repeated or continued exactly: let them depend on the "
                "object alone, or draw from numpy's or Python's global generators, which are seeded"
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
        return Indexed(self._name, source).whole(seed) if is_indexed(source) else source

    def _first(self) -> Samples | None:
        """Return the first batch, some of a PyDataset as it was given; None if there is none."""
        if self._indexed is None:
            return next(iter(self), None)
        some = [self._batch(each) for each in self._indexed.as_given()]
        return _joined(some) if some else None

    def _batch(self, batch: Any) -> Samples:
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            raise UserError(
                f"{self._name}: a batch must be (x, y) or (x, y, weights), got "
                f"{type(batch).__name__}",
                code="data-batches",
            )
        fields = [mapped(np.asarray, each) for each in batch]
        for field, what in zip(fields, ("inputs", "targets", "weights"), strict=False):
            for each in listed(field):
                check_type(f"{self._name}: the {what} of a batch", each, text=what == "inputs")
        made = Samples(*fields)
        return weighted(made, self._class_weights) if self._class_weights else made


def is_batches(value: Any) -> bool:
    """Whether a plug-in's value comes in batches."""
    import keras
    import tensorflow as tf

    return isinstance(value, keras.utils.PyDataset | tf.data.Dataset) or _is_function(value)


_NONE: Final = np.empty(0, np.int64)


def _is_function(value: Any) -> bool:
    return inspect.isfunction(value) or inspect.ismethod(value)


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
