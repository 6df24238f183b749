"""Note and tags of a run: kept unless others are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.errors import UserError
from apps.records.labels import Labels, read_labels, relabelled
from apps.records.run_dir import RunDir

OLD = Labels("first", ("a", "b"))


@pytest.mark.parametrize(
    ("note", "tags", "new"),
    [
        (None, None, OLD),
        (None, [], OLD),
        ("second", None, Labels("second", OLD.tags)),
        ("", None, Labels("", OLD.tags)),
        (None, ["c", "c"], Labels("first", ("c",))),
        (None, [""], Labels("first", ())),
    ],
)
def test_what_is_asked_takes_the_place_of_what_was(
    note: str | None, tags: list[str] | None, new: Labels
) -> None:
    assert relabelled(OLD, note, tags) == new


@pytest.mark.parametrize(
    ("note", "tags"), [("a\nb", None), (None, ["two words"]), (None, ["a,b"]), (None, ["a", ""])]
)
def test_what_is_no_label_is_refused(note: str | None, tags: list[str] | None) -> None:
    with pytest.raises(UserError, match=r"--(note|tag) '") as caught:
        relabelled(OLD, note, tags)
    assert caught.value.code == "command-option"


@pytest.mark.parametrize("labels", [Labels(), OLD, Labels("only a note"), Labels("", ("tag",))])
def test_labels_are_read_as_they_were_written(labels: Labels, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.environment_json.write_text(json.dumps(labels.written() | {"host": "here"}))
    assert read_labels(run) == labels


@pytest.mark.parametrize("text", [None, "", "[]", '{"tags": 3}'])
def test_without_a_record_there_are_none(text: str | None, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    if text is not None:
        run.environment_json.write_text(text)
    assert read_labels(run) == Labels()
