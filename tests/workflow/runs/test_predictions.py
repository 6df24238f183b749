"""Asking a champion: what is read, what is refused, what is written."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from apps.datasets.load import forget_datasets
from apps.errors import UserError
from tests.support.experiments import read_tables, serial
from tests.support.reports import without_pictures
from tests.workflow.conftest import Heterosis
from workflow.launch import run
from workflow.runs.predictions import tabled
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
        lambda path: table(PIXELS).to_csv(path, index=False, header=False),
        "name the columns",
    ),
    "words.csv": (lambda path: path.write_text("a,b\n1,two\n"), "'b' holds others"),
    "narrow.csv": (lambda path: path.write_text("a,b\n1,2\n"), r"\[n, 28, 28\], or rows of 784"),
    "single.npy": (lambda path: np.save(path, PIXELS[0]), "array of one"),
    "none.npy": (lambda path: np.save(path, PIXELS[:0]), "at least one sample"),
    "scaled.npy": (lambda path: np.save(path, PIXELS / 255), "give them unscaled"),
    "gaps.npy": (lambda path: np.save(path, np.full((1, 28, 28), np.nan)), "NaN"),
    "words.npy": (lambda path: np.save(path, np.full((1, 28, 28), "a")), "numbers"),
}


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


EXPERIMENT = """
name = "own"
trials = 1
population = 2
[data]
name = "{kind}"
params = {{ {params} }}
validation = 12
[network]
builder = "mlp"
params = {{ units = [8] }}
[training]
epochs = 1
batch_size = 16
[[arms]]
name = "control"
"""


@pytest.fixture(scope="module")
def of_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a table, whose file is gone."""
    folder = tmp_path_factory.mktemp("table")
    rooms = np.resize([1, 2, 4], 60)
    table = pd.DataFrame({"rooms": rooms, "zip": np.resize(["02139", "K1A"], 60)})
    table["dear"] = np.where(rooms > 2, "dear", "cheap")
    table["id"] = range(60)
    table.to_csv(folder / "t.csv", index=False)
    params = 'path = "t.csv", target = "dear", categorical = ["rooms"]'
    return finished_run(folder, "table", params, "t.csv")


@pytest.fixture(scope="module")
def of_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on pictures, which are gone but for those in `asked`."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, value in (("cat", 30), ("dog", 200)):
        for number in range(30):
            path = folder / "pictures" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), value + number).save(path)
    shutil.copytree(folder / "pictures" / "dog", folder / "asked")
    return finished_run(folder, "images", 'path = "pictures", color = "gray"', "pictures")


def finished_run(folder: Path, kind: str, params: str, gone: str) -> Path:
    path = folder / "own.toml"
    path.write_text(EXPERIMENT.format(kind=kind, params=params))
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        done = run(path, runs=folder / "runs", engine=serial)
    assert not done.no_champion
    forget_datasets()
    (folder / gone).rename(folder / f"moved-{gone}")
    return done.folder


def test_a_table_is_asked_without_the_one_that_was_learnt_from(
    of_table: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    asked = pd.DataFrame({"id": [0, 1], "zip": ["02139", "02139"], "rooms": [4.0, 1.0]})
    asked.to_csv(tmp_path / "asked.csv", index=False)
    out = tmp_path / "out.csv"
    ended = heterosis("predict", of_table, tmp_path / "asked.csv", "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert "columns became inputs as in training" in ended.out
    found = pd.read_csv(out)
    assert list(found) == ["class", "probability_cheap", "probability_dear"]
    assert set(found["class"]) <= {"cheap", "dear"}
    opened = Run.open(of_table)
    outputs = opened.predict(opened.samples(tmp_path / "asked.csv"))
    np.testing.assert_allclose(found.drop(columns="class"), outputs, rtol=1e-5)
    np.testing.assert_array_equal(opened.predict(asked), outputs)


def test_unknown_categories_are_refused_unless_asked_for(
    of_table: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    pd.DataFrame({"id": [0], "zip": ["2139"], "rooms": [1]}).to_csv(tmp_path / "a.csv", index=False)
    out = tmp_path / "out.csv"
    ended = heterosis("predict", of_table, tmp_path / "a.csv", "--out", out)
    assert ended.code == 2
    assert "column 'zip': '2139' in 1 row (known: '02139', 'K1A')" in ended.err
    assert not out.exists()
    ended = heterosis("predict", of_table, tmp_path / "a.csv", "--out", out, "--unknown")
    assert (ended.code, len(pd.read_csv(out))) == (0, 1)


def test_what_needs_the_data_says_which_file_is_gone(
    of_table: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    ended = heterosis("predict", of_table, "test", "--out", tmp_path / "out.csv")
    assert ended.code == 2
    assert "t.csv: there is no such file" in ended.err


def test_the_data_and_what_looks_odd_are_noted(of_table: Path) -> None:
    noted = json.loads((of_table / "data.json").read_text())
    assert "rooms: 3 values, '1', '2', '4' -> inputs 0 to 2" in noted["lines"]
    assert any("column 'id' counts the rows" in each for each in noted["remarks"])
    card = json.loads((of_table / "champion" / "card.json").read_text())
    assert card["preparation"] == noted["preparation"]
    page = (of_table / "report" / "index.html").read_text()
    assert "counts the rows" in page
    assert "rooms: 3 values" in page


@pytest.mark.parametrize("what", ["asked", "asked/3.png", "moved-pictures"])
def test_pictures_are_asked_by_file_and_by_folder(
    what: str, of_pictures: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    folder = of_pictures.parents[1]
    ended = heterosis("predict", of_pictures, folder / what, "--out", tmp_path / "out.csv")
    assert (ended.code, ended.err) == (0, "")
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found) == ["picture", "class", "probability_cat", "probability_dog"]
    assert len(found) == {"asked": 30, "asked/3.png": 1, "moved-pictures": 60}[what]
    x = np.stack([np.asarray(Image.open(path)) for path in found["picture"]])
    outputs = Run.open(of_pictures).predict(x)
    np.testing.assert_allclose(found.iloc[:, 2:], outputs, rtol=1e-5)


def test_a_file_that_is_no_picture_is_refused(
    of_pictures: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    (tmp_path / "a.txt").write_text("no picture")
    ended = heterosis("predict", of_pictures, tmp_path / "a.txt")
    assert ended.code == 2
    assert "give a picture (.bmp, " in ended.err
    ended = heterosis("predict", of_pictures, tmp_path / "nowhere.png")
    assert ended.code == 2
    assert "nowhere.png: No such file" in ended.err


def test_the_folder_of_a_champion_is_enough(
    of_pictures: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    shutil.copytree(of_pictures / "champion", tmp_path / "elsewhere")
    asked = of_pictures.parents[1] / "asked"
    for place, out in ((of_pictures, "one.csv"), (tmp_path / "elsewhere", "other.csv")):
        assert heterosis("predict", place, asked, "--out", tmp_path / out).code == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()
    card = tmp_path / "elsewhere" / "card.json"
    card.write_text("{}")
    ended = heterosis("predict", tmp_path / "elsewhere", asked)
    assert ended.code == 2
    assert "card.json: is not what a run writes" in ended.err


def test_a_card_that_is_older_asks_the_data(of_pictures: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(of_pictures, old)
    path = old / "champion" / "card.json"
    card = json.loads(path.read_text())
    stored = card.pop("preparation")
    path.write_text(json.dumps(card))
    with pytest.raises(UserError, match="there is no such folder"):
        _ = Run.open(old).trained_champion
    folder = of_pictures.parents[1]
    (folder / "moved-pictures").rename(folder / "pictures")
    try:
        assert Run.open(old).trained_champion.preparation.to_json() == stored
    finally:
        (folder / "pictures").rename(folder / "moved-pictures")


@pytest.mark.parametrize(
    ("classes", "called"),
    [
        ([], ["0", "1", "2", "3"]),
        ([0, 1, 2], ["0", "1", "2", "3"]),
        ([1, 2, 3], ["1", "2", "3", "output_3"]),
        (["cat", "dog"], ["cat", "dog", "output_2", "output_3"]),
    ],
)
def test_each_output_has_a_name_of_its_own(classes: list[Any], called: list[str]) -> None:
    outputs = np.eye(4, dtype=np.float32)
    champion: Any = SimpleNamespace(
        probabilities=lambda array, _: array, preparation=SimpleNamespace(classes=classes)
    )
    table = tabled(champion, outputs)
    assert list(table) == ["class", *(f"probability_{each}" for each in called)]
    assert [str(each) for each in table["class"]] == called
    np.testing.assert_array_equal(table.drop(columns="class"), outputs)
