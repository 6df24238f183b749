"""A champion that could not be written, or opened again, is told before the run."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from apps.errors import UserError
from apps.messages.specs import TrainingSpec
from apps.messages.tasks import Workplace
from apps.preflight.rehearsal import rehearse
from tests.support.kind_tasks import BY_NAME, data
from tests.support.kind_tasks import task as of_kind
from tests.support.small import net, training


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("lambda", "the deserialization of a `Lambda` layer whose `function` is a Python lambda"),
        ("function", "Could not locate function 'bent'"),
        ("class", "Could not locate class 'Unregistered'"),
        ("forgetful", "its outputs are others"),
    ],
)
def test_a_champion_that_could_not_be_exported_is_told_with_the_reason(
    place: Workplace, what: str, reason: str
) -> None:
    with pytest.raises(UserError, match=re.escape(reason)) as caught:
        rehearse([training(network=net("unopened", what=what))], [], [], place)
    assert caught.value.code == "champion"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 900


def test_a_metric_that_keras_would_open_as_another_is_told_before_the_run(place: Workplace) -> None:
    own = TrainingSpec(32, loss="mse", metrics=("tests.support.metrics:mse",))
    given = replace(of_kind(data("one_hot")), training=own)
    with pytest.raises(UserError, match=r"opens that again, and .* is .* before and .* then"):
        rehearse([given], [], [], place)
    rehearse([replace(given, training=replace(own, loss="mae"))], [], [], place)


def test_a_champion_may_have_its_outputs_in_a_list(place: Workplace) -> None:
    two = data("two_inputs", two_outputs=True)
    rehearse([of_kind(two, "outputs_in_a_list", training=BY_NAME)], [], [], place)
