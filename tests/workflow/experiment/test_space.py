"""What an experiment may say of its search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from tests.support.experiments import load
from tests.support.searches import SEARCH

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"space": {"units": {"low": 8, "high": 4}}}, "space: .*'units'"),
        ({"space": {"units": {"low": 8}}}, "space.units: .*`low` and `high`"),
        ({"space": {"units": [4], "x": {"values": [1], "per": "y"}}}, "space: .*'x'"),
        ({"network": {"builder": "mlp", "params": {"units": 4}}}, "space.units: .*sets it too"),
        (
            {
                "arms": [
                    {"name": "control"},
                    {
                        "name": "a",
                        "halts": [1],
                        "mating": "survivors",
                        "search": {"mutation_rate": 0.5},
                    },
                ]
            },
            "arms.a.search is set, but mating is 'survivors'",
        ),
        (
            {
                "arms": [
                    {"name": "control"},
                    {"name": "a", "mating": "survivors", "halts": [{"at": 1, "population": 9}]},
                ]
            },
            "arms.a.population: 9 cannot survive of a population of 4",
        ),
        (
            {
                "arms": [
                    {"name": "control"},
                    {"name": "a", "mating": "self", "halts": [{"at": 1, "population": 2}]},
                ]
            },
            "arms.a.population: every member goes on by itself",
        ),
    ],
)
def test_a_mistake_names_the_key(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        load(tmp_path, **(SEARCH | changes))


def test_search_settings_need_a_space(tmp_path: Path) -> None:
    arms = [{"name": "control"}, {"name": "a", "halts": [1], "search": {"mutation_rate": 0.5}}]
    with pytest.raises(UserError, match=r"arms.a.search is set, but the experiment has no \[space"):
        load(tmp_path, arms=arms)
