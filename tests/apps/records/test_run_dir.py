"""Names of folders and files are what older runs have on disk: they stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.records import run_dir
from apps.records.run_dir import ReportDir, RunDir

ROOT = Path("runs/mine")


def test_folders_of_tasks_keep_their_names() -> None:
    assert RunDir.member_folder(RunDir.arm_folder(0, None), 0, 3) == "trial-000/segment-0/member-03"
    own = RunDir.arm_folder(12, "mean")
    assert RunDir.member_folder(own, 1, 100) == "trial-012/mean/segment-1/member-100"
    assert RunDir.halt_folder(0, "mean", 0) == "trial-000/mean/halt-0"
    assert RunDir.harvest_folder(1, "mean") == "trial-001/mean/harvest"


def test_files_of_tasks_keep_their_names() -> None:
    named = (run_dir.RESULT, run_dir.CHECKPOINT, run_dir.PARTIAL, run_dir.PARTIAL_RECORD)
    assert named == (
        "result.json",
        "checkpoint.safetensors",
        "partial.safetensors",
        "partial.json",
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (RunDir(ROOT).experiment_toml, "experiment.toml"),
        (RunDir(ROOT).environment_json, "environment.json"),
        (RunDir(ROOT).events_jsonl, "events.jsonl"),
        (RunDir(ROOT).lock, "driver.lock"),
        (RunDir(ROOT).table("members"), "tables/members.parquet"),
        (RunDir(ROOT).champion_keras, "champion/champion.keras"),
        (RunDir(ROOT).card_json, "champion/card.json"),
        (RunDir(ROOT).pedigree_json, "champion/pedigree.json"),
        (RunDir(ROOT).report_html, "report/index.html"),
        (RunDir(ROOT).workers, "workers"),
        (RunDir(ROOT).report_so_far, "report-so-far"),
        (ReportDir(RunDir(ROOT).report).csv("statistics"), "report/statistics.csv"),
        (ReportDir(RunDir(ROOT).report).figure("curves", "svg"), "report/figures/curves.svg"),
        (RunDir(ROOT).tensorboard, "tensorboard"),
        (RunDir(ROOT).monitoring_db, "monitoring.db"),
        (RunDir(ROOT).csv, "csv"),
    ],
)
def test_files_of_a_run_keep_their_names(path: Path, name: str) -> None:
    assert path == ROOT / name


def test_what_is_there_is_found(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for folder in ("trial-000/segment-0/member-00", RunDir.harvest_folder(1, "mean")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / run_dir.RESULT).touch()
    assert {path.name for path in run.trials()} == {"trial-000", "trial-001"}
    assert len(list(run.results())) == 2


def test_an_arm_cannot_have_the_name_of_a_segment() -> None:
    assert RunDir.is_kept_for_folders("segment-0")
    assert not RunDir.is_kept_for_folders("mean")
