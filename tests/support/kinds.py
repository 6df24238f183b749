"""Data and networks of many kinds, as users bring them: plug-ins of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

SIZE = 24


def numbers(samples: int = 96, seed: int = 0) -> tuple[Any, Any, Any]:
    """Two inputs and labels of three classes that depend on both."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, samples, 4)).astype(np.float32)
    return left, right, ((left[:, 0] > 0).astype(int) + (right[:, 0] > 0)).astype(np.int32)


def two_inputs(two_outputs: bool = False, lowest: int = 0) -> Any:
    """Arrays by name."""
    left, right, label = numbers()
    label += lowest
    y: Any = {"label": label, "sum": left.sum(1) + right.sum(1)} if two_outputs else label
    part = {"left": left, "right": right}, y
    return {"train": part, "validation": part, "test": part}


def weighted(zero: bool = False) -> Any:
    """The second half of the samples counts nothing; with `zero` it has other labels."""
    left, _, label = numbers()
    if zero:
        label = np.where(np.arange(len(label)) < 48, label, 2 - label)
    weights = (np.arange(len(label)) < 48).astype(np.float32)
    part = left, label, weights
    return {"train": part, "validation": part, "test": part}


def regression() -> Any:
    """One number to be predicted."""
    left, right, _ = numbers()
    part = left, left.sum(1) * right[:, 0]
    return {"train": part, "validation": part, "test": part}


def labels_from(lowest: int) -> Any:
    """Labels that do not count from 0."""
    left, _, label = numbers()
    return (left, label + lowest), (left, label + lowest)


def streamed(kind: str) -> Any:
    """The same data in batches of 24, in one of the ways that users know."""
    import keras
    import tensorflow as tf

    left, _, label = numbers()

    class Indexed(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(left) // SIZE

        def __getitem__(self, index: int) -> Any:
            chosen = slice(index * SIZE, (index + 1) * SIZE)
            return left[chosen], label[chosen]

    def dataset() -> Any:
        return tf.data.Dataset.from_tensor_slices((left, label))

    def shuffled(seed: int) -> Any:
        return dataset().shuffle(96, seed=seed).batch(SIZE)

    once = iter(list(zip(left, label, strict=True)))

    def drained() -> Iterator[Any]:
        yield from once

    shapes = tf.TensorSpec((4,), tf.float32), tf.TensorSpec((), tf.int32)
    kinds: dict[str, Callable[[], Any]] = {
        "dataset": lambda: dataset().batch(SIZE),
        "indexed": Indexed,
        "seeded": lambda: shuffled,
        "endless": lambda: dataset().batch(SIZE).repeat(),
        "drained": lambda: tf.data.Dataset.from_generator(drained, output_signature=shapes).batch(
            SIZE
        ),
        "reshuffled": lambda: dataset().shuffle(96).batch(SIZE),
        "generator": lambda: (each for each in [(left, label)]),
        "empty": lambda: dataset().take(0).batch(SIZE),
        "single": lambda: dataset().map(lambda x, _: x).batch(SIZE),
    }
    held = left, label
    return {"train": kinds[kind](), "validation": held, "test": dataset().batch(50)}


def unsplit() -> Any:
    """Batches without validation data."""
    parts = streamed("dataset")
    return {"train": parts["train"], "test": parts["test"]}


def net(input_shape: tuple[int, ...], classes: int, output: str = "softmax") -> Any:
    """One input, one output."""
    import keras

    return keras.Sequential(
        [
            keras.layers.Input(input_shape),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(classes, activation=output),
        ]
    )


def functional(input_shape: dict[str, tuple[int, ...]], classes: Any) -> Any:
    """Two inputs; one output, or two."""
    import keras

    inputs = {name: keras.layers.Input(shape, name=name) for name, shape in input_shape.items()}
    hidden = keras.layers.Concatenate()(list(inputs.values()))
    hidden = keras.layers.Dense(8, activation="relu")(hidden)
    if not isinstance(classes, dict):
        return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(hidden))
    label = keras.layers.Dense(classes["label"], activation="softmax", name="label")(hidden)
    total = keras.layers.Dense(classes["sum"], name="sum")(hidden)
    return keras.Model(inputs, {"label": label, "sum": total})


def outputs_in_a_list(input_shape: dict[str, tuple[int, ...]], classes: Any) -> Any:
    """Two inputs by name, two outputs in a list."""
    import keras

    by_name = functional(input_shape, classes)
    return keras.Model(by_name.input, list(by_name.output.values()))


def subclassed(input_shape: tuple[int, ...], classes: int) -> Any:
    """A model whose call is Python."""
    import keras

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = keras.layers.Dense(8, activation="relu")
            self.last = keras.layers.Dense(classes, activation="softmax")

        def call(self, x: Any) -> Any:
            return self.last(self.hidden(x))

    model = Own()
    model(keras.ops.zeros((1, *input_shape)))
    return model


def own_loss(target: Any, output: Any) -> Any:
    """Twice the usual."""
    import keras

    return 2 * keras.losses.sparse_categorical_crossentropy(target, output)


def own_optimizer(learning_rate: float = 0.1) -> Any:
    """Gradient descent."""
    import keras

    return keras.optimizers.SGD(learning_rate)


def own_metric(target: Any, output: Any) -> Any:
    """The mean of the outputs."""
    import keras

    return keras.ops.mean(output, axis=-1)


def halving(folder: str, after: int = 1) -> Any:
    """A callback of one's own: halves the learning rate once, and leaves a note in the folder."""
    from pathlib import Path

    import keras

    class Halving(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == after:
                self.model.optimizer.learning_rate.assign(self.model.optimizer.learning_rate / 2)
            Path(folder, "note.txt").write_text(f"{epoch} {sorted(logs)}")

    return Halving()


def by_batch() -> Any:
    """A callback that asks for what there is not."""
    import keras

    class ByBatch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            pass

    return ByBatch()


def by_lambda() -> Any:
    """A callback that asks for batches by an attribute of its own."""
    import keras

    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)


def at_evaluation() -> Any:
    """A callback that puts other weights in place for an evaluation."""
    import keras

    return keras.callbacks.SwapEMAWeights(swap_on_epoch=False)


def slowing() -> Any:
    """A callback that sets the learning rate."""
    import keras

    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)


def looked_up(scale: float | None = None, dtype: str = "uint8") -> Any:
    """Numbers of words, as bytes."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 20, size=(60, 6)).astype(dtype)
    parts = {name: (x, (x[:, 0] > 9).astype(np.int32)) for name in ("train", "test")}
    return parts if scale is None else {**parts, "input_scale": scale}


def embedding(classes: int) -> Any:
    """A network that looks its inputs up."""
    import keras

    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Embedding(20, 2),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )


def unbuilt() -> Any:
    """A model of an own class that has its weights after its first call only."""
    import keras

    class Late(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.early = keras.layers.Dense(4)
            self.late = keras.layers.Dense(3, activation="softmax")

        def build(self, input_shape: Any) -> None:
            self.early.build(input_shape)
            self.built = True

        def call(self, x: Any) -> Any:
            return self.late(self.early(x))

    model = Late()
    model.build((None, 4))
    return model


def one_hot() -> Any:
    """Targets of three numbers."""
    left, _, label = numbers()
    part = left, np.eye(3, dtype=np.float32)[label]
    return {"train": part, "validation": part, "test": part}


def own_step(tracked: str = "loss", evaluated: bool = False, looped: bool = False) -> Any:
    """A model with a step and a metric of its own, as an autoencoder is written."""
    import keras

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.layer = keras.layers.Dense(4)
            self.tracker = keras.metrics.Mean(name=tracked)

        @property
        def metrics(self) -> Any:
            return [self.tracker]

        def call(self, x: Any) -> Any:
            return self.layer(x)

        def train_step(self, batch: Any) -> Any:
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = keras.ops.mean((self(batch[0]) - batch[0]) ** 2)
            self.optimizer.apply_gradients(
                zip(
                    tape.gradient(loss, self.trainable_weights), self.trainable_weights, strict=True
                )
            )
            self.tracker.update_state(loss)
            return {tracked: self.tracker.result()}

    class Evaluated(Own):
        def test_step(self, batch: Any) -> Any:
            self.tracker.update_state(keras.ops.mean((self(batch[0]) - batch[0]) ** 2))
            return {tracked: self.tracker.result()}

    class Looped(Evaluated):
        def make_train_function(self, force: bool = False) -> Any:
            self.train_function = lambda batches: {tracked: self.step(next(batches))}

        def step(self, batch: Any) -> Any:
            self.tracker.update_state(7.0)
            return self.tracker.result()

    model = (Looped if looped else Evaluated if evaluated else Own)()
    model(np.zeros((1, 4), np.float32))
    return model


def masks(last: int) -> Any:
    """Labels of positions, the last of which may stand for none."""
    labels = np.resize(np.array([0, 1, 2, last], np.uint8), (40, 4, 5))
    return (labels[..., None] * 0.5, labels), (labels[..., None] * 0.5, labels)
