"""Cells on kinship: species, descent, distances and the damage of merges."""

from __future__ import annotations

import pytest

from analysis import notebook
from analysis.notebook import Picture, Table, Text
from analysis.notebook.kinship import (
    damage,
    damage_by_distance,
    family,
    gain_by_distance,
    mended,
    species,
)
from apps.records.tables_schema import TABLES, frame

NAN = float("nan")


@pytest.fixture
def opened(run_of):
    return lambda tables: notebook.open_results(run_of(tables).root)


def test_species_are_means_over_the_trials(tables, opened):
    rows = [
        {
            "trial": trial,
            "arm": "mean",
            "halt": 0,
            "epoch": 6,
            "species": number,
            "size": size,
            "members": "0",
            "champion": 0,
            "fitness": 0.3,
            "offspring": 1,
        }
        for trial, sizes in enumerate([(4,), (3, 1)])
        for number, size in enumerate(sizes)
    ]
    table = species(opened({**tables, "species": frame("species", rows)}))
    assert isinstance(table, Table)
    assert table.frame.loc["mean"].to_dict() == {
        "halt after epoch": 6.0,
        "species": 1.5,
        "largest": 3.5,
    }


def test_the_family_is_the_verdicts_arm_or_the_one_asked_for(tables, opened):
    run = opened(tables)
    shown = family(run)
    assert isinstance(shown, Picture)
    assert shown.figure.axes[0].get_title(loc="left") == "mean, trial 0"
    assert family(run, "clone", 3).figure.axes[0].get_title(loc="left") == "clone, trial 3"
    assert "trial 99 of the arm 'clone'" in str(family(run, "clone", 99))


def test_damage_and_gain_are_shown_where_they_were_measured(tables, opened):
    run = opened(tables)
    table = damage(run)
    assert isinstance(table, Table)
    assert set(table.frame["crossover"]) <= set(tables["matings"]["crossover"])
    assert isinstance(gain_by_distance(run), Picture)
    assert isinstance(damage_by_distance(run), Picture)
    assert "no crossover both with and without alignment" in str(mended(run))


def test_distances_that_were_not_measured_are_missed(tables, opened):
    unmeasured = dict.fromkeys(("distance_raw", "distance_aligned", "barrier_raw"), NAN)
    unmeasured["barrier_aligned"] = NAN
    run = opened({**tables, "matings": tables["matings"].assign(**unmeasured)})
    for cell in (gain_by_distance, damage_by_distance):
        assert "measure = true" in str(cell(run))


@pytest.mark.parametrize("cell", [species, family, gain_by_distance, damage, damage_by_distance])
def test_a_run_without_matings_says_what_is_missing(cell, opened):
    assert isinstance(cell(opened({name: frame(name, []) for name in TABLES})), Text)
