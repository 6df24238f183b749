"""What a run tells while it goes on: the same to its own display and to another process."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from apps.messages.fingerprints import to_json
from apps.messages.objective import Objective
from apps.messages.results import Failure
from apps.messages.tasks import TrainTask
from apps.records.result_files import Partial
from apps.records.run_dir import PARTIAL_RECORD, RunDir
from apps.tasks.perform import Outcome
from tests.support.experiments import copied, drive, load, trained
from workflow.driver.progress import (
    Journal,
    Tally,
    four_digits,
    read_tally,
    summary,
)
from workflow.driver.trial import Node, build_trial


class Kept:
    """A display that keeps what it is shown."""

    def __init__(self) -> None:
        self.shown: list[Tally] = []
        self.closed = 0

    def show(self, tally: Tally) -> None:
        self.shown.append(tally)

    def close(self, tally: Tally) -> None:
        self.closed += 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def nodes(tmp_path: Path) -> list[Node]:
    graphs = [build_trial(load(tmp_path / "file"), trial) for trial in range(2)]
    return [node for graph in graphs for node in graph.nodes.values()]


def journal_at(path: Path, display: Any = None, running: int = 0) -> Journal:
    return Journal(path, Objective("val_loss"), display or Kept(), lambda: running)


def begin(journal: Journal, tmp_path: Path) -> None:
    experiment = load(tmp_path / "file")
    journal.begin([build_trial(experiment, trial) for trial in range(experiment.trials)])


def counts(tally: Tally) -> dict[str, Any]:
    return {key: value for key, value in asdict(tally).items() if key != "now_unix_s"}


def asked(node: Node) -> int:
    task = node.task
    return task.last_epoch - task.first_epoch if isinstance(task, TrainTask) else 0


def outcome_of(number: int, node: Node) -> Outcome:
    member = node.task.member if isinstance(node.task, TrainTask) else 0
    if number % 7 == 3:
        return Failure("gone", "log", member)
    if number % 11 == 5 and isinstance(node.task, TrainTask):
        return trained(member, math.nan, "diverged", "loss was nan", epochs=1)
    return trained(member, 2.0 - 0.01 * number, epochs=asked(node))


# ------------------------------------------------------------------------------- the event log
def test_another_process_sees_what_the_driver_saw(
    path: Path, nodes: list[Node], tmp_path: Path
) -> None:
    journal = journal_at(path)
    begin(journal, tmp_path)
    for number, node in enumerate(nodes):
        journal.finished(node, outcome_of(number, node), reused=number % 5 == 0)
        assert counts(read_tally(path)) == counts(journal.tally)
    journal.close("finished")
    assert counts(read_tally(path)) == counts(journal.tally)
    tally = journal.tally
    assert tally.ended == "finished"
    assert (tally.done, tally.total) == (len(nodes), len(nodes))
    assert (tally.trials_done, tally.trials) == (2, 2)
    lost = sum(asked(node) for number, node in enumerate(nodes) if number % 7 == 3)
    lost += sum(
        asked(node) - 1
        for number, node in enumerate(nodes)
        if number % 11 == 5 and number % 7 != 3 and asked(node)
    )
    assert 0 < tally.epochs_lost == lost
    assert tally.epochs_done == tally.epochs - lost
    assert tally.left_s == 0
    assert tally.segments_done == tally.segments
    assert tally.failed == sum(number % 7 == 3 for number in range(len(nodes)))
    assert tally.best == min(
        2.0 - 0.01 * number
        for number, node in enumerate(nodes)
        if isinstance(node.task, TrainTask) and number % 7 != 3 and number % 11 != 5
    )


def test_the_log_is_strict_json(path: Path, nodes: list[Node], tmp_path: Path) -> None:
    journal = journal_at(path)
    begin(journal, tmp_path)
    journal.finished(nodes[0], trained(0, math.nan, "diverged", "loss was nan"), reused=False)
    journal.finished(nodes[1], trained(1, math.inf), reused=False)
    journal.close("finished")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    assert read_tally(path).best == math.inf


def test_a_segment_that_arms_share_counts_for_each_of_them(
    path: Path, nodes: list[Node], tmp_path: Path
) -> None:
    journal = journal_at(path)
    begin(journal, tmp_path)
    journal.finished(nodes[0], trained(0, 1.0, epochs=1), reused=False)
    journal.close("finished")
    assert journal.tally.segments_done == dict.fromkeys(journal.tally.segments, 1)
    assert journal.tally.epochs_done == 1


def test_the_epochs_of_members_that_failed_are_not_waited_for(
    path: Path, nodes: list[Node], tmp_path: Path
) -> None:
    journal = journal_at(path)
    begin(journal, tmp_path)
    for node in nodes:
        journal.finished(node, Failure("gone"), reused=False)
    assert (journal.tally.epochs_done, journal.tally.epochs_new) == (0, 0)
    assert journal.tally.epochs_lost == journal.tally.epochs
    journal.close("finished")


def test_a_log_of_an_older_version_is_read(path: Path, nodes: list[Node], tmp_path: Path) -> None:
    journal = journal_at(path)
    begin(journal, tmp_path)
    journal.finished(nodes[0], trained(0, 1.0, epochs=1), reused=False)
    journal.close("finished")
    younger = [json.loads(line) for line in path.read_text().splitlines()]
    for event in younger:
        event.pop("epochs_lost", None)
        event.pop("epochs_kept", None)
        event.pop("remarks", None)
        event.pop("trained_by", None)
    path.write_text("".join(json.dumps(event) + "\n" for event in younger))
    assert counts(read_tally(path)) == counts(journal.tally)


def test_remarks_of_training_are_counted_and_logged(
    path: Path, nodes: list[Node], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = journal_at(path)
    begin(journal, tmp_path)
    log = ("trained by Keras, not fused", "slow")
    journal.finished(nodes[0], trained(0, 1.0, log=log), reused=False)
    journal.finished(nodes[1], trained(1, 1.0, log=log[:1]), reused=True)
    with caplog.at_level(logging.INFO, "workflow"):
        journal.close("finished")
    assert read_tally(path).remarks == {log[0]: 2, log[1]: 1}
    assert [record.getMessage() for record in caplog.records] == [
        "2 trained members: trained by Keras, not fused",
        "1 trained member: slow",
    ]


def test_the_log_says_what_trained(
    path: Path, nodes: list[Node], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = journal_at(path)
    begin(journal, tmp_path)
    for node, member in zip(nodes, (0, 1), strict=False):
        result = replace(trained(member, 1.0), engine="graph", engine_reason="convolutions")
        journal.finished(node, result, reused=False)
    with caplog.at_level(logging.INFO, "workflow"):
        journal.close("finished")
    assert read_tally(path).engines == {"graph: convolutions": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "2 trained members: trained by graph: convolutions"
    ]


def test_a_new_start_counts_anew(path: Path, nodes: list[Node], tmp_path: Path) -> None:
    for reused in (False, True):
        journal = journal_at(path)
        begin(journal, tmp_path)
        journal.finished(nodes[0], trained(0, 1.0), reused=reused)
        journal.close("stopped")
    tally = read_tally(path)
    assert (tally.done, tally.reused) == (1, 1)
    assert tally.epochs_a_second == 0
    assert math.isinf(tally.left_s)


@pytest.mark.parametrize(("arm", "relatives"), [("control", 1), ("family", 2)])
def test_epochs_that_an_earlier_start_left_are_not_new(
    arm: str, relatives: int, path: Path, tmp_path: Path
) -> None:
    family = {"name": "family", "family": {"members": 2, "merges": 1}, "epochs": 0.5}
    graph = build_trial(load(tmp_path / "file", arms=[{"name": "control"}, family]), 0)
    node = graph.segments[arm][0].members[0]
    length = asked(node)
    part = Partial("0", "0", trained(0, 1.0, epochs=length - 1).epochs, {})
    folder = path.parent / node.task.folder
    folder.mkdir(parents=True)
    (folder / PARTIAL_RECORD).write_bytes(to_json(part))
    journal = journal_at(path)
    journal.begin([graph])
    journal.finished(node, trained(0, 1.0, epochs=length), reused=False)
    journal.close("finished")
    assert (journal.tally.epochs_done, journal.tally.epochs_new) == (length * relatives, relatives)
    assert counts(read_tally(path)) == counts(journal.tally)


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_last_line_that_was_cut_is_passed_over(
    cut: int, path: Path, nodes: list[Node], tmp_path: Path
) -> None:
    journal = journal_at(path)
    begin(journal, tmp_path)
    journal.finished(nodes[0], trained(0, 1.0), reused=False)
    before = counts(journal.tally)
    journal.finished(nodes[1], trained(1, 0.5), reused=False)
    journal.close("finished")
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:2]) + whole[2][: -cut - 1])
    assert counts(read_tally(path)) == before

    # And it does not take the next start's first line with it.
    journal = journal_at(path)
    begin(journal, tmp_path)
    journal.finished(nodes[2], trained(2, 0.7), reused=False)
    journal.close("finished")
    assert counts(read_tally(path)) == counts(journal.tally)
    assert journal.tally.done == 1


def test_lines_that_are_no_events_are_passed_over(path: Path) -> None:
    path.write_bytes(b'5\n[]\n{}\n"text"\n\xff\xfe\n{"unix_s": 1}\n')
    assert read_tally(path).total == 0


def test_what_ends_after_the_end_is_not_logged(
    path: Path, nodes: list[Node], tmp_path: Path
) -> None:
    """A task may end while the run is being stopped."""
    journal = journal_at(path)
    begin(journal, tmp_path)
    journal.close("stopped")
    journal.finished(nodes[0], trained(0, 1.0), reused=False)
    assert read_tally(path).done == 0
    assert read_tally(path).ended == "stopped"


def test_a_rerun_is_told_as_reused(finished: Path, tmp_path: Path) -> None:
    root = copied(finished, tmp_path)
    journal = Journal(RunDir(root).events_jsonl, Objective("val_loss"), Kept(), lambda: 0)
    drive(load(tmp_path / "file"), root, watchers=[journal])
    journal.close("finished")
    tally = read_tally(RunDir(root).events_jsonl)
    assert tally.reused == tally.done == tally.total
    assert "reused" in summary(tally)
    assert counts(tally) == counts(journal.tally)


# ------------------------------------------------------------------------------------ displays
def test_a_tick_shows_the_tally_with_what_is_running(path: Path, tmp_path: Path) -> None:
    kept = Kept()
    journal = journal_at(path, kept, running=2)
    begin(journal, tmp_path)
    journal.tick()
    journal.tick()
    assert len(kept.shown) == 2
    assert kept.shown[-1].running == 2
    journal.close("finished")
    assert kept.closed == 1
    assert journal.tally.running is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.33361, "0.3336"), (1.427e-5, "1.427e-05"), (0.0, "0.0000"), (-0.00123456, "-0.001235")],
)
def test_a_small_loss_is_told_in_digits_that_say_something(value: float, shown: str) -> None:
    assert four_digits(value) == shown
