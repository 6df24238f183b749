"""A run beside the poster's claims."""

from __future__ import annotations

import re

import pytest

from analysis import notebook
from analysis.statistics.overview import overview

POSTER = ("control", "mean", "random")


def _judged(tables, run_of, kind="held-out loss"):
    cells = notebook.poster(notebook.open_results(run_of(tables).root)).frame[kind]
    return {claim: re.search(r"\(([a-z ]+)\)$", cell)[1] for claim, cell in cells.items()}


def test_a_run_like_the_poster_agrees_with_it(tables_of, run_of):
    made = {"mean": (0.02, 0.09), "random": (0.02, 0.092)}
    judged = _judged(tables_of(trials=10, gains=made, arms=POSTER), run_of)
    assert [verdict for claim, verdict in judged.items() if "half" not in claim] == [
        *["agrees"] * 5,
        "cannot be told",
    ]


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(0.06, "disagrees"), (0.092, "agrees"), (0.102, "cannot be told"), (0.15, "disagrees")],
)
def test_only_a_gain_that_is_not_significant_is_what_the_poster_says(
    gain, verdict, tables_of, run_of
):
    made = {"mean": (0.02, 0.09), "random": (0.02, gain)}
    judged = _judged(tables_of(trials=10, gains=made, arms=POSTER), run_of)
    assert judged["mean is better than random, not significantly"] == verdict


def test_a_run_that_ruins_its_networks_disagrees(tables_of, run_of):
    made = {"mean": (-3.0, -0.9), "random": (-3.0, -0.5)}
    judged = _judged(tables_of(trials=10, gains=made, arms=POSTER), run_of)
    assert list(judged.values()) == [*["disagrees"] * 6, "cannot be told"]


def test_one_trial_tells_hardly_anything(tables_of, run_of):
    judged = _judged(tables_of(trials=1, arms=POSTER), run_of)
    assert list(judged.values())[:4] == ["cannot be told"] * 4
    assert judged["similar parents do better"] == "cannot be told"


@pytest.mark.parametrize(("slope", "verdict"), [(-1, "agrees"), (1, "disagrees")])
def test_similar_parents_are_judged_by_the_order_of_the_trials(slope, verdict, tables_of, run_of):
    tables = dict(tables_of(trials=8, arms=POSTER))
    gains = overview(tables).paired.query("kind == 'val_loss'")
    gains = gains.set_index(["trial", "arm"])["improvement"]
    matings = tables["matings"].copy()
    pairs = zip(matings["trial"], matings["arm"], strict=True)
    matings["distance_raw"] = [1 + slope * gains[pair] for pair in pairs]
    told = _judged({**tables, "matings": matings}, run_of)
    assert told["similar parents do better"] == verdict
