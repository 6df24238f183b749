"""Rows of a later file are read by the types of the first one, whatever the file's own are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apps.datasets.load import forget_datasets, load_dataset
from apps.datasets.preparation import Preparation
from apps.datasets.sources.reader import Form
from apps.datasets.sources.table import asked_frame, asked_rows
from apps.errors import UserError
from apps.messages.specs import DataSpec

ROWS = 60
PARAMS = {"path": "t.csv", "target": "dear", "categorical": ["rooms", "half", "old"]}


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "rooms": np.resize([1, 2, 11], ROWS),
            "half": np.resize([0.5, 2.0, 3.25, 10.0], ROWS),
            "zip": np.resize(["02139", "10001", "K1A", "3"], ROWS),
            "old": np.resize([True, False], ROWS),
            "noise": rng.normal(size=ROWS),
            "dear": np.resize(["dear", "cheap", "cheap"], ROWS),
        }
    )


def fitted(table: pd.DataFrame, folder: Path) -> tuple[Form, np.ndarray[Any, Any]]:
    """What travels, and the inputs of the rows as the training has them."""
    table.to_csv(folder / "t.csv", index=False)
    data = load_dataset(DataSpec("table", PARAMS, validation=0), 1, str(folder))
    # Through JSON: that is how it travels.
    stored = json.loads(json.dumps(Preparation.of(data).to_json(), allow_nan=False))
    form = Preparation.from_json(stored).form
    return form, asked_frame(form, table)


REWRITTEN: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as it is": lambda t: t,
    "numbers as floats": lambda t: t.assign(rooms=t.rooms.astype(float)),
    "floats as text": lambda t: t.assign(half=t.half.map("{:.4f}".format)),
    "digits alone": lambda t: t[t.zip.isin(["02139", "10001", "3"])],
    "one row": lambda t: t.head(1),
    "one value": lambda t: t[t.zip == "02139"],
    "truth as numbers": lambda t: t.assign(old=t.old.astype(int)),
    "truth in small letters": lambda t: t.assign(old=t.old.map({True: "true", False: "false"})),
    "other order": lambda t: t[t.columns[::-1]],
    "more columns": lambda t: t.assign(more="x"),
    "no target": lambda t: t.drop(columns="dear"),
}


@pytest.mark.parametrize("ending", ["csv", "parquet", "csv.gz"])
@pytest.mark.parametrize("name", list(REWRITTEN))
def test_a_value_is_the_same_in_every_file(
    name: str, ending: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    form, inputs = fitted(table, tmp_path)
    asked = REWRITTEN[name](table)
    path = tmp_path / f"asked.{ending}"
    if ending == "parquet":
        asked.to_parquet(path)
    else:
        asked.to_csv(path, index=False)
    np.testing.assert_array_equal(asked_rows(form, path), inputs[asked.index])
    np.testing.assert_array_equal(asked_frame(form, asked), inputs[asked.index])


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("zip", "2139", r"column 'zip': '2139' in 1 row \(known: '02139', '10001', '3' and 1 more"),
        ("zip", "None", "column 'zip': 'None' in 1 row"),
        ("rooms", 4, "column 'rooms': '4' in 1 row"),
        ("rooms", "two", "column 'rooms': 'two' in 1 row"),
        ("half", 0.25, "column 'half': '0.25' in 1 row"),
        ("old", "maybe", "column 'old': 'maybe' in 1 row"),
    ],
)
def test_unknown_values_are_refused_or_taken_as_none(
    column: str, value: Any, expected: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    form, inputs = fitted(table, tmp_path)
    asked = table.astype({column: object})
    asked.loc[7, column] = value
    asked.to_csv(tmp_path / "asked.csv", index=False)
    with pytest.raises(UserError, match=expected) as caught:
        asked_rows(form, tmp_path / "asked.csv")
    assert caught.value.code == "predict-input"
    found = asked_rows(form, tmp_path / "asked.csv", unknown=True)
    odd = (found != inputs).any(axis=1)
    assert np.flatnonzero(odd).tolist() == [7]
    assert found[7].sum() == pytest.approx(inputs[7].sum() - 1)


def test_text_among_numbers_is_refused_by_value(table: pd.DataFrame, tmp_path: Path) -> None:
    form, _ = fitted(table, tmp_path)
    asked = table.astype({"noise": object})
    asked.loc[3, "noise"] = "12 m"
    asked.to_csv(tmp_path / "asked.csv", index=False)
    with pytest.raises(UserError, match="column 'noise' holds str, not numbers, such as '12 m'"):
        asked_rows(form, tmp_path / "asked.csv")


def test_an_integer_in_a_parquet_is_not_the_text_with_a_nought(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    form, inputs = fitted(table, tmp_path)
    asked = table[table.zip == "10001"].assign(zip=10001.0)
    asked.to_parquet(tmp_path / "asked.parquet")
    np.testing.assert_array_equal(asked_rows(form, tmp_path / "asked.parquet"), inputs[asked.index])
    table[table.zip == "02139"].assign(zip=2139).to_parquet(tmp_path / "asked.parquet")
    with pytest.raises(UserError, match="column 'zip': '2139' in 15 rows"):
        asked_rows(form, tmp_path / "asked.parquet")


def test_the_test_rows_of_another_file_are_read_by_the_first_one(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    digits = table[table.zip == "02139"].reset_index(drop=True)
    digits = digits.assign(rooms=digits.rooms.astype(float))
    digits.to_csv(tmp_path / "test.csv", index=False)
    spec = DataSpec("table", PARAMS | {"test_path": "test.csv"}, validation=0)
    data = load_dataset(spec, 1, str(tmp_path))
    form, inputs = data.form, asked_frame(data.form, digits)
    assert [each["name"] for each in form["columns"]] == list(table)[:-1]
    np.testing.assert_array_equal(data.test.x, inputs)
    assert (data.test.x[:, :-1].sum(axis=1) == 4).all()


@pytest.mark.parametrize("classes", [["no", "yes"], [3, 8], [1.0, 2.0], [0.5, 1.5], [False, True]])
def test_classes_come_back_by_name(classes: list[Any], tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(ROWS) * 1.0, "dear": np.resize(classes, ROWS)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    params = {"path": "t.csv", "target": "dear", "task": "classes"}
    data = load_dataset(DataSpec("table", params, validation=0), 1, str(tmp_path))
    assert Preparation.of(data).classes == classes


def test_the_dialect_travels(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "t.csv", index=False, sep=";", decimal=",", encoding="latin-1")
    params = PARAMS | {"separator": ";", "decimal": ",", "encoding": "latin-1"}
    data = load_dataset(DataSpec("table", params, validation=0), 1, str(tmp_path))
    form = json.loads(json.dumps(data.form))
    np.testing.assert_array_equal(
        asked_rows(form, tmp_path / "t.csv"), asked_frame(data.form, table)
    )


def coded(folder: Path, codes: list[str], **params: Any) -> tuple[Form, np.ndarray[Any, Any]]:
    table = pd.DataFrame({"zip": np.resize(codes, ROWS), "y": np.resize([0.5, 1.5, 2.5], ROWS)})
    table.to_csv(folder / "c.csv", index=False)
    given = {"path": "c.csv", "target": "y", **params}
    forget_datasets()
    data = load_dataset(DataSpec("table", given, validation=0), 1, str(folder))
    return Preparation.of(data).form, data.train.x


def test_codes_of_digits_are_different_kinds_of_things(tmp_path: Path) -> None:
    form, inputs = coded(tmp_path, ["02139", "2139", "10001", "2139"], categorical=["zip"])
    assert inputs.shape[1] == 3
    path = tmp_path / "asked.csv"
    path.write_text("zip\n2139\n02139\n10001\n", encoding="utf-8")
    assert asked_rows(form, path).argmax(axis=1).tolist() == [2, 0, 1]
    path.write_text("zip\n002139\n", encoding="utf-8")
    with pytest.raises(UserError, match="'002139' in 1 row"):
        asked_rows(form, path)


def test_classes_of_digits_keep_their_names(tmp_path: Path) -> None:
    params = {"target": "zip", "task": "classes"}
    assert coded(tmp_path, ["01", "1", "2"], **params)[0]["classes"] == ["01", "1", "2"]
    assert coded(tmp_path, ["7", "1", "2"], **params)[0]["classes"] == [1, 2, 7]


def test_what_was_true_or_false_is_no_other_number(table: pd.DataFrame, tmp_path: Path) -> None:
    params = {**PARAMS, "categorical": ["rooms"]}
    table.to_csv(tmp_path / "t.csv", index=False)
    data = load_dataset(DataSpec("table", params, validation=0), 1, str(tmp_path))
    form = Preparation.of(data).form
    assert asked_frame(form, table.assign(old=table.old.astype(float))).shape[0] == ROWS
    with pytest.raises(UserError, match="is true or false in the training rows, and 7"):
        asked_frame(form, table.assign(old=7))
