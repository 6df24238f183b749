"""Values of several forms: losses, metrics and weights of classes, checked when a file is read."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from apps.messages.values import GivenClassWeight, Loss, Metrics


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, None),
        ("balanced", "balanced"),
        ({"0": 1, "1": 5.5}, {"0": 1.0, "1": 5.5}),
        ({0: 1.0, 12: 0}, {"0": 1.0, "12": 0.0}),
        ({"007": 2.0, "cat": 1}, {"007": 2.0, "cat": 1.0}),
    ],
)
def test_weights_of_classes_are_read_by_their_names(given: Any, read: Any) -> None:
    found = TypeAdapter(GivenClassWeight).validate_python(given)
    assert found == read


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("equal", "balanced"),
        ({}, "by the classes"),
        ([1.0, 5.0], "by the classes"),
        ({"0": -1.0}, "a number from 0, got -1.0 of 0"),
        ({"0": float("inf")}, "a number from 0, got inf of 0"),
        ({"0": float("nan")}, "a number from 0, got nan of 0"),
        ({"0": True}, "a number from 0, got True of 0"),
        ({"0": "5"}, "a number from 0, got '5' of 0"),
    ],
)
def test_other_weights_of_classes_are_refused(given: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TypeAdapter(GivenClassWeight).validate_python(given)


def test_losses_and_metrics_are_names_or_tables_of_them() -> None:
    assert TypeAdapter(Loss).validate_python({"left": "mse"}) == {"left": "mse"}
    assert TypeAdapter(Metrics).validate_python({"left": ["auc"]}) == {"left": ("auc",)}
    for kind, given in ((Loss, 3), (Metrics, "auc"), (Metrics, {"left": "auc"})):
        with pytest.raises(ValidationError, match="should be"):
            TypeAdapter(kind).validate_python(given)
