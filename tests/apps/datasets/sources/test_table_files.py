"""Files of the world: what is a word stays one, what must be told can be told."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apps.datasets.dataset import Dataset
from apps.datasets.load import describe, load_dataset
from apps.datasets.sources.table_files import Dialect, kinds_of, read_table
from apps.errors import UserError
from apps.messages.specs import DataSpec

ROWS = 40
PLACES = np.resize([0, 1, 1, 0, 1], ROWS)


@pytest.fixture
def table() -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=ROWS).round(3)
    return pd.DataFrame({"x": x, "word": np.take(["None", "Ä b"], PLACES), "y": PLACES * 2.5})


def spec(file: str, **params: Any) -> DataSpec:
    return DataSpec("table", {"path": file, "target": "y"} | params, validation=4)


def loaded(folder: Path, file: str, **params: Any) -> Dataset:
    return load_dataset(spec(file, **params), 1, str(folder))


def same(one: Dataset, other: Dataset) -> None:
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(one, name).x, getattr(other, name).x)
        np.testing.assert_array_equal(getattr(one, name).y, getattr(other, name).y)


# ------------------------------------------------------------------------------- words and holes
@pytest.mark.parametrize("word", ["None", "NA", "null", "nan", "n/a", "NULL", "#N/A"])
def test_a_word_in_a_column_of_words_stays_a_word(word: str, tmp_path: Path) -> None:
    words = np.take([word, "Christmas"], PLACES)
    pd.DataFrame({"w": words, "y": PLACES * 1.5}).to_csv(tmp_path / "t.csv", index=False)
    data = loaded(tmp_path, "t.csv")
    assert set(data.train.x.sum(axis=1)) == {1.0}
    assert f"has the word '{word}' in" in describe(spec("t.csv"), str(tmp_path), 1)
    with pytest.raises(UserError, match="values are missing, of column 'w' in 16 rows"):
        loaded(tmp_path, "t.csv", missing=[word])
    with pytest.raises(UserError, match="values are missing, of column 'w' in 16 rows"):
        loaded(tmp_path, "t.csv", missing={"w": [word]})


def test_a_column_of_one_such_word_is_of_words_and_an_empty_place_is_missing(
    tmp_path: Path,
) -> None:
    (tmp_path / "t.csv").write_text("w,e,y\n" + "NA,,0.5\n" * 10)
    read = read_table(tmp_path / "t.csv", Dialect())
    assert read["w"].tolist() == ["NA"] * 10
    assert read["e"].isna().all()


def test_such_a_word_is_missing_among_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,w,y\n" + "1,NA,0.5\n" * 10 + "NA,NA,0.5\n")
    with pytest.raises(UserError, match="of column 'x' in 1 row: fill"):
        loaded(tmp_path, "t.csv")


def test_types_are_not_guessed_piece_by_piece(tmp_path: Path) -> None:
    # Of a file this long pandas would read the first pieces as numbers: 02139 as 2139.
    lines = ["02139,0.5"] * 300_000 + ["K1A,0.5"]
    (tmp_path / "t.csv").write_text("\n".join(["zip,y", *lines]))
    read = read_table(tmp_path / "t.csv", Dialect())
    assert read["zip"].unique().tolist() == ["02139", "K1A"]


# ------------------------------------------------------------------------------------- dialects
WRITTEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "t.csv": ({}, {}),
    "semicolon.csv": ({"sep": ";"}, {"separator": ";"}),
    "comma.csv": ({"sep": ";", "decimal": ","}, {"separator": ";", "decimal": ","}),
    "latin.csv": ({"encoding": "latin-1"}, {"encoding": "latin-1"}),
    "wide.csv": ({"encoding": "utf-16"}, {"encoding": "utf-16"}),
    "marked.csv": ({"encoding": "utf-8-sig"}, {}),
    "tabs.tsv": ({"sep": "\t"}, {}),
    "tabs.tsv.gz": ({"sep": "\t"}, {}),
    "t.csv.gz": ({}, {}),
    "T.CSV.GZ": ({"compression": "gzip"}, {}),
    "t.csv.bz2": ({}, {}),
    "t.csv.xz": ({}, {}),
    "t.csv.zip": ({}, {}),
    "t.data": ({"sep": "|"}, {"separator": "|"}),
}


@pytest.mark.parametrize("file", list(WRITTEN))
def test_a_file_says_the_same_however_it_is_written(
    file: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    writing, reading = WRITTEN[file]
    table.to_parquet(tmp_path / "t.parquet")
    table.to_csv(tmp_path / file, index=False, **writing)
    same(loaded(tmp_path, file, **reading), loaded(tmp_path, "t.parquet"))


def test_a_file_without_names_is_read_by_numbers(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_parquet(tmp_path / "t.parquet")
    table.to_csv(tmp_path / "t.csv", index=False, header=False)
    read = loaded(tmp_path, "t.csv", target="2", header=False, missing={"1": ["-"]})
    same(read, loaded(tmp_path, "t.parquet"))
    told = describe(spec("t.csv", target="0.0"), str(tmp_path), 1)
    assert "looks like a row (0.126, None, 0.0): say data.params.header = false" in told


def test_digits_in_groups(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + '"1,200",0.5\n"-3",1.5\n' * 10)
    data = loaded(tmp_path, "t.csv", thousands=",", standardize=False)
    assert set(data.train.x[:, 0].tolist()) == {1200.0, -3.0}
    assert 'say data.params.thousands = ","' in describe(spec("t.csv"), str(tmp_path), 1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a;y\n1;2\n3;4\n", r'there is no column \'y\'; .*say data\.params\.separator = ";"'),
        ("a\ty\n1\t2\n", r'separator = "\\t"'),
        ("köln,y\n".encode("latin-1"), r'not utf-8: say data\.params\.encoding = "latin-1"'),
        ("ä,y\n1,2\n".encode("utf-16"), r'data\.params\.encoding = "utf-16"'),
        (gzip.compress(b"a,y\n1,2\n", mtime=0), "cannot be read as a table|not utf-8"),
    ],
)
def test_what_must_be_told_is_named(content: str | bytes, expected: str, tmp_path: Path) -> None:
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(UserError, match=expected) as caught:
        loaded(tmp_path, "t.csv")
    assert "\n" not in str(caught.value)


def test_many_decimal_commas_are_refused_with_the_cure(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=500).round(2)
    frame = pd.DataFrame({"x": x, "y": x})
    frame.to_csv(tmp_path / "t.csv", index=False, sep=";", decimal=",")
    with pytest.raises(UserError, match=r'numbers with a comma: say data\.params\.decimal = ","'):
        loaded(tmp_path, "t.csv", separator=";", task="numbers")


# ---------------------------------------------------------------------------------------- dates
@pytest.mark.parametrize(
    ("form", "dates"),
    [
        ("%Y-%m-%d", ["day"]),
        ("%Y-%m-%dT%H:%M:%S", ["day"]),
        ("%d.%m.%Y", {"day": "%d.%m.%Y"}),
        ("%Y%m%d", {"day": "%Y%m%d"}),
    ],
)
def test_dates_become_days(form: str, dates: Any, tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=ROWS)
    frame = pd.DataFrame({"day": days.strftime(form), "y": PLACES * 0.5})
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = loaded(tmp_path, "t.csv", dates=dates, standardize=False)
    every = np.concatenate([part.x[:, 0] for part in (data.train, data.validation, data.test)])
    np.testing.assert_array_equal(np.sort(every), 19723 + np.arange(ROWS))
    frame.assign(day=days).to_parquet(tmp_path / "t.parquet")
    same(data, loaded(tmp_path, "t.parquet", dates=["day"], standardize=False))


def test_what_is_no_date_is_refused_by_value(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("day,y\n" + "31.12.2024,1.5\n" * 9 + "2024-01-01,1.5\n")
    with pytest.raises(UserError, match=r"'day' has '31\.12\.2024' in 9 of 10 rows.*%d\.%m\.%Y"):
        loaded(tmp_path, "t.csv", dates=["day"])


def test_dates_as_words_are_told(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=ROWS).astype(str)
    pd.DataFrame({"day": days, "y": PLACES * 0.5}).to_csv(tmp_path / "t.csv", index=False)
    told = describe(spec("t.csv"), str(tmp_path), 1)
    assert "different words becomes 28 inputs; these are dates" in told


# -------------------------------------------------------------------------------------- parquet
def test_names_of_a_parquet_are_found_whatever_their_type(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 4)))
    frame.to_parquet(tmp_path / "t.parquet")
    frame.add_prefix("c").to_parquet(tmp_path / "named.parquet")
    named = loaded(tmp_path, "named.parquet", target="c3", features=["c0", "c1"])
    same(loaded(tmp_path, "t.parquet", target="3", features=["0", "1"]), named)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = pa.table([pa.array([1.0, 2.0]), pa.array([1.0, 2.0])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(UserError, match="2 columns have the name 'a'"):
        loaded(tmp_path, "t.parquet")
    (tmp_path / "t.csv").write_text("a,a,y\n" + "1,2,0.5\n3,4,1.5\n" * 9)
    told = describe(spec("t.csv"), str(tmp_path), 1)
    assert "several columns have the name 'a': the second one is called 'a.1'" in told


def test_types_of_a_parquet_are_numbers_truth_and_words(tmp_path: Path) -> None:
    from decimal import Decimal

    pd.DataFrame(
        {
            "whole": pd.array([1, 2], "Int64"),
            "half": pd.array([1.5, 2], "Float32"),
            "truth": pd.array([True, False], "boolean"),
            "money": [Decimal("1.50"), Decimal("2.25")],
            "word": pd.Categorical(["a", "b"]),
            "grade": pd.Categorical([10, 2]),
        }
    ).to_parquet(tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet", Dialect())
    assert list(kinds_of(read).values())[:4] == ["number", "number", "truth", "number"]
    assert kinds_of(read)["word"] == "text"
    assert read["money"].tolist() == [1.5, 2.25]


# ------------------------------------------------------------------------------------- dropping
def test_columns_may_be_left_out(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "t.csv")
    table.to_parquet(tmp_path / "t.parquet")
    same(loaded(tmp_path, "t.csv", drop=["Unnamed: 0"]), loaded(tmp_path, "t.parquet"))
    for params, expected in (
        ({"drop": ["z"]}, r"data\.params\.drop: there is no column 'z'"),
        ({"drop": ["y"]}, r"data\.params\.drop has 'y', which is the target"),
        ({"drop": ["x"], "features": ["word"]}, "take one out"),
        ({"dates": ["z"]}, r"data\.params\.dates: there is no column 'z'"),
        ({"missing": {"z": []}}, r"data\.params\.missing: there is no column 'z'"),
    ):
        with pytest.raises(UserError, match=expected):
            loaded(tmp_path, "t.csv", **params)


@pytest.mark.parametrize("separator", ["||", "  ", r"\s+", "::"])
def test_a_separator_may_be_several_characters(
    separator: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    table["word"] = table["word"].str.replace(" ", "")
    table.to_csv(tmp_path / "plain.csv", index=False)
    text = (tmp_path / "plain.csv").read_text(encoding="utf-8")
    written = text.replace(",", "  " if separator == r"\s+" else separator)
    (tmp_path / "t.csv").write_text(written, encoding="utf-8")
    same(loaded(tmp_path, "t.csv", separator=separator), loaded(tmp_path, "plain.csv"))
    assert "word: 2 values" in describe(spec("t.csv", separator=separator), str(tmp_path), 1)


def test_lines_that_end_with_a_separator_are_refused(tmp_path: Path) -> None:
    """Else every value would be of the column before its own, and the first one lost."""
    rows = "".join(f"{n % 7},{n % 5},{n}.5,\n" for n in range(ROWS))
    (tmp_path / "t.csv").write_text("a,b,y\n" + rows, encoding="utf-8")
    with pytest.raises(UserError, match="the last is empty in all of them"):
        read_table(tmp_path / "t.csv", Dialect())
    with pytest.raises(UserError, match="the last is empty in all of them"):
        read_table(tmp_path / "t.csv", Dialect(), {"a": "number", "b": "number"})


def test_numbers_too_large_to_be_standardised_are_refused(tmp_path: Path) -> None:
    x = np.arange(ROWS) * 1.0
    pd.DataFrame({"x": np.where(PLACES, x, 1e308), "y": x}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UserError, match="column 'x' has numbers too large to be standardised"):
        loaded(tmp_path, "t.csv")
