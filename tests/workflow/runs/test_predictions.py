"""Asking a champion: what is read, what is refused, what is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apps.champion import Champion
from apps.datasets.arrays import Samples
from apps.datasets.load import Dataset
from apps.errors import UserError
from apps.runtime import load_keras
from tests.support.experiments import read_tables
from tests.workflow.conftest import Heterosis
from workflow.runs.predictions import read_samples, tabled
from workflow.runs.run import Run

PIXELS = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)


def table(x: np.ndarray[Any, Any]) -> pd.DataFrame:
    return pd.DataFrame(x.reshape(len(x), -1)).add_prefix("pixel_")


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.npy": lambda path: np.save(path, PIXELS),
    "flat.npy": lambda path: np.save(path, PIXELS.reshape(3, -1)),
    "x.npz": lambda path: np.savez(path, x=PIXELS, y=np.zeros(3)),
    "one.npz": lambda path: np.savez(path, pixels=PIXELS),
    "a.csv": lambda path: table(PIXELS).to_csv(path, index=False),
    "numbered.csv": lambda path: pd.DataFrame(PIXELS.reshape(3, -1)).to_csv(path, index=False),
    "a.parquet": lambda path: table(PIXELS).to_parquet(path),
}


@pytest.mark.parametrize("name", list(WRITERS))
def test_every_kind_of_file_gives_the_same_predictions(
    name: str, finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    WRITERS[name](tmp_path / name)
    out = tmp_path / "out" / "predictions.csv"
    ended = heterosis("predict", finished, tmp_path / name, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    found = pd.read_csv(out)
    assert list(found) == ["class", *(f"probability_{each}" for each in range(10))]
    expected = Run.open(finished).predict(PIXELS)
    np.testing.assert_allclose(found.drop(columns="class"), expected, rtol=1e-5, atol=1e-7)
    assert found["class"].tolist() == expected.argmax(axis=1).tolist()


def test_the_runs_own_test_data_have_its_own_metrics(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    out = tmp_path / "test.csv"
    ended = heterosis("predict", finished, "test", "--out", out)
    trials = read_tables(finished)["trials"]
    best = trials.loc[trials["fitness"].idxmin()]
    (line,) = [line for line in ended.out.splitlines() if line.startswith("test accuracy: ")]
    assert float(line.split(": ")[1]) == pytest.approx(best["test_accuracy"], abs=1e-5)
    data = Run.open(finished).trained_champion.data
    assert (pd.read_csv(out)["class"] == data.test.y).mean() == pytest.approx(best["test_accuracy"])


def broken(path: Path) -> None:
    path.write_bytes(b"no such thing")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "nowhere.npy": (lambda path: None, "No such file"),
    "a.txt": (broken, "samples are read from .npy"),
    "broken.npy": (broken, "not a .npy file"),
    "broken.npz": (broken, "not a .npz file"),
    "broken.parquet": (broken, "not a .parquet file"),
    "objects.npy": (lambda path: np.save(path, np.array([{}]), allow_pickle=True), "not a .npy"),
    "two.npz": (lambda path: np.savez(path, a=PIXELS, b=PIXELS), "an array named x"),
    "nameless.csv": (
        lambda path: table(PIXELS).to_csv(path, index=False, header=False), "name the columns"
    ),
    "words.csv": (lambda path: path.write_text("a,b\n1,two\n"), "'b' holds others"),
    "narrow.csv": (lambda path: path.write_text("a,b\n1,2\n"), r"\[n, 28, 28\], or rows of 784"),
    "single.npy": (lambda path: np.save(path, PIXELS[0]), "array of one"),
    "none.npy": (lambda path: np.save(path, PIXELS[:0]), "at least one sample"),
    "scaled.npy": (lambda path: np.save(path, PIXELS / 255), "give them unscaled"),
    "gaps.npy": (lambda path: np.save(path, np.full((1, 28, 28), np.nan)), "NaN"),
    "words.npy": (lambda path: np.save(path, np.full((1, 28, 28), "a")), "numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
def test_what_does_not_fit_is_one_line_and_code_2(
    name: str, finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    make, told = BAD[name]
    make(tmp_path / name)
    out = tmp_path / "out.csv"
    ended = heterosis("predict", finished, tmp_path / name, "--out", out)
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert re.search(told, line), line
    assert not out.exists()


# ------------------------------------------------------------------------------ other networks
def champion(loss: Any, outputs: int, activation: str | None = None) -> Champion:
    keras = load_keras()
    model = keras.Sequential(
        [keras.layers.Input((2,)), keras.layers.Dense(outputs, activation=activation)]
    )
    model.compile(loss=loss)
    x, y = np.ones((4, 2), np.float32), np.zeros(4, np.int32)
    part = Samples(x, y)
    return Champion(model, Dataset(part, part, part))


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


def test_samples_without_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_samples(tmp_path / "nowhere.csv")
