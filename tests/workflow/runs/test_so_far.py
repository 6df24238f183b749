"""A run before its end: what is whole is reported, the rest is said, nothing is disturbed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from analysis.report.so_far import SoFar as ReportSoFar
from analysis.statistics.curves import so_far
from apps.messages import fingerprints
from apps.messages.fingerprints import to_json
from apps.messages.results import TrainResult
from apps.records.result_files import Partial, stored_result
from apps.records.run_dir import PARTIAL_RECORD, ReportDir, RunDir
from apps.records.tables_schema import TABLES, UNFINISHED
from heterosis import Run
from tests.support.experiments import (
    TINY,
    assert_same,
    broken_off,
    contents,
    copied,
    events,
    load,
    read_tables,
)
from tests.support.pages import Page
from tests.support.searches import SEARCH, search_made_once
from tests.workflow.conftest import Heterosis, Mishap
from workflow.driver.progress import read_tally
from workflow.runs.lock import only_driver
from workflow.runs.so_far import SoFar
from workflow.runs.status import standing

ALL = "trial-*/**"
ARMS = len(TINY["arms"])


def whole(root: Path) -> dict[str, pd.DataFrame]:
    found = SoFar(RunDir(root)).look()
    return ReportSoFar(found.tables, ()).whole


def test_whole_arms_have_the_rows_of_the_finished_run(finished: Path, tmp_path: Path) -> None:
    root = broken_off(
        finished,
        tmp_path,
        "trial-001/random/segment-2/member-02",
        "trial-001/random/harvest",
        "trial-000/twice/harvest",
    )
    found, theirs = SoFar(RunDir(root)).look(), read_tables(finished)
    assert found.trials_whole == 0
    assert found.arms_whole == {"control": 2, "restart": 2, "mean": 2, "random": 1, "twice": 1}
    assert found.epochs_missing == 2
    gone = [(1, "random"), (0, "twice")]
    for name, ours in whole(root).items():
        cells = zip(theirs[name]["trial"], theirs[name]["arm"], strict=True)
        kept = theirs[name][[cell not in gone for cell in cells]].reset_index(drop=True)
        if name == "trials":
            ours = ours[ours["status"].ne(UNFINISHED)].reset_index(drop=True)
        assert_frame_equal(ours, kept, check_exact=True)


def test_looking_again_finds_what_came_meanwhile(finished: Path, tmp_path: Path) -> None:
    result = "trial-001/mean/segment-2/member-00/result.json"
    root = broken_off(finished, tmp_path, str(Path(result).parent))
    looking = SoFar(RunDir(root))
    assert looking.look().epochs_missing == 2
    (root / result).write_bytes((finished / result).read_bytes())
    found = looking.look()
    assert found.epochs_missing == 0
    assert found.trials_whole == TINY["trials"]
    assert all(found.tables[name].equals(read_tables(finished)[name]) for name in TABLES)


def test_a_result_of_something_else_does_not_count(finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path)
    member = "trial-000/mean/segment-2/member-0{}/result.json"
    (root / member.format(0)).write_bytes((finished / member.format(1)).read_bytes())
    found = SoFar(RunDir(root)).look()
    assert (found.epochs_missing, found.arms_whole["mean"]) == (2, 1)


def test_epochs_in_the_middle_of_a_segment_are_known(finished: Path, tmp_path: Path) -> None:
    folder = "trial-000/mean/segment-2/member-01"
    root = broken_off(finished, tmp_path, folder, "trial-000/mean/harvest")
    result = stored_result(finished / folder, TrainResult)
    assert result is not None
    part = Partial(result.fingerprint, "0", result.epochs[:1], {})
    (root / folder / PARTIAL_RECORD).write_bytes(to_json(part))
    found = SoFar(RunDir(root)).look()
    assert found.epochs_missing == 1
    tables = found.tables
    own = tables["members"].query("folder == @folder")
    assert own["status"].tolist() == [UNFINISHED]
    lines = so_far(tables)
    assert lines.query("arm == 'mean' and trial == 0")["epoch"].max() == 4


def test_failures_are_known_from_the_events(mishap: Mishap, tmp_path: Path) -> None:
    root = broken_off(mishap.root, tmp_path)
    failures = read_tally(RunDir(root).events_jsonl).failures
    ours = SoFar(RunDir(root)).look(failures).tables["trials"]
    theirs = read_tables(mishap.root)["trials"]
    assert (theirs["status"] == "failed").any()
    assert ours[["status", "reason"]].equals(theirs[["status", "reason"]])
    unknown = SoFar(RunDir(root)).look().tables["trials"]["status"]
    assert (unknown[theirs["status"] == "failed"] == UNFINISHED).all()


# ---------------------------------------------------------------------------------- the report
def test_the_report_of_a_run_under_way_leaves_it_alone(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = broken_off(finished, tmp_path, "trial-001/*/harvest", "trial-001/twice/segment-2/*")
    run = RunDir(root)
    with only_driver(run.lock):
        before = contents(root)
        ended = heterosis("report", root)
        after = contents(root)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{ReportDir(run.report_so_far).html}\n"
    assert {name: after[name] for name in before} == before
    assert {Path(name).parts[0] for name in after.keys() - before.keys()} == {"report-so-far"}
    text = Page(ReportDir(run.report_so_far).html.read_text()).text
    assert (
        f"Not finished: missing are 1 of 2 trials, {ARMS} of the {2 * ARMS} arms of trials, and "
        "3 of 78 network-epochs. " in text
    )
    assert re.search(r"At \d{4}-.* running \(host .*; `heterosis report` renews this page", text)
    assert "Whole trials by arm: control 1, restart 1, mean 1, random 1, twice 1." in text
    assert "is not finished there, failed there or has no finite loss" in text
    # One trial is described, and no test is pretended.
    assert "In the only trial the held-out loss of" in text
    assert "paired t test's" not in text
    statistics = pd.read_csv(ReportDir(run.report_so_far).csv("statistics"))
    assert set(statistics["n"]) == {1}
    assert statistics["t_p"].isna().all()


def test_what_broke_off_says_how_to_continue(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = broken_off(finished, tmp_path, "trial-*/mean/harvest")
    assert heterosis("report", root).code == 0
    text = Page(ReportDir(RunDir(root).report_so_far).html.read_text()).text
    command = " ".join(json.loads(RunDir(root).environment_json.read_text())["command"])
    assert f": broke off without an end; continue with: {command}." in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run tiny.toml", "run tiny.toml --name moved"),
        ("run --name old tiny.toml --fresh", "run --name moved tiny.toml"),
        ("run --name=old tiny.toml", "run tiny.toml --name moved"),
    ],
)
def test_a_run_that_was_renamed_goes_on_by_its_name(
    words: str, told: str, finished: Path, tmp_path: Path
) -> None:
    run = RunDir(broken_off(finished, tmp_path).rename(tmp_path / "moved"))
    run.environment_json.write_text(json.dumps({"command": ["heterosis", *words.split()]}))
    assert standing(run).told.endswith(f"; continue with: heterosis {told}")


def test_without_its_tables_no_run_is_finished(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    assert standing(RunDir(root)).state == "finished"
    shutil.rmtree(RunDir(root).tables)
    found = standing(RunDir(root))
    assert (found.state, found.how) == (
        "failed", "all is computed, but its tables are not written",
    )  # fmt: skip
    assert "finished" not in heterosis("list", tmp_path).out


@pytest.mark.parametrize("missing", [f"{ALL}/harvest", "trial-*/mean/**"])
def test_with_nothing_to_compare_there_are_still_curves(
    missing: str, finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = broken_off(finished, tmp_path, missing, "trial-*/control/harvest")
    assert heterosis("report", root).code == 0
    text = Page(ReportDir(RunDir(root).report_so_far).html.read_text()).text
    assert "nothing can be compared" in text


def test_the_last_report_takes_the_place_of_the_one_before(
    finished: Path, tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = broken_off(finished, tmp_path, "trial-001/twice/harvest")
    assert heterosis("report", root).code == 0
    assert RunDir(root).report_so_far.is_dir()
    assert heterosis("run", tiny_file, "--runs", tmp_path, "--quiet").code == 0
    assert not RunDir(root).report_so_far.exists()
    assert "Not finished" not in RunDir(root).report_html.read_text()


def test_without_any_result_there_is_one_line(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = broken_off(finished, tmp_path, ALL)
    assert events(root)[0]["event"] == "start"
    ended = heterosis("report", root)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert "nothing is finished yet to report on; broke off without an end" in line
    assert not RunDir(root).report_so_far.exists()


@pytest.mark.slow
def test_a_search_is_reported_too(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, heterosis: Heterosis
) -> None:
    searched = search_made_once(tmp_path_factory)
    root = copied(searched, tmp_path)
    experiment = load(tmp_path / "file", **SEARCH)
    RunDir(root).experiment_toml.write_text(experiment.to_toml())
    whole = SoFar(RunDir(root)).look()
    assert whole.epochs_missing == 0
    assert_same(whole.tables, read_tables(searched))
    shutil.rmtree(RunDir(root).tables)
    shutil.rmtree(root / "trial-000/heterosis/harvest")
    assert heterosis("report", root).code == 0
    text = Page(ReportDir(RunDir(root).report_so_far).html.read_text()).text
    arms = len(experiment.arms)
    assert f"missing are 1 of 1 trials, 1 of the {arms} arms of trials, and 0 of " in text
    assert "The search" in text
    whole_ones = (f"{arm.name} {int(arm.name != 'heterosis')}" for arm in experiment.arms)
    assert f"Whole trials by arm: {', '.join(whole_ones)}." in text


def test_results_of_another_version_are_not_reported(
    finished: Path, tmp_path: Path, heterosis: Heterosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = broken_off(finished, tmp_path)
    monkeypatch.setattr(fingerprints, "NUMERICS", 0)
    ended = heterosis("report", root)
    assert ended.code == 2
    assert "its results are of another version" in ended.err


def test_python_asks_the_same(finished: Path, tmp_path: Path, heterosis: Heterosis) -> None:
    root = broken_off(finished, tmp_path, "trial-001/*/harvest")
    run = Run.open(root)
    assert run.state == "failed"
    assert (run.progress.trials_done, run.progress.trials) == (1, 2)
    assert run.report == ReportDir(RunDir(root).report_so_far).html
    assert Run.open(finished).state == "finished"
