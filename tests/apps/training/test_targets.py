"""What targets mean is the loss's to say: labels of positions, labels without an output, bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.batches import Batches
from apps.datasets.checks import checked
from apps.datasets.dataset import Dataset
from apps.errors import UserError
from apps.messages.specs import NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.runtime import load_keras
from apps.training.input_checks import Span, build_for, check_shapes, facts, label_span
from apps.training.targets import loss_of, losses_of, with_scaled_targets

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, (30, 4, 4))
SPARSE = TrainingSpec(8)

BUILDERS = """
import keras
from keras import layers


def conv(input_shape, classes=None, outputs=0, loss=None, ignore=None, activation="softmax"):
    x = keras.Input(input_shape)
    model = keras.Model(x, layers.Conv2D(outputs or classes, 1, activation=activation)(x))
    model.told = classes
    if ignore is not None:
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=ignore))
    elif loss:
        model.compile(loss=loss)
    return model


def dense(input_shape, classes, loss=None):
    model = keras.Sequential([keras.Input(input_shape), layers.Dense(classes)])
    model.told = classes
    if loss:
        model.compile(loss=loss)
    return model


class Derived(keras.losses.SparseCategoricalCrossentropy):
    pass


def by_another_name(input_shape, way):
    x = keras.Input(input_shape)
    model = keras.Model(x, layers.Conv2D(3, 1, activation="softmax")(x))
    kind = Derived if way == "derived" else keras.losses.SparseCategoricalCrossentropy
    loss = kind(name="ce")
    model.compile(loss=[loss] if way == "listed" else loss)
    return model


def two(input_shape, classes):
    x = keras.Input(input_shape)
    outputs = [layers.Dense(3, "softmax", name="b")(x), layers.Dense(1, name="a")(x)]
    model = keras.Model(x, outputs)
    model.told = classes
    model.compile(loss=["sparse_categorical_crossentropy", "mse"])
    return model


class Net(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.b = layers.Dense(3, "softmax")
        self.a = layers.Dense(1)

    def call(self, x):
        return {"b": self.b(x), "a": self.a(x)}


def by_name(input_shape, classes, way):
    x = keras.Input(input_shape)
    names = ("a", "b") if way == "swapped" else (None, None)
    net = Net(classes)
    if way != "a class of its own":
        b, a = layers.Dense(3, "softmax", name=names[0]), layers.Dense(1, name=names[1])
        net = keras.Model(x, {"b": b(x), "a": a(x)})
    net(x)
    net.told = classes
    net.compile(loss=["mse", "sparse_categorical_crossentropy"])
    return net
"""


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    (tmp_path / "own_targets.py").write_text(BUILDERS)
    return Workplace(str(tmp_path), search_path=str(tmp_path))


def dataset(x: Any, y: Any, **more: Any) -> Dataset:
    source = checked({"train": (x, y), "validation": (x, y), "test": (x, y), **more})
    assert not isinstance(source.train, Batches)
    assert source.validation is not None
    return Dataset(
        source.train, source.validation, source.test, source.input_scale, source.byte_targets
    )


def of_positions(y: Any) -> Dataset:
    return dataset(np.zeros((len(y), 4, 4, 1), np.float32), y)


def built(data: Dataset, place: Workplace, builder: str = "conv", **params: Any) -> Any:
    network = NetworkSpec(f"own_targets:{builder}", params)
    model = build_for(data, network, SPARSE, 1, place)
    x, y = data.train[slice(2)].fields

    def span(name: str, loss: Any) -> Span:
        return label_span(data, name, loss)

    check_shapes(model, network, (x, y), span)
    return model


# ------------------------------------------------------------------------------------- classes
@pytest.mark.parametrize("channel", [False, True])
def test_labels_of_positions_are_counted_as_classes(channel: bool, place: Workplace) -> None:
    data = of_positions(LABELS[..., None] if channel else LABELS)
    assert facts(data, SPARSE)["classes"] == 3
    assert built(data, place).output_shape == (None, 4, 4, 3)


def test_tags_of_a_sequence_are_counted_as_classes() -> None:
    data = dataset(np.zeros((30, 7), np.float32), RNG.integers(0, 2, (30, 7)) * 4)
    assert facts(data, SPARSE)["classes"] == 5
    assert facts(data, replace(SPARSE, loss="mse"))["classes"] == 7


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy", "binary_crossentropy"])
def test_a_builder_that_compiles_is_told_by_its_own_loss(loss: str, place: Workplace) -> None:
    data = dataset(np.zeros((30, 4), np.float32), np.eye(5, dtype=int)[RNG.integers(0, 5, 30)])
    assert built(data, place, "dense", loss=loss).told == 5


def test_a_label_of_a_sample_is_counted_as_before(place: Workplace) -> None:
    data = dataset(np.zeros((30, 4), np.float32), RNG.integers(0, 5, 30))
    assert built(data, place, "dense").told == 5
    assert facts(data, replace(SPARSE, loss="mse"))["classes"] == 1


@pytest.mark.parametrize("ignored", [-1, 255, 3])
def test_a_label_that_the_loss_leaves_out_is_no_class(ignored: int, place: Workplace) -> None:
    labels = np.where(RNG.random(LABELS.shape) < 0.2, ignored, LABELS)
    model = built(of_positions(labels), place, ignore=ignored)
    assert model.output_shape == (None, 4, 4, 3)


# --------------------------------------------------------------------- labels without an output
@pytest.mark.parametrize("place_of_it", [(0, 0, 0), (29, 3, 3)])
def test_a_label_without_an_output_is_refused(
    place_of_it: tuple[int, int, int], place: Workplace
) -> None:
    labels = LABELS.copy()
    labels[place_of_it] = 3
    with pytest.raises(UserError, match="labels reach 3, and it has 3 outputs") as caught:
        built(of_positions(labels), place, outputs=3)
    assert caught.value.code == "data-labels"


def test_a_label_below_0_is_refused_unless_it_is_left_out(place: Workplace) -> None:
    labels = LABELS.copy()
    labels[3, 0, 0] = -1
    with pytest.raises(UserError, match=r"not be negative .*or compile the loss with ignore_class"):
        built(of_positions(labels), place)


def test_one_output_tells_no_classes_apart(place: Workplace) -> None:
    with pytest.raises(UserError, match="labels reach 2, and it has 1 output a sample"):
        built(of_positions(LABELS), place, outputs=1)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, 0, 0], LABELS[:, 0, 0] - 1])
def test_two_classes_are_0_and_1(labels: Any, place: Workplace) -> None:
    x = np.zeros((30, 4, 4, 1)[: 4 if labels.ndim > 1 else 2], np.float32)
    params = {"outputs": 1, "activation": "sigmoid"} if labels.ndim > 1 else {}
    builder = "conv" if labels.ndim > 1 else "dense"
    with pytest.raises(UserError, match="targets from 0 to 1, and those of the data are whole"):
        built(dataset(x, labels), place, builder, loss="binary_crossentropy", **params)


def test_labels_that_are_floats_are_counted_as_classes(place: Workplace) -> None:
    labels = LABELS[:, 0, 0]
    data = dataset(np.zeros((30, 4), np.float32), labels.astype(float))
    assert built(data, place, "dense").told == 3
    data = dataset(np.zeros((30, 4), np.float32), labels + 0.5 * (np.arange(30) == 20))
    with pytest.raises(UserError, match=r"is for classes, .*, and the targets are not whole"):
        built(data, place, "dense")


@pytest.mark.parametrize("labels", [(1.0, 2.0), (-1.0, 1.0)])
def test_two_classes_that_are_floats_are_0_and_1_too(
    labels: tuple[float, float], place: Workplace
) -> None:
    data = dataset(np.zeros((30, 2), np.float32), np.resize(labels, 30))
    with pytest.raises(UserError, match="targets from 0 to 1, and those of the data are whole"):
        built(data, place, "dense", loss="binary_crossentropy")


@pytest.mark.parametrize("way", ["called", "derived", "listed"])
def test_a_loss_is_what_it_is_whatever_it_is_called(way: str, place: Workplace) -> None:
    labels = LABELS.copy()
    labels[29, 3, 3] = 3
    with pytest.raises(UserError, match="labels reach 3, and it has 3 outputs"):
        built(of_positions(labels), place, "by_another_name", way=way)


def test_losses_in_a_list_are_those_of_the_outputs_in_their_order(place: Workplace) -> None:
    x = np.zeros((30, 4), np.float32)
    y = {"b": LABELS[:, 0, 0], "a": RNG.normal(size=30)}
    model = built(dataset(x, y), place, "two")
    assert losses_of(model) == {"b": "sparse_categorical_crossentropy", "a": "mse"}
    assert model.told == {"b": 3, "a": 1}


@pytest.mark.parametrize("way", ["other layers' names", "swapped"])
def test_outputs_by_name_have_their_own_names_and_not_their_layers(
    way: str, place: Workplace
) -> None:
    """Keras hands the losses of a list out by the sorted names of the outputs."""
    x, numbers = np.zeros((30, 4), np.float32), RNG.normal(size=30)
    model = built(dataset(x, {"b": LABELS[:, 0, 0], "a": numbers}), place, "by_name", way=way)
    assert losses_of(model) == {"a": "mse", "b": "sparse_categorical_crossentropy"}
    assert model.told == {"b": 3, "a": 1}
    with pytest.raises(UserError, match=r"outputs a \(1,\), b \(3,\), .* labels of 'b' reach 3"):
        built(dataset(x, {"b": np.arange(30) % 4, "a": numbers}), place, "by_name", way=way)


def test_losses_in_a_list_of_outputs_not_known_by_name_say_nothing_of_targets(
    place: Workplace,
) -> None:
    data = dataset(np.zeros((30, 4), np.float32), {"b": LABELS[:, 0, 0], "a": RNG.normal(size=30)})
    model = built(data, place, "by_name", way="a class of its own")
    assert loss_of(losses_of(model), "b") == ""
    bytes_of = dataset(PIXELS, {"b": LABELS[:20, 0, 0], "a": PIXELS})
    assert with_scaled_targets(bytes_of, losses_of(model)) is bytes_of
    model.compile(loss=["mse"])
    assert losses_of(model) == "mse"


# --------------------------------------------------------------------------------------- bytes
PIXELS = RNG.integers(0, 256, (20, 6, 6)).astype(np.uint8)


@pytest.mark.parametrize("loss", ["mse", "mae", "binary_crossentropy", "huber"])
@pytest.mark.parametrize("shape", [(20, 6, 6), (20, 36), (20, 6, 6, 1)])
def test_bytes_are_scaled_on_both_sides_of_a_pair(loss: str, shape: tuple[int, ...]) -> None:
    keras = load_keras()
    pixels = PIXELS.reshape(shape)
    data = with_scaled_targets(dataset(pixels, pixels), loss)
    assert data.train.y.dtype == np.float32
    found = keras.losses.get(loss)(data.train.y, pixels / np.float32(255))
    wanted = keras.losses.get(loss)(pixels / np.float32(255), pixels / np.float32(255))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_pictures_of_another_shape_are_scaled_too() -> None:
    large = RNG.integers(0, 256, (20, 12, 12, 3)).astype(np.uint8)
    data = with_scaled_targets(dataset(PIXELS, large), load_keras().losses.MeanSquaredError())
    np.testing.assert_allclose(data.test.y, large / 255, rtol=1e-6)
    data = dataset(PIXELS, PIXELS, input_scale=0.5)
    np.testing.assert_array_equal(with_scaled_targets(data, "mse").train.y, PIXELS / 2)


def own(y_true: Any, y_pred: Any) -> Any:
    return y_pred - y_true


LEFT: dict[str, tuple[Any, Any, Any]] = {
    "labels of positions": (PIXELS, PIXELS % 9, "sparse_categorical_crossentropy"),
    "a mask": (PIXELS, PIXELS % 2, "binary_crossentropy"),
    "a mask and squares": (PIXELS, PIXELS % 2, "mse"),
    "a loss of the user's": (PIXELS, PIXELS, own),
    "numbers a sample": (PIXELS, PIXELS[:, 0, 0], "mse"),
    "some numbers a sample": (PIXELS, PIXELS[:, 0, :3], "mse"),
    "inputs that are not scaled": (PIXELS.astype(np.float32), PIXELS, "mse"),
    "inputs of another type": (PIXELS.astype(np.int32), PIXELS.astype(np.int32), "mse"),
    "no loss": (PIXELS, PIXELS, None),
}


@pytest.mark.parametrize("name", list(LEFT))
def test_other_targets_are_left_as_they_are(name: str) -> None:
    x, y, loss = LEFT[name]
    data = dataset(x, y)
    assert with_scaled_targets(data, loss) is data


def test_each_output_has_its_own_convention() -> None:
    y = {"picture": PIXELS, "labels": PIXELS}
    data = dataset(PIXELS, y)
    losses = {"picture": "mse", "labels": "sparse_categorical_crossentropy"}
    found = with_scaled_targets(data, losses)
    assert isinstance(found.train.y, dict)
    assert found.train.y["picture"].max() <= 1
    np.testing.assert_array_equal(found.train.y["labels"], PIXELS)
    assert with_scaled_targets(data, losses) is found
