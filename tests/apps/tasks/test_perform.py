"""A task is done, failed with its reason on disk, or ruled out by a failure upstream."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import parsl
import pytest
from parsl.config import Config
from parsl.executors import ThreadPoolExecutor

from apps.errors import HeterosisError, UserError
from apps.messages.fingerprints import fingerprint
from apps.messages.results import (
    CheckpointRef,
    ExportResult,
    Failure,
    HarvestResult,
    MatingPlan,
    TrainResult,
)
from apps.messages.specs import OperatorSpec
from apps.messages.tasks import (
    Continue,
    ExportTask,
    Fresh,
    HarvestTask,
    MateTask,
    Offspring,
    Restart,
    TrainTask,
    Workplace,
)
from apps.records.result_files import save_result
from apps.tasks.kind import Kind, kind_of
from apps.tasks.perform import error_log, find, perform
from apps.worker.stopping import Stopped, stopping
from tests.support.examples import example
from tests.support.small import PLAIN, net, training

KINDS = [
    (TrainTask, TrainResult),
    (MateTask, MatingPlan),
    (HarvestTask, HarvestResult),
    (ExportTask, ExportResult),
]
FRESH = replace(example(TrainTask), start=Fresh(), folder="member", member=4)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What tasks compute: each call takes the next outcome, an exception is raised."""
    outcomes: list[Any] = []

    def take(*_: object) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(Kind, "compute", take)
    yield outcomes
    assert outcomes == [], "not everything was computed"


# --------------------------------------------------------------------------------- failures
@pytest.mark.parametrize(
    "error", [UserError("wrong", code="data-form"), ValueError("a\nb"), MemoryError()]
)
def test_a_failure_leaves_its_traceback_in_the_tasks_folder(
    place: Workplace, compute: list[Any], error: Exception
) -> None:
    compute.append(error)
    with pytest.raises(type(error)) as caught:
        perform(FRESH, place, ())
    assert caught.value is error
    text = (Path(place.root) / error_log(FRESH)).read_text()
    assert text.startswith("Traceback")
    assert type(error).__name__ in text.splitlines()[-1] or str(error).splitlines()[-1] in text


def test_a_later_success_removes_the_traceback(place: Workplace, compute: list[Any]) -> None:
    result = example(TrainResult)
    compute.extend([ValueError("once"), result])
    with pytest.raises(ValueError, match="once"):
        perform(FRESH, place, ())
    done = perform(FRESH, place, ())
    assert isinstance(done, TrainResult)
    assert replace(done, fingerprint=result.fingerprint, cost=result.cost) == result
    assert not (Path(place.root) / error_log(FRESH)).exists()


def test_a_stopped_task_is_no_failure(place: Workplace, compute: list[Any]) -> None:
    compute.append(Stopped("stopped after epoch 3"))
    with pytest.raises(Stopped):
        perform(FRESH, place, ())
    assert not (Path(place.root) / error_log(FRESH)).exists()


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[None]:
    """Parsl as the site `local_threads` has it."""
    parsl.load(
        Config(
            executors=[ThreadPoolExecutor(max_threads=2)],
            run_dir=str(tmp_path / "parsl"),
            initialize_logging=False,
        )
    )
    yield
    parsl.dfk().cleanup()
    parsl.clear()


def exits(*_: object) -> Any:
    """An operator that ends the process, as a script's `main` does."""
    sys.exit("no more")


def presses(*_: object) -> Any:
    """Nobody can press Ctrl-C in a thread."""
    raise KeyboardInterrupt("no more")


HERE = "tests.apps.tasks.test_perform"
MEMBERS = tuple(
    replace(
        example(TrainResult),
        member=member,
        status="done",
        final={"val_loss": 1.0},
        checkpoint=CheckpointRef(f"member-{member}", "bytes"),
    )
    for member in range(4)
)
ENDING = {
    "builder": (training(network=net("exits"), folder="task"), ()),
    "training step": (training(network=net("exits_in_training"), folder="task"), ()),
    **{
        operator.__name__: (
            replace(
                example(MateTask),
                members=4,
                fitness="val_loss",
                mating="all",
                parents=2,
                selection=OperatorSpec(f"{HERE}:{operator.__name__}"),
                species=None,
                network=PLAIN,
                folder="task",
            ),
            MEMBERS,
        )
        for operator in (exits, presses)
    },
}


@pytest.mark.usefixtures("threads")
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("task", "upstream"), ENDING.values(), ids=ENDING.keys())
def test_a_plugin_that_ends_its_thread_is_a_failure_of_its_task(
    task: Any, upstream: Any, place: Workplace
) -> None:
    """Parsl would wait for it for ever."""
    error = parsl.python_app(perform)(task, place, upstream).exception(timeout=60)
    assert isinstance(error, HeterosisError)
    assert re.search(
        r"raised (SystemExit|KeyboardInterrupt): no more \(/.*\.py, line \d+\)", str(error)
    )
    assert "no more" in (Path(place.root) / error_log(task)).read_text()


def test_the_users_own_interrupt_is_no_failure(place: Workplace, compute: list[Any]) -> None:
    assert threading.current_thread() is threading.main_thread()
    compute.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        perform(FRESH, place, ())
    assert not (Path(place.root) / error_log(FRESH)).exists()


@pytest.mark.usefixtures("compute")
def test_no_task_begins_while_the_run_is_being_stopped(place: Workplace) -> None:
    stopping.set()
    try:
        with pytest.raises(Stopped, match="being stopped"):
            perform(FRESH, place, ())
    finally:
        stopping.clear()


@pytest.mark.usefixtures("compute")
def test_no_task_begins_after_the_time_of_the_run(place: Workplace) -> None:
    with pytest.raises(Stopped, match="being stopped"):
        perform(FRESH, replace(place, stop_at_unix_s=0.0), ())


# --------------------------------------------------------------------------------- handing on
@pytest.mark.usefixtures("compute")
@pytest.mark.parametrize("start", [Continue(), Restart(), replace(example(Offspring), plan=None)])
def test_a_failure_upstream_is_handed_on_and_nothing_is_computed(
    place: Workplace, start: Any
) -> None:
    task = replace(FRESH, start=start)
    upstream = Failure("its worker was lost", "log", member=1)
    expected = Failure("its worker was lost", "log", member=4)
    assert kind_of(task).settle(task, [upstream]) == expected
    assert perform(task, place, [upstream]) == expected
    assert find(task, place, [upstream]) == expected


@pytest.mark.usefixtures("compute")
@pytest.mark.parametrize("start", [Continue(), Restart()])
def test_a_member_that_diverged_does_not_go_on(place: Workplace, start: Any) -> None:
    source = replace(example(TrainResult), status="diverged", reason="loss was nan after epoch 2")
    outcome = perform(replace(FRESH, start=start), place, [source])
    assert isinstance(outcome, Failure)
    assert outcome.reason == "its start diverged: loss was nan after epoch 2"
    assert outcome.member == 4


def test_a_task_gets_what_it_waited_for(place: Workplace) -> None:
    source = replace(example(TrainResult), status="done")
    settled, left = kind_of(FRESH).settle(replace(FRESH, start=Continue()), [source])
    assert settled == replace(FRESH, start=Continue(source.checkpoint))
    assert left == ()
    assert kind_of(FRESH).settle(FRESH, []) == (FRESH, ())
    mate, lost = example(MateTask), [Failure("lost")]
    assert kind_of(mate).settle(mate, lost) == (mate, lost), "it decides itself who is left"


@pytest.mark.usefixtures("compute")
def test_what_cannot_follow_is_a_bug_that_is_told(place: Workplace) -> None:
    with pytest.raises(HeterosisError, match="cannot follow"):
        perform(replace(FRESH, start=Continue()), place, [example(MatingPlan)])


# ------------------------------------------------------------------------------ stored results
@pytest.mark.parametrize(("kind", "result_kind"), KINDS)
def test_a_stored_result_is_found_for_the_same_message_and_upstream_alone(
    place: Workplace, kind: Any, result_kind: Any
) -> None:
    task = FRESH if kind is TrainTask else example(kind)
    upstream = [example(TrainResult)] * 3 if kind in (MateTask, HarvestTask) else []
    assert find(task, place, upstream) is None
    result = replace(example(result_kind), fingerprint=fingerprint(task, upstream))
    if kind is ExportTask:
        (Path(place.root) / "champion").write_bytes(b"abc")
        digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        result = replace(result, path="champion", sha256=digest)
    save_result(Path(place.root) / task.folder, result)
    assert find(task, place, upstream) == result
    assert find(replace(task, seed=99), place, upstream) is None
    if upstream:
        assert find(task, place, [*upstream[1:], Failure("lost")]) is None


def test_an_export_whose_file_has_changed_is_made_again(place: Workplace) -> None:
    task = example(ExportTask)
    (Path(place.root) / "champion").write_bytes(b"abd")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    result = replace(
        example(ExportResult), fingerprint=fingerprint(task), path="champion", sha256=digest
    )
    save_result(Path(place.root) / task.folder, result)
    assert find(task, place, []) is None


def test_a_stored_result_is_found_for_a_task_that_waited(place: Workplace) -> None:
    source = replace(example(TrainResult), status="done")
    task = replace(FRESH, start=Continue())
    mark = fingerprint(replace(task, start=Continue(source.checkpoint)))
    result = replace(example(TrainResult), fingerprint=mark)
    save_result(Path(place.root) / task.folder, result)
    assert find(task, place, [source]) == result
    other = replace(source, checkpoint=replace(source.checkpoint, sha256="other"))
    assert find(task, place, [other]) is None


def test_results_are_looked_up_without_loading_what_computes_them() -> None:
    code = """
import sys
from dataclasses import replace
from apps.messages.tasks import Fresh, TrainTask, Workplace
from apps.tasks.perform import find
from tests.support.examples import TASKS, example
for kind in TASKS:
    task = replace(example(kind), start=Fresh()) if kind is TrainTask else example(kind)
    assert find(task, Workplace("/nowhere"), ()) is None
print({"tensorflow", "keras", "parsl"} & set(sys.modules))
"""
    root = Path(__file__).parents[3]
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert found.stdout == "set()\n"
