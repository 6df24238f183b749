"""What was added to a run is read from its record, whatever the record is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.records.additions import Additions, read_additions
from apps.records.run_dir import RunDir


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"trial_counts": 5}',
        '{"trial_counts": ["x"]}',
        '{"added_arms": 5}',
        '{"added_arms": "mean"}',
        '{"added_arms": null}',
    ],
)
def test_a_record_without_additions_has_none(text: str, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert read_additions(run) == Additions()
    run.environment_json.write_text(text)
    assert read_additions(run) == Additions()


def test_trials_are_told_from_the_second_number_on_and_read_again(tmp_path: Path) -> None:
    run, additions = RunDir(tmp_path), Additions()
    for there, asked, said in (
        (3, 3, ""),
        (3, 3, ""),
        (3, 6, "3, then 6"),
        (6, 7, "3, then 6, then 7"),
    ):
        additions = additions.grown(there, asked, ())
        told = [*additions.told()]
        assert said in "".join(told)
        assert bool(said) == bool(told) == bool(additions.written())
        run.environment_json.write_text(json.dumps(additions.written()))
        assert read_additions(run) == additions
    assert additions.written() == {"trial_counts": [3, 6, 7]}


def test_arms_are_told_once_each_beside_the_trials(tmp_path: Path) -> None:
    additions = Additions().grown(3, 3, ("mean",)).grown(3, 4, ()).grown(4, 4, ("unit", "mean"))
    assert additions.written() == {"trial_counts": [3, 4], "added_arms": ["mean", "unit"]}
    trials, arms = additions.told()
    assert "which had 3, then 4:" in trials
    assert "been run: mean, unit. p values" in arms
    run = RunDir(tmp_path)
    run.environment_json.write_text(json.dumps(additions.written()))
    assert read_additions(run) == additions
