"""Runs that earlier versions began and did not finish: this one goes on with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from apps.records.run_dir import CHECKPOINT, RunDir
from apps.records.tables_schema import TABLES
from tests.support.columns import reproducible
from tests.support.experiments import copied, events, last_start, read_tables
from tests.workflow.conftest import Heterosis

BEGUN = Path(__file__).parents[1] / "begun"
"""A folder a version, written by `tests.support.begin`; what is in it is never changed."""


@pytest.mark.slow
@pytest.mark.parametrize("version", sorted(path.name for path in BEGUN.iterdir()))
def test_a_run_that_an_earlier_version_began_is_continued(
    version: str, heterosis: Heterosis, tmp_path: Path
) -> None:
    file = BEGUN / version / "small.toml"
    root = copied(BEGUN / version / "small", tmp_path / "runs")
    finished = {str(path.parent.relative_to(root)) for path in RunDir(root).results()}
    assert len(finished) > 15

    ended = heterosis("status", root)
    assert (ended.code, ended.err) == (0, "")
    assert "/66 network-epochs" in ended.out
    ended = heterosis("report", root)
    assert (ended.code, ended.err) == (0, "")
    assert "report-so-far" in ended.out

    # Whatever is installed here: that other versions are told is another test's.
    ended = heterosis("run", file, "--runs", root.parent, "--other-versions")
    assert (ended.code, ended.err) == (0, "")
    reused = {event["folder"] for event in last_start(events(root)) if event["reused"]}
    assert reused == finished

    assert heterosis("run", file, "--runs", tmp_path / "fresh").code == 0
    ours, fresh = read_tables(root), read_tables(tmp_path / "fresh" / "small")
    for name in TABLES:
        # Not to the bit: what is stored was computed on a processor of another kind.
        assert_frame_equal(reproducible(ours[name]), reproducible(fresh[name]), rtol=1e-4)
    for command in ("status", "report", "replay"):
        ended = heterosis(command, root)
        assert (ended.code, ended.err) == (0, ""), command


@pytest.mark.parametrize("version", sorted(path.name for path in BEGUN.iterdir()))
def test_the_stored_runs_are_small_and_of_plain_files(version: str) -> None:
    files = [path for path in (BEGUN / version).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".toml", ".json", ".jsonl", ".safetensors"}
    assert any(path.name == CHECKPOINT for path in files)
    assert sum(path.stat().st_size for path in files) < 150_000
