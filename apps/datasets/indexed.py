"""A `keras.utils.PyDataset` as `keras.Model.fit` uses it, for any epoch of any member.

One object serves all members of a worker. What it does between epochs is done to copies, from the
beginning: an epoch's batches depend on the member and the epoch, and not on what ran before.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import is_text
from apps.errors import UserError
from apps.plugins.load import told
from apps.seeds import global_draws, global_state, seed_integer

_FIRST: Final = 0  # seed of the passes that measure and do not train
_HOOKS: Final = ("on_epoch_begin", "on_epoch_end")


class Indexed:
    """A user's PyDataset, which stays as it was given."""

    def __init__(self, name: str, source: Any) -> None:
        """Wrap it; nothing is read yet.

        Args:
            name: of the part, for messages.
            source: the PyDataset.
        """
        self._name = name
        self._source = source
        self._here = threading.local()

    @property
    def by_processes(self) -> bool:
        """Whether it asks for processes that read."""
        return bool(self._source.use_multiprocessing)

    @cached_property
    def has_hooks(self) -> bool:
        """Whether something happens between its epochs."""
        import keras

        usual = keras.utils.PyDataset
        return any(getattr(type(self._source), name) is not getattr(usual, name) for name in _HOOKS)

    @cached_property
    def draws(self) -> bool:
        """Whether reading a batch draws from Python's or numpy's global generators."""
        source = self._copied()
        with global_draws(_FIRST):
            try:
                source.on_epoch_begin()
                numbers = _some(_length(self._name, source))
                before = global_state()
                for number in numbers:
                    source[number]
            except Exception:
                return False  # reading it in earnest tells
            return global_state() != before

    @property
    def repeats(self) -> bool:
        """Whether two passes over the same epochs give the same batches."""
        if not self.has_hooks:
            return True
        found = []
        for _ in range(2):
            state = self._state([_FIRST, _FIRST])
            state.begin()
            count = _length(self._name, state.source)
            batches = [_flat(state.read(number)) for number in _some(count)]
            found.append((count, [array for each in batches for array in each]))
        (ours, one), (theirs, other) = found
        return ours == theirs and len(one) == len(other) and all(map(np.array_equal, one, other))

    def order(
        self, rng: np.random.Generator, earlier: Iterable[np.random.Generator]
    ) -> NDArray[np.int64]:
        """Return an epoch's order [batches]; where it has a past, a seed for each epoch [epochs].

        Args:
            rng: of the epoch.
            earlier: those of the epochs before.
        """
        if self.has_hooks or self.draws:
            return np.array([seed_integer(each) for each in (*earlier, rng)])
        return rng.permutation(_length(self._name, self._source))

    def epoch(self, order: NDArray[np.int64]) -> Epoch:
        """Return an epoch's batches.

        Args:
            order: from `order`.
        """
        if not (self.has_hooks or self.draws):
            return Epoch(_State(self._name, self._source, draws=False), order.tolist())
        seeds = order.tolist()
        state = self._state(seeds)
        rng = np.random.default_rng(seeds[-1])
        numbers = rng.permutation(_length(self._name, state.source)).tolist()
        return Epoch(state, numbers, lambda: self._keep(state, seeds))

    def whole(self, seed: int = _FIRST) -> Epoch:
        """Return the batches of a first epoch in their own order.

        Args:
            seed: of what it draws.
        """
        state = self._state([seed])
        return Epoch(state, range(_length(self._name, state.source)))

    def as_given(self) -> list[Any]:
        """Return some batches, the first one too, before any epoch has begun."""
        state = _State(self._name, self._copied(), _FIRST)
        return [state.read(number) for number in _some(_length(self._name, state.source))]

    def _state(self, seeds: Sequence[int]) -> _State:
        """Return the PyDataset as it is when the last of some epochs is about to begin.

        Args:
            seeds: of the epochs, at least one.
        """
        if not self.has_hooks:
            return _State(self._name, self._source, seeds[-1], self.draws)
        past, now = list(seeds[:-1]), seeds[-1]
        kept: tuple[list[int], _State] | None = getattr(self._here, "kept", None)
        if past and kept is not None and kept[0] == past:
            self._here.kept = None  # what is read changes it
            return replace(kept[1], seed=now)
        state = _State(self._name, self._copied(), seeds[0])
        state.end()  # as `fit` does before its first epoch
        for seed in past:
            state = replace(state, seed=seed)
            state.begin()
            state.end()
        return replace(state, seed=now)

    def _keep(self, state: _State, seeds: list[int]) -> None:
        self._here.kept = seeds, state

    def _copied(self) -> Any:
        if not self.has_hooks:
            return self._source
        # What nobody can change need not be copied.
        fixed = {
            id(each): each
            for each in vars(self._source).values()
            if isinstance(each, np.ndarray) and not each.flags.writeable
        }
        try:
            return copy.deepcopy(self._source, fixed)
        except Exception as error:
            raise UserError(
                f"{self._name}: a PyDataset with on_epoch_begin or on_epoch_end is copied for each "
                f"member, and this one cannot be: {told(error)}; open files where they are read, "
                "or give it __deepcopy__",
                code="data-batches",
            ) from error


class Epoch:
    """The batches of one epoch, as `keras.Model.fit` asks a PyDataset for them."""

    use_multiprocessing = False  # a worker has its share of the cores: threads read

    def __init__(
        self, state: _State, numbers: Sequence[int], ended: Callable[[], None] | None = None
    ) -> None:
        """Read nothing yet.

        Args:
            state: what is read.
            numbers: of the batches, in order.
            ended: is called when the epoch has ended.
        """
        self._state = state
        self._numbers = numbers
        self._ended = ended
        self.num_batches = len(numbers)
        self.workers = state.source.workers
        self.max_queue_size = state.source.max_queue_size

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, index: int) -> Any:
        return _with_tensors(self._state.read(self._numbers[index]))

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(self.num_batches))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Call `on_epoch_begin`, and in the end `on_epoch_end`."""
        self._state.begin()
        yield
        self._state.end()
        if self._ended is not None:
            self._ended()

    def signature(self) -> Any:
        """Return what TensorFlow must know of the batches: those of the beginning, middle and end.

        Axes in which they differ may have any length, and the first one always.
        """
        from keras.src.trainers.data_adapters.data_adapter_utils import get_tensor_spec

        with self.running():
            batches = [self[index] for index in _some(self.num_batches)]
        return get_tensor_spec([tuple(b) if isinstance(b, list) else b for b in batches])

    @contextmanager
    def dataset(self, signature: Any) -> Iterator[Any]:
        """Give a `tf.data.Dataset` of the epoch's batches, as `keras.Model.fit` makes it.

        Args:
            signature: of the batches.
        """
        import tensorflow as tf
        from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

        with self.running():
            adapter = PyDatasetAdapter(self)
            adapter._output_signature = signature  # else it reads two batches, whichever come first
            try:
                yield adapter.get_tf_dataset().apply(
                    tf.data.experimental.assert_cardinality(self.num_batches)
                )
            finally:
                if adapter.enqueuer is not None:
                    adapter.enqueuer.stop()


@dataclass(frozen=True)
class _State:
    """A PyDataset in an epoch.

    Attributes:
        name: of the part, for messages.
        source: the PyDataset.
        seed: of what it draws in this epoch.
        draws: whether reading draws.
    """

    name: str
    source: Any
    seed: int = _FIRST
    draws: bool = True

    def read(self, number: int) -> Any:
        if not self.draws:
            return self.source[number]
        with global_draws(_seed(self.seed, 2 + number)):
            return self.source[number]

    def begin(self) -> None:
        self._call(_HOOKS[0])

    def end(self) -> None:
        self._call(_HOOKS[1])

    def _call(self, hook: str) -> None:
        with global_draws(_seed(self.seed, _HOOKS.index(hook))):
            try:
                getattr(self.source, hook)()
            except (Exception, SystemExit) as error:
                raise UserError(
                    f"{self.name}: its {hook} raised {told(error)}", code="data-batches"
                ) from error


def is_indexed(source: Any) -> bool:
    """Whether a source is a PyDataset."""
    import keras

    return isinstance(source, keras.utils.PyDataset)


def _with_tensors(batch: Any) -> Any:
    """Return a batch whose arrays of texts are tensors: Keras knows no type object."""
    import keras
    import tensorflow as tf

    return keras.tree.map_structure(
        lambda each: tf.constant(each) if isinstance(each, np.ndarray) and is_text(each) else each,
        batch,
    )


def _length(name: str, source: Any) -> int:
    try:
        count = source.num_batches
    except NotImplementedError:  # Keras's PyDataset without a __len__: as unknown as a None
        count = None
    if count is None:
        raise UserError(
            f"{name}: a PyDataset must know its number of batches: let __len__ return it, not None",
            code="data-batches",
        )
    return int(count)


def _some(count: int) -> list[int]:
    """Return the numbers of the batches that are looked at: the first two, a middle one, the last.

    >>> _some(9), _some(1), _some(0)
    ([0, 1, 4, 8], [0], [])
    """
    return sorted({0, 1 % count, count // 2, count - 1}) if count else []


def _seed(seed: int, purpose: int) -> int:
    return seed_integer(np.random.default_rng([seed, purpose]))


def _flat(batch: Any) -> list[NDArray[Any]]:
    import keras

    return [np.asarray(each) for each in keras.tree.flatten(batch)]
