"""Trials that were added to a run are read from its record, whatever the record is."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.records.run_dir import RunDir
from apps.records.trial_counts import added, read_trial_counts, told, written


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"trial_counts": 5}', '{"trial_counts": ["x"]}'])
def test_a_record_without_counts_has_none(text: str, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert read_trial_counts(run) == ()
    run.environment_json.write_text(text)
    assert read_trial_counts(run) == ()


def test_counts_grow_and_are_told_from_the_second_on() -> None:
    counts: tuple[int, ...] = ()
    for there, asked, said in (
        (3, 3, ""),
        (3, 3, ""),
        (3, 6, "3, then 6"),
        (6, 7, "3, then 6, then 7"),
    ):
        counts = added(counts, there, asked)
        assert said in told(counts)
        assert bool(said) == bool(told(counts)) == bool(written(counts))
    assert written(counts) == {"trial_counts": [3, 6, 7]}
