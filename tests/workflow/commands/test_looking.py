"""`heterosis compare`, and what `heterosis plan` says about trials, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.statistics.power import visible_in_words

ROOT = Path(__file__).parents[3]


def _heterosis(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workflow", *map(str, arguments)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_compare_writes_its_page_and_says_where(tables_of, run_of, tmp_path):
    runs = [run_of(tables_of(trials=3, seed=seed), f"seed-{seed}").root for seed in (1, 2)]
    ended = _heterosis("compare", *runs, folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "comparison/comparison.html\n"
    ended = _heterosis("compare", *runs, "--out", "b", "--margin", "5", folder=tmp_path)
    assert ended.returncode == 0
    assert "p of 5 %" in (tmp_path / "b" / "comparison.html").read_text()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("one",), "at least two runs"),
        (("one", "one"), "given twice"),
        (("one", "nowhere"), "nowhere: not a run directory"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(names, said, tables_of, run_of, tmp_path):
    run = run_of(tables_of(trials=1), "one")
    ended = _heterosis("compare", *names, folder=run.root.parent)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_plan_ends_with_what_its_trials_can_see(tmp_path):
    ended = _heterosis("plan", "quick", "--no-measure", "--set", "trials=10", folder=tmp_path)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == visible_in_words(10, 4)
