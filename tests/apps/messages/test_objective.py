"""A metric and its direction: costs are compared, values are shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.messages.objective import Mode, Objective

MODES: tuple[Mode, ...] = ("min", "max")
VALUES = st.floats(allow_nan=False)


@given(mode=st.sampled_from(MODES), one=VALUES, other=VALUES)
def test_the_better_value_costs_less_and_comes_back(mode: Mode, one: float, other: float) -> None:
    objective = Objective("val_auc", mode)
    better = one > other if mode == "max" else one < other
    assert (objective.cost(one) < objective.cost(other)) is better
    assert objective.value(objective.cost(one)) == one


@pytest.mark.parametrize("mode", MODES)
def test_what_is_no_number_costs_no_number(mode: Mode) -> None:
    assert math.isnan(Objective("val_auc", mode).cost(math.nan))


@pytest.mark.parametrize(
    ("metric", "name", "of_champions"),
    [
        ("loss", "loss", "train_loss"),
        ("train_loss", "loss", "train_loss"),
        ("val_loss", "loss", "val_loss"),
        ("auc", "auc", "train_auc"),
        ("val_left_auc", "left_auc", "val_left_auc"),
    ],
)
def test_champions_are_chosen_by_what_every_network_has(
    metric: str, name: str, of_champions: str
) -> None:
    objective = Objective(metric, "max")
    assert objective.name == name
    assert objective.of_champions == Objective(of_champions, "max")
