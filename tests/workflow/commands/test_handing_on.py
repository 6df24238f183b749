"""`heterosis versus`, `merging`, `export` and `store`: numbers as CSV, runs to be published."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from apps.records.run_dir import RunDir
from apps.records.tables_schema import TABLES, frame
from tests.support.experiments import copied, read_tables
from tests.workflow.conftest import Heterosis


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("merging", "nowhere"), "nowhere: not a run directory"),
        (("versus", "nowhere", "control"), "nowhere: not a run directory"),
        (("store", "nowhere", "kept"), "nowhere: not a run directory"),
        (("versus", "run", "ema"), "no arm 'ema' in the run; its arms are control"),
        (("versus", "run", "mean", "--of", "mean"), "cannot be compared with itself"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments, said, tables, run_of, heterosis, monkeypatch
):
    monkeypatch.chdir(run_of(tables, "run").root.parent)
    ended = heterosis(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_damaged_table_is_one_line(tables, run_of, heterosis):
    run = run_of(tables)
    run.table("trials").write_bytes(b"PAR1 but not really\n")
    ended = heterosis("versus", run.root, "control")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "[report]" in ended.err


def test_tables_are_printed_as_csv(tables, run_of, heterosis):
    run = run_of(tables)
    ended = heterosis("versus", run.root, "mean", "clone")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("against,arm,kind,n,")
    ended = heterosis("versus", run.root, "mean", "clone", "--of", "random")
    assert {line.split(",")[1] for line in ended.out.splitlines()[1:]} == {"random"}
    ended = heterosis("merging", run.root, run.root)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("run,crossover,align,epoch,n,")
    assert len(lines) == 1 + 2 * len({"clone", "mean", "random"})


def test_a_run_without_merges_has_the_columns_only(tables, run_of, heterosis):
    run = run_of({**tables, "matings": frame("matings", [])})
    ended = heterosis("merging", run.root)
    assert (ended.code, ended.out.count("\n")) == (0, 1)


def test_a_stored_run_has_its_report(tables, run_of, heterosis, tmp_path):
    run = run_of(tables, environment={"command": ["heterosis"], "host": "mine"})
    ended = heterosis("store", run.root, tmp_path / "kept")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{RunDir(tmp_path / 'kept').report_html}\n"


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
