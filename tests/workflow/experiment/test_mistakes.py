"""A new project, broken in the ways that users do: each is told with its cause and what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.datasets.load import forget_datasets
from tests.workflow.conftest import Heterosis

Mistake = Callable[[Path], None]


def edit(name: str, *changes: tuple[str, str]) -> Mistake:
    def change(folder: Path) -> None:
        path = folder / name
        text = path.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)

    return change


def both(*mistakes: Mistake) -> Mistake:
    def change(folder: Path) -> None:
        for each in mistakes:
            each(folder)

    return change


RETURN = "    return (x[test:], spiral[test:]), (x[:test], spiral[:test])\n"
MODEL = "    return keras.Sequential(\n"

GENERATOR = """
    import tensorflow as tf

    once = iter(list(zip(x[test:], spiral[test:])))
    shapes = tf.TensorSpec((2,), tf.float64), tf.TensorSpec((), tf.int64)
    train = tf.data.Dataset.from_generator(lambda: once, output_signature=shapes).batch(32)
    held = x[:test], spiral[:test]
    return {"train": train, "validation": held, "test": held}
"""

FEWER_EACH_TIME = """
    import tensorflow as tf

    held = x[:test], spiral[:test]
    passes = []

    def epoch(seed):
        passes.append(seed)
        full = tf.data.Dataset.from_tensor_slices((x[test:], spiral[test:])).batch(32)
        return full.take(70 - len(passes) // 4)

    return {"train": epoch, "validation": held, "test": held}
"""

TWO_OUTPUTS = """
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(width, activation=activation)(inputs)
    heads = {name: keras.layers.Dense(3, activation="softmax", name=name)(hidden)
             for name in ("left", "right")}
    return keras.Model(inputs, heads)
"""

OWN_LAYER = """
    @keras.saving.register_keras_serializable()
    class Doubled(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(name="kernel", shape=(shape[-1], width))

        def call(self, x):
            return 2 * keras.ops.matmul(x, self.kernel)

    return keras.Sequential([
        keras.layers.Input(input_shape), Doubled(),
        keras.layers.Dense(classes, activation="softmax"),
    ])
"""

SPACE = ("[training]", "[space]\nwidth = { low = 4, high = 64 }\n\n[training]")

MISTAKES: dict[str, tuple[Mistake, str, str]] = {
    "wrong shape": (
        edit("network.py", ("Input(input_shape)", "Input((28, 28))")),
        "network-fit",
        r"takes inputs \(28, 28\), and the data have \(2,\): give its Input layer .* input_shape",
    ),
    "labels from 1": (
        edit("data.py", (RETURN, "    spiral += 1\n" + RETURN)),
        "data-labels",
        "labels must count from 0 .* the smallest one is 1; subtract 1",
    ),
    "NaN": (
        edit("data.py", (RETURN, "    x[700, 1] = np.nan\n" + RETURN)),
        "data-values",
        r"x_train must be finite as float32, got nan at index \[100, 1\]",
    ),
    "two outputs and one loss": (
        edit("network.py", (MODEL, TWO_OUTPUTS + MODEL)),
        "network-fit",
        r"there are 2 outputs: give the targets by name, .* training.loss = { left = ..., right",
    ),
    "a layer that cannot be aligned": (
        edit("network.py", (MODEL, OWN_LAYER + MODEL)),
        "alignment",
        "arms.mean, halt after epoch 4: the symmetries of layer 'doubled.* use align = 'none'",
    ),
    "missing file": (
        edit("data.py", (RETURN, '    x = np.load("images.npy")\n' + RETURN)),
        "plugin-raised",
        r"FileNotFoundError: .*'images.npy' \(.*data.py, line \d+\)",
    ),
    "missing module": (
        edit("experiment.toml", ('"data:load"', '"dat:load"')),
        "plugin-not-found",
        "there is no module 'dat'",
    ),
    "a generator that is drained": (
        edit("data.py", (RETURN, GENERATOR)),
        "data-batches",
        "can be read once only: its second pass .*; a generator function must begin anew",
    ),
    "too small a validation set": (
        edit("experiment.toml", ("validation = 400", "validation = 1")),
        "data-split",
        "1 held-out samples are too few to choose networks .* hold out more",
    ),
    "too large a validation set": (
        edit("experiment.toml", ("validation = 400", "validation = 4_000")),
        "data-split",
        "must be smaller than the training set of data:load, which has 2,400 samples; got 4,000",
    ),
    "a builder that ignores its parameters": (
        edit("network.py", ("Dense(width,", "Dense(16,")),
        "plugin-setting",
        r"'network:build' takes width and never reads it: use it in .*network.py, line \d+, or",
    ),
    "a builder that makes nothing of its parameters": (
        both(
            edit("network.py", ("Dense(width,", "Dense(16 + 0 * width,")),
            edit("experiment.toml", SPACE, ("params = { width = 16 }\n", "")),
        ),
        "network-builder",
        "space.width: .* gives the same network for .* let the function use its argument width",
    ),
    "a parameter that the builder does not have": (
        edit("experiment.toml", ("width = 16", "widht = 16")),
        "plugin-setting",
        "has no setting 'widht'; did you mean 'width'",
    ),
}


@pytest.fixture
def project(
    tmp_path: Path, heterosis: Heterosis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    folder = tmp_path / "mine"
    assert heterosis("new", folder).code == 0
    monkeypatch.chdir(folder)
    yield folder
    forget_datasets()
    for name in ("data", "network"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_before_anything_is_computed(
    mistake: str, project: Path, heterosis: Heterosis
) -> None:
    make, code, told = MISTAKES[mistake]
    make(project)
    ended = heterosis("run")
    print(ended.err)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert ended.err.endswith(f"[{code}]\n")
    assert "Traceback" not in ended.err
    assert re.search(told, ended.err)
    assert not (project / "runs").exists()


def test_a_generator_that_ends_early_fails_its_members_and_says_so(
    project: Path, heterosis: Heterosis
) -> None:
    edit("data.py", (RETURN, FEWER_EACH_TIME))(project)
    ended = heterosis("run", "--set", "trials=1")
    assert ended.code == 1
    assert "train gave 6" in ended.err
    assert "[data-batches]" in ended.err
    # The later halt and the harvest repeat what the first one missed, once.
    told = [line for line in ended.err.splitlines() if line.startswith("failed: ")]
    assert [line.count("[survivors]") for line in told] == [1, 1, 1]
    assert "Traceback" not in ended.err


def test_a_rate_that_diverges_is_told_with_its_epoch(project: Path, heterosis: Heterosis) -> None:
    change = ("learning_rate = 0.003", "learning_rate = 1e30")
    edit("experiment.toml", change)(project)
    ended = heterosis("run", "--set", "trials=1", "--set", "training.epochs=2")
    print(ended.err)
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert re.search(r"loss was (nan|inf) after epoch 1", ended.err)
    assert "learning rate" in ended.err
