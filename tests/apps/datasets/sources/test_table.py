"""Tables: what columns become, which rows decide that, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apps.datasets.dataset import Dataset
from apps.datasets.load import forget_datasets, load_dataset, prepare
from apps.datasets.sources.reader import Split
from apps.datasets.sources.table import Table
from apps.errors import UserError
from apps.messages.specs import DataSpec

ROWS = 30


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 9, ROWS),
            "rooms": rng.integers(1, 6, ROWS),
            "town": np.resize(["york", "bath", "ely"], ROWS),
            "old": np.resize([True, False], ROWS),
            "kind": np.resize(["flat", "house"], ROWS),
            "price": rng.normal(200, 30, ROWS),
            "weight": rng.uniform(1, 2, ROWS),
        }
    )


def load(table: pd.DataFrame, folder: Path, file: str = "t.csv", **params: Any) -> Dataset:
    path = folder / file
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    forget_datasets()
    given = DataSpec("table", {"path": file, "target": "price"} | params, validation=6)
    prepare(given, str(folder))
    return load_dataset(given, 4, str(folder))


@pytest.mark.parametrize("file", ["t.csv", "t.parquet"])
def test_a_column_of_numbers_is_a_regression(
    file: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    data = load(table, tmp_path, file)
    # age, rooms, three towns, old, two kinds, weight
    assert data.train.x.shape == (18, 9)
    assert (len(data.validation), len(data.test)) == (6, 6)
    assert data.train.y.dtype == np.float32
    everything = np.concatenate([part.y for part in (data.train, data.validation, data.test)])
    np.testing.assert_allclose(np.sort(everything), np.sort(table["price"]), rtol=1e-6)


def test_numbers_are_standardised_by_the_training_rows_alone(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    data = load(table, tmp_path, features=["age"])
    assert abs(data.train.x.mean()) < 1e-6
    assert abs(data.train.x.std() - 1) < 1e-6
    assert abs(data.validation.x.mean()) > 1e-3
    raw = load(table, tmp_path, features=["age"], standardize=False)
    np.testing.assert_array_equal(raw.train.y, data.train.y)
    scaled = (raw.test.x - raw.train.x.mean()) / raw.train.x.std()
    np.testing.assert_allclose(data.test.x, scaled, atol=1e-5)


def test_a_column_that_never_changes_becomes_0(table: pd.DataFrame, tmp_path: Path) -> None:
    data = load(table.assign(age=3.0), tmp_path, features=["age"])
    assert not data.train.x.any()


def test_text_is_one_hot_by_the_training_rows_categories(tmp_path: Path) -> None:
    table = pd.DataFrame({"town": np.resize(["b", "a"], ROWS), "y": np.linspace(0, 1, ROWS)})
    apart = pd.DataFrame({"town": ["a", "b", "new"], "y": [0.5, 0.5, 0.5]})
    apart.to_csv(tmp_path / "test.csv", index=False)
    data = load(table, tmp_path, target="y", test_path="test.csv")
    assert data.test.x.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert len(data.train) + len(data.validation) == ROWS


def test_numbers_may_be_categories(table: pd.DataFrame, tmp_path: Path) -> None:
    data = load(table, tmp_path, features=["rooms"], categorical=["rooms"])
    assert set(data.train.x.sum(axis=1)) == {1.0}
    assert data.train.x.shape[1] > 1


@pytest.mark.parametrize(("target", "task"), [("kind", None), ("old", None), ("rooms", "classes")])
def test_classes_are_numbered_in_sorted_order(
    target: str, task: str | None, table: pd.DataFrame, tmp_path: Path
) -> None:
    params = {"target": target, "features": ["age"], "standardize": False}
    data = load(table, tmp_path, **params, **({"task": task} if task else {}))
    assert data.train.y.dtype == np.int32
    classes = sorted(table[target].unique())
    by_age = {np.float32(age): each for age, each in zip(table["age"], table[target], strict=True)}
    for age, number in zip(data.train.x[:, 0], data.train.y, strict=True):
        assert by_age[age] == classes[number]


def test_several_targets_and_weights(table: pd.DataFrame, tmp_path: Path) -> None:
    data = load(table, tmp_path, target=["price", "age"], weights="weight")
    assert data.train.y.shape == (18, 2)
    assert data.train.weights is not None
    by_price = dict(zip(table["price"].astype(np.float32), table["weight"], strict=True))
    found = [by_price[price] for price in data.train.y[:, 0]]
    np.testing.assert_allclose(data.train.weights, found, rtol=1e-6)


def test_a_seed_of_its_own_keeps_the_test_rows(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    found = []
    for seed, own in ((1, None), (2, None), (1, 5), (2, 5)):
        reader = Table(path="t.csv", target="price", seed=own, test=7)
        found.append(reader.read(tmp_path, Split(seed, 4))["test"][1].tolist())
    assert found[0] != found[1]
    assert found[2] == found[3]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"target": "prise"}, r"there is no column 'prise'; did you mean 'price'\? it has age"),
        ({"features": ["age", "nose"]}, r"data\.params\.features: there is no column 'nose'"),
        ({"features": ["age", "price"]}, "what is to be learnt is not learnt from"),
        ({"weights": "wait"}, r"data\.params\.weights: there is no column 'wait'"),
        ({"weights": "town"}, "column 'town' holds .*, not numbers"),
        ({"categorical": ["price"]}, "'price', which is none of the features"),
        ({"target": "rooms"}, 'whole numbers: say data.params.task = "classes" or "numbers"'),
        ({"target": ["price", "age"], "task": "classes"}, "classes are of one target column"),
        ({"target": "town", "task": "numbers"}, "column 'town' holds .*, not numbers"),
        ({"test_path": "t.csv", "test": 3}, "test_path names the test rows"),
        ({"test": 24}, r"data\.validation must be smaller .* 6 samples; got 6"),
        ({"test_path": "gone.csv"}, r"gone\.csv: there is no such file; data\.params\.test_path"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(
    params: dict[str, Any], expected: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        load(table, tmp_path, **params)
    assert "\n" not in str(caught.value)


def test_missing_values_are_refused_by_column_and_number(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    table.loc[[1, 5, 7], "age"] = np.nan
    table.loc[2, "town"] = None
    with pytest.raises(UserError, match="of column 'age' in 3 rows, 'town' in 1 row: fill"):
        load(table, tmp_path)
    load(table, tmp_path, features=["rooms"])  # what is not used may have holes


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([np.inf] * ROWS, "column 'odd' is infinite in 30 rows"),
        (pd.date_range("2020-01-01", periods=ROWS), "column 'odd' holds datetime64.*, not numbers"),
    ],
)
def test_columns_of_neither_numbers_nor_text_are_refused(
    column: Any, expected: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=expected):
        load(table.assign(odd=column), tmp_path, "t.parquet")


def test_a_column_of_names_is_no_category(tmp_path: Path) -> None:
    names = [f"name-{number}" for number in range(400)]
    table = pd.DataFrame({"name": names, "price": np.linspace(0, 1, 400)})
    with pytest.raises(UserError, match="column 'name' has 314 different values"):
        load(table, tmp_path)


def test_a_class_that_no_training_row_has_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    table["kind"] = ["flat"] * 30
    with pytest.raises(UserError, match="target column 'kind' is flat in every row"):
        load(table, tmp_path, target="kind")
    table.assign(kind="castle").to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(UserError, match="no training row has the class castle"):
        load(table, tmp_path, target="kind", test_path="test.csv")


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("t.csv", "", "cannot be read as a table: EmptyDataError"),
        ("t.csv", "price,age\n", "has no rows"),
        ("t.parquet", "price,age\n1,2\n", "cannot be read as a table"),
        ("t.xls", "price,age\n1,2\n", r"a table is a file \.csv, .* or \.parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    file: str, content: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(UserError, match=expected):
        prepare(DataSpec("table", {"path": file, "target": "price"}), str(tmp_path))
