"""Tables as CSV: nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pandas.testing import assert_frame_equal

from apps.records.tables_schema import TABLES
from tests.support.experiments import copied, read_tables
from tests.workflow.conftest import Heterosis


def test_pandas_reads_every_number_back(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    ended = heterosis("export", finished, "--out", tmp_path / "out")
    assert (ended.code, ended.err) == (0, "")
    tables = read_tables(finished)
    for name, columns in TABLES.items():
        path = tmp_path / "out" / f"{name}.csv"
        assert f"{path}: {len(tables[name])} rows" in ended.out.splitlines()
        texts = [column for column, kind in columns.items() if kind == "str"]
        read = pd.read_csv(path, dtype=dict.fromkeys(texts, "str"))
        read = read.fillna(dict.fromkeys(texts, ""))
        assert_frame_equal(read, tables[name], check_exact=True)


def test_they_are_written_into_the_run_unless_told_otherwise(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    assert heterosis("export", root).code == 0
    assert {path.stem for path in (root / "csv").iterdir()} == TABLES.keys()
