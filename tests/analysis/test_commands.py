"""`python -m analysis.statistics.merging` and its like: a mistake is one line and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.commands import answer
from analysis.statistics.merging import answer_with_csv as merging
from analysis.statistics.versus import answer_with_csv as versus
from apps.records.tables_schema import frame

COMMANDS = {"merging": (merging, 1), "versus": (versus, 2)}


def _answer(name, *arguments):
    command, least = COMMANDS[name]
    return answer(command, f"python -m analysis.{name} RUN...", least, arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("merging", (), "usage: python -m analysis.statistics.merging RUN..."),
        ("merging", ("nowhere",), "nowhere: a report needs the tables"),
        ("merging", ("x" * 300,), "File name too long"),
        ("versus", (), "usage: "),
        ("versus", ("nowhere",), "usage: "),
        ("versus", ("nowhere", "control"), "nowhere: a report needs the tables"),
    ],
)
def test_a_mistake_is_one_line(name, arguments, said, capsys):
    assert _answer(name, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1


def test_an_arm_that_is_not_there_and_a_damaged_table_are_one_line(tables, run_of, capsys):
    run = run_of(tables)
    assert _answer("versus", str(run.root), "ema") == 2
    assert "no arm 'ema' in the run; its arms are control" in capsys.readouterr().err
    run.table("trials").write_bytes(b"PAR1 but not really\n")
    assert _answer("versus", str(run.root), "control") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_tables_are_printed_as_csv(tables, run_of, capsys):
    run = run_of(tables)
    assert _answer("versus", str(run.root), "mean", "clone") == 0
    assert capsys.readouterr().out.startswith("against,arm,kind,n,")
    assert _answer("merging", str(run.root), str(run.root)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("run,crossover,align,epoch,n,")
    assert len(lines) == 1 + 2 * len({"clone", "mean", "random"})


def test_a_run_without_merges_has_the_columns_only(tables, run_of, capsys):
    run = run_of({**tables, "matings": frame("matings", [])})
    assert _answer("merging", str(run.root)) == 0
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_the_process_ends_with_the_code(name):
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-m", f"analysis.{name}", "--help"],
        env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout.startswith(f"usage: python -m analysis.{name} RUN")
