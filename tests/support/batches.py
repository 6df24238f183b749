"""PyDatasets as users write them: plug-ins of the tests."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.kinds import SIZE, numbers


def hooked(
    what: str = "shuffled",
    workers: int = 1,
    processes: bool = False,
    failing: str = "",
) -> Any:
    """The data of `kinds` in a PyDataset that does something between epochs, or while it reads.

    A file `failing` has the number of reads that still work.
    """
    import keras

    left, _, label = numbers()

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__(workers=workers, use_multiprocessing=processes)
            self.rows = np.arange(len(left))
            self.begun = self.ended = 0
            self.rng = np.random.default_rng(1)
            self.lock = threading.Lock() if what == "lock" else None

        def __len__(self) -> int:
            full = len(left) // SIZE
            return max(1, full - self.ended) if what == "shrinking" else full

        def __getitem__(self, index: int) -> Any:
            if failing and Path(failing).exists():
                reads = int(Path(failing).read_text())
                if not reads:
                    raise OSError(5, "the disk is away")
                Path(failing).write_text(str(reads - 1))
            rows = self.rows[index * SIZE : (index + 1) * SIZE]
            x = left[rows]
            if what == "augmented":
                x = x + np.random.normal(0, 0.1, x.shape).astype(np.float32)
            if what == "augmented later" and index:
                x = x + np.random.normal(0, 0.1, x.shape).astype(np.float32)
            if what == "moving later" and index:
                x = x + self.rng.normal(0, 0.1, x.shape).astype(np.float32)
            if what == "counting":
                x = x + np.float32(self.begun)
            return x, label[rows]

        if not what.startswith(("augmented", "plain", "moving")):

            def on_epoch_begin(self) -> None:
                self.begun += 1

            def on_epoch_end(self) -> None:
                self.ended += 1
                if what == "shuffled":
                    np.random.shuffle(self.rows)
                if what == "unrepeatable":
                    np.random.default_rng().shuffle(self.rows)

    class Unknown(Batches):
        num_batches = None

    train = Unknown() if what == "unknown" else Batches()
    return {"train": train, "validation": (left, label), "test": (left, label)}


def deaf(listens: bool = False) -> Any:
    """A function of a seed that takes no notice of it."""
    import tensorflow as tf

    left, _, label = numbers()

    def made(seed: int) -> Any:
        whole = tf.data.Dataset.from_tensor_slices((left, label))
        return whole.shuffle(96, seed=seed if listens else 1).batch(SIZE)

    return {"train": made, "validation": (left, label), "test": (left, label)}


WORDS = ("red", "green", "blue")


def texts(form: str = "arrays", targets: str = "numbers") -> Any:
    """Sentences, and how often the first word is in them."""
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(0)
    words = rng.choice(WORDS, (96, 4))
    x = np.array([" ".join(each) for each in words])
    y = (words == WORDS[0]).sum(1).astype(np.int32)
    odd = np.array([["red", 3]] * 96, dtype=object)

    class Sentences(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(x) // SIZE

        def __getitem__(self, index: int) -> Any:
            rows = slice(index * SIZE, (index + 1) * SIZE)
            return x[rows], y[rows]

    train: Any
    if form == "indexed":
        train = Sentences()
    elif form == "batches":
        train = tf.data.Dataset.from_tensor_slices((x, y)).batch(SIZE)
    elif targets == "texts":
        train = x, x
    elif form == "odd":
        train = odd, y
    else:
        train = x, y
    held = (x, y) if targets == "numbers" else (x, x)
    return {"train": train, "validation": held, "test": train if form == "odd" else held}


def reads_texts(layer: str = "vectorization") -> Any:
    """A network that begins with words, and knows its vocabulary."""
    import keras

    inputs = keras.Input((1,), dtype="string")
    if layer == "vectorization":
        begin = keras.layers.TextVectorization(output_sequence_length=4)
        begin.adapt(np.array([" ".join(WORDS)]))
    else:
        begin = keras.layers.StringLookup(vocabulary=[" ".join(WORDS)], output_mode="one_hot")
    hidden = begin(inputs)
    if layer == "vectorization":
        hidden = keras.layers.Embedding(6, 8)(hidden)
        hidden = keras.layers.GlobalAveragePooling1D()(hidden)
    hidden = keras.layers.Dense(8, activation="relu")(hidden)
    return keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(hidden))
