"""`heterosis compare`, and what `heterosis plan` says about trials."""

from __future__ import annotations

import pytest

from analysis.statistics.power import visible_in_words


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_compare_writes_its_page_and_says_where(tables_of, run_of, tmp_path, heterosis):
    runs = [run_of(tables_of(trials=3, seed=seed), f"seed-{seed}").root for seed in (1, 2)]
    ended = heterosis("compare", *runs)
    assert (ended.code, ended.out, ended.err) == (0, "comparison/comparison.html\n", "")
    assert (tmp_path / "comparison" / "comparison.html").exists()
    assert heterosis("compare", *runs, "--out", "b", "--margin", "5").code == 0
    assert "p of 5 %" in (tmp_path / "b" / "comparison.html").read_text()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("one",), "at least two runs"),
        (("one", "one"), "given twice"),
        (("one", "nowhere"), "nowhere: not a run directory"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    names, said, tables_of, run_of, heterosis, monkeypatch
):
    monkeypatch.chdir(run_of(tables_of(trials=1), "one").root.parent)
    ended = heterosis("compare", *names)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_plan_ends_with_what_its_trials_can_see(heterosis):
    ended = heterosis("plan", "quick", "--no-measure", "--set", "trials=10")
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == visible_in_words(10, 4)
