"""A champion opened again: what its outputs are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.champion import Champion
from apps.datasets.arrays import Samples
from apps.datasets.dataset import Dataset
from apps.datasets.preparation import Preparation
from apps.errors import UserError
from apps.runtime import load_keras
from workflow.runs.predictions import read_samples, tabled


def champion(loss: Any, outputs: int, activation: str | None = None) -> Champion:
    keras = load_keras()
    model = keras.Sequential(
        [keras.layers.Input((2,)), keras.layers.Dense(outputs, activation=activation)]
    )
    model.compile(loss=loss)
    x, y = np.ones((4, 2), np.float32), np.zeros(4, np.int32)
    part = Samples(x, y)
    data = Dataset(part, part, part)
    return Champion(model, Preparation.of(data), lambda: data)


def losses() -> Any:
    return load_keras().losses


X = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.25]])


@pytest.mark.parametrize("name", ["SparseCategoricalCrossentropy", "CategoricalCrossentropy"])
def test_probabilities_of_logits_add_up_to_one(name: str) -> None:
    asked = champion(getattr(losses(), name)(from_logits=True), 3)
    found = tabled(asked, asked.predict(X))
    rows = found.drop(columns="class").to_numpy()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    assert found["class"].tolist() == asked.predict(X).argmax(axis=1).tolist()


@pytest.mark.parametrize("logits", [False, True])
def test_one_output_tells_two_classes_apart(logits: bool) -> None:
    loss = losses().BinaryCrossentropy(from_logits=logits)
    asked = champion(loss, 1, None if logits else "sigmoid")
    found = tabled(asked, asked.predict(X))
    outputs = asked.predict(X)[:, 0]
    assert list(found) == ["class", "probability_0", "probability_1"]
    assert found["class"].tolist() == (outputs > (0 if logits else 0.5)).astype(int).tolist()


@pytest.mark.parametrize(("outputs", "names"), [(1, ["output"]), (2, ["output_0", "output_1"])])
def test_other_networks_have_outputs(outputs: int, names: list[str]) -> None:
    asked = champion("mean_squared_error", outputs)
    found = tabled(asked, asked.predict(X))
    assert list(found) == names
    np.testing.assert_array_equal(found.to_numpy(), asked.predict(X))


@pytest.mark.parametrize(
    "loss",
    [
        ["sparse_categorical_crossentropy", "mse"],
        {"kind": "sparse_categorical_crossentropy", "size": "mse"},
    ],
)
def test_outputs_in_a_list_are_told_by_name(loss: Any) -> None:
    keras = load_keras()
    x = keras.Input((2,))
    layers = keras.layers
    outputs = [layers.Dense(3, "softmax", name="kind")(x), layers.Dense(1, name="size")(x)]
    model = keras.Model(x, outputs)
    model.compile(loss=loss)
    given = np.ones((4, 2), np.float32)
    part = Samples(given, {"kind": np.zeros(4, np.int32), "size": np.zeros(4, np.float32)})
    data = Dataset(part, part, part)
    asked = Champion(model, Preparation.of(data), lambda: data)
    numbers = [f"kind_probability_{n}" for n in range(3)]
    assert list(tabled(asked, asked.predict(X))) == ["kind_class", *numbers, "size_output"]


@pytest.mark.parametrize("of_its_own", [False, True], ids=["functional", "a class of its own"])
def test_outputs_by_name_are_told_by_these_names(of_its_own: bool) -> None:
    """Keras hands the losses of a list out by the sorted names, of a class when it is trained."""
    keras = load_keras()
    kind, size = keras.layers.Dense(3, "softmax"), keras.layers.Dense(1)

    class Net(keras.Model):
        def call(self, x: Any) -> Any:
            return {"size": size(x), "kind": kind(x)}

    x = keras.Input((2,))
    model = Net() if of_its_own else keras.Model(x, {"size": size(x), "kind": kind(x)})
    model.compile(loss=["sparse_categorical_crossentropy", "mse"])
    given = np.ones((4, 2), np.float32)
    part = Samples(given, {"kind": np.zeros(4, np.int32), "size": np.zeros(4, np.float32)})
    data = Dataset(part, part, part)
    asked = Champion(model, Preparation.of(data), lambda: data)
    numbers = [f"kind_{'output' if of_its_own else 'probability'}_{n}" for n in range(3)]
    found = {*tabled(asked, asked.predict(X))}
    assert found == {*numbers, "size_output", *([] if of_its_own else ["kind_class"])}


def test_a_loss_by_another_name_has_probabilities_too() -> None:
    asked = champion(losses().SparseCategoricalCrossentropy(name="ce"), 3, "softmax")
    assert "class" in tabled(asked, asked.predict(X))


def test_samples_without_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_samples(tmp_path / "nowhere.csv")
