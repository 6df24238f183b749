"""The verdict claims what was seen and no more."""

from __future__ import annotations

import pytest

from analysis.numerals import MINUS, NOTHING, count, number, p_value, percent, plain, span, whole
from analysis.statistics.overview import overview
from analysis.statistics.wording import cautions, headline_arm, verdict

NOISE = {"mean": (0.0, 0.0)}
TWO = ("control", "mean")


def _verdict(tables_of, **fields):
    return verdict(overview(tables_of(**fields)))


def test_a_clear_gain_is_claimed_with_its_price(tables):
    text = verdict(overview(tables))
    assert text.startswith("mean, the best of 4 arms, lowers the held-out loss by 9.2 % [")
    assert "against the control (8 trials, p < 0.001); its test loss falls by 9.2 % [" in text
    assert "; its training loss rises by " in text


def test_an_interval_over_zero_is_no_claim(tables_of):
    text = _verdict(tables_of, arms=TWO, gains=NOISE)
    assert text.startswith("mean cannot be told from the control by its held-out loss: ")
    assert "; neither its test loss, " in text
    assert ", nor its training loss, " in text
    assert text.endswith(", can be told from the control's.")


def test_of_several_arms_none_is_claimed(tables_of):
    gains = {"a": (0.0, -0.2), "b": (0.0, -0.003)}
    text = _verdict(tables_of, arms=("control", *gains), gains=gains, trials=4)
    assert text.startswith("No arm lowers the held-out loss beyond chance: for b, the best of 2")


def test_a_clear_loss_is_said(tables_of):
    text = _verdict(tables_of, arms=TWO, gains={"mean": (-0.2, -0.2)})
    assert text.startswith("mean raises the held-out loss by ")
    assert MINUS not in text


@pytest.mark.parametrize(("trials", "start"), [(1, "In the only trial"), (2, "In 2 trials")])
def test_one_or_two_trials_claim_nothing(tables_of, trials, start):
    text = _verdict(tables_of, trials=trials)
    assert text.startswith(start)
    assert "cannot tell from chance" in text
    assert "p " not in text


def test_equal_arms_are_called_the_same(tables_of):
    text = _verdict(tables_of, arms=TWO, epochs=1, halts=())
    assert text == (
        "In each of 8 trials the held-out loss of mean is the same as the control's; "
        "its test loss is the same as the control's; "
        "its training loss is the same as the control's."
    )


def test_nothing_to_compare(tables_of):
    assert "Only the control ran" in _verdict(tables_of, arms=("control",))
    assert "no arm named control" in _verdict(tables_of, arms=("mean",))
    dead = [(trial, "mean") for trial in range(8)]
    assert "No trial was finished by both" in _verdict(tables_of, arms=TWO, failed_trials=dead)


def test_a_lucky_single_trial_is_not_the_headline(tables_of):
    gains = {"lucky": (0.5, 0.5), "solid": (0.1, 0.1)}
    lost = [(trial, "lucky") for trial in range(1, 8)]
    numbers = overview(tables_of(arms=("control", *gains), gains=gains, failed_trials=lost))
    assert headline_arm(numbers) == "solid"
    assert any("Below 3 trials" in note for note in cautions(numbers))
    assert any("lucky in 7 trials" in note for note in cautions(numbers))


def _rely(tables_of, **fields):
    notes = cautions(overview(tables_of(**fields)))
    return [note for note in notes if note.startswith("Do not rely on")]


def test_a_test_loss_that_agrees_is_no_caution(tables_of):
    assert _rely(tables_of) == []


@pytest.mark.parametrize("trials", [2, 8])
def test_a_test_loss_of_the_other_sign_is_cautioned(tables_of, trials):
    (note,) = _rely(tables_of, arms=TWO, trials=trials, test_gains={"mean": -0.3})
    assert "the held-out loss of mean: it is " in note
    assert " lower, but its test loss is " in note
    assert note.endswith(" higher.")


def test_a_test_interval_with_zero_in_it_is_cautioned(tables_of):
    (note,) = _rely(tables_of, arms=TWO, test_gains={"mean": -0.09})
    assert note.endswith("has an interval that includes zero.")


def test_other_arms_are_cautioned_when_their_held_out_loss_is_clear(tables_of):
    gains = {"a": (0.0, 0.2), "b": (0.0, 0.1), "c": (0.0, 0.0)}
    notes = _rely(
        tables_of, arms=("control", *gains), gains=gains, test_gains=dict.fromkeys("bc", -0.4)
    )
    assert [note.split(":")[0].split()[-1] for note in notes] == ["b"]


def test_few_trials_and_a_chosen_fitness_are_cautioned(tables_of):
    tables = tables_of(trials=3)
    trials = tables["trials"].assign(fitness=tables["trials"]["val_loss"])
    notes = cautions(overview({**tables, "trials": trials}))
    assert any("t interval" in note for note in notes)
    assert any("chose the champions and the best arm" in note for note in notes)
    assert cautions(overview(tables_of())) == []


def test_numbers_as_text():
    assert percent(-0.0123) == f"{MINUS}1.2 %"
    assert percent(float("nan")) == NOTHING
    assert percent(-0.0001) == "0.0 %"
    assert span(-0.012, 0.034) == f"[{MINUS}1.2, 3.4]"
    assert span(float("nan"), 1) == ""
    assert p_value(float("nan")) == number(None) == number(float("inf")) == NOTHING
    assert plain(f"{MINUS}1 {NOTHING}") == "-1 -"
    assert (count(1, "trial"), count(0, "trial")) == ("1 trial", "0 trials")
    assert whole(12_345) == "12\u202f345"
