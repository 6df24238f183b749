"""A kind of task is one file: this one defines a fifth, which is performed like the others."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
from parsl.config import Config
from parsl.executors import ThreadPoolExecutor
from parsl.serialize import deserialize, serialize

from apps.errors import HeterosisError
from apps.messages.fingerprints import fingerprint
from apps.messages.results import CheckpointRef, Failure, Result, TrainResult, Upstream
from apps.messages.tasks import ExportTask, Task, Workplace
from apps.tasks.kind import Kind, kind_of
from apps.tasks.parsl_apps import task_app
from apps.tasks.perform import error_log, find, perform
from tests.support.examples import TASKS, example
from tests.support.experiments import done
from tests.support.small import ADAM, DATA, PLAIN, SEED
from workflow.driver.engine import ParslEngine


# -------------------------------------------------------------------------------- the fifth kind
@dataclass(frozen=True, kw_only=True)
class CountTask(Task):
    """Count the members that are left, from a number on."""

    first: int


@dataclass(frozen=True, kw_only=True)
class CountResult(Result):
    """The result of a `CountTask`."""

    left: int


def count(task: CountTask, left: int, place: Workplace) -> CountResult:
    if not left:
        raise HeterosisError("nobody is left to be counted")
    return CountResult(left=task.first + left)


def healthy(_: CountTask, upstream: Upstream) -> tuple[int]:
    return (sum(not isinstance(each, Failure) for each in upstream),)


KIND: Final = Kind(CountTask, CountResult, count, split=healthy)

TASK = CountTask(seed=SEED, data=DATA, network=PLAIN, training=ADAM, folder="count", first=10)
MEMBER = replace(example(TrainResult), checkpoint=CheckpointRef("m", "bytes"))
UPSTREAM = [MEMBER, Failure("lost"), MEMBER]


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


# ------------------------------------------------------------------------------------- its tests
def test_it_is_performed_and_its_result_has_fingerprint_and_cost(place: Workplace) -> None:
    found = perform(TASK, place, UPSTREAM)
    assert isinstance(found, CountResult)
    assert found.left == 12
    assert found.fingerprint == fingerprint(TASK, UPSTREAM)
    assert found.cost.started_unix_s > 0
    assert found.cost.wall_s > 0
    stored = json.loads((Path(place.root) / "count" / "result.json").read_bytes())
    assert (stored["left"], stored["fingerprint"]) == (12, found.fingerprint)


def test_it_is_looked_up_again_for_the_same_message_and_upstream_alone(place: Workplace) -> None:
    assert find(TASK, place, UPSTREAM) is None
    found = perform(TASK, place, UPSTREAM)
    assert find(TASK, place, UPSTREAM) == found
    assert find(replace(TASK, folder="elsewhere"), place, UPSTREAM) is None
    assert find(replace(TASK, first=11), place, UPSTREAM) is None
    assert find(TASK, place, UPSTREAM[::-1]) == found, "two members of the same bytes"
    assert find(TASK, place, UPSTREAM[1:]) is None
    other = replace(MEMBER, checkpoint=replace(MEMBER.checkpoint, sha256="other"))
    assert find(TASK, place, [other, *UPSTREAM[1:]]) is None


def test_its_failure_leaves_a_traceback_and_no_result(place: Workplace) -> None:
    with pytest.raises(HeterosisError, match="nobody is left"):
        perform(TASK, place, UPSTREAM[1:2])
    assert "nobody is left" in (Path(place.root) / error_log(TASK)).read_text()
    assert find(TASK, place, UPSTREAM[1:2]) is None
    perform(TASK, place, UPSTREAM)
    assert not (Path(place.root) / error_log(TASK)).exists()


def test_the_driver_runs_it_reuses_it_and_takes_its_failure_as_a_value(
    place: Workplace, tmp_path: Path
) -> None:
    def engine() -> ParslEngine:
        executors = [ThreadPoolExecutor(max_threads=1)]
        return ParslEngine(Config(executors=executors, run_dir=str(tmp_path / "parsl")), place)

    upstream = [done(each) for each in UPSTREAM]
    with engine() as first:
        future: Any = first.submit(TASK, upstream)
        found = first.outcome(future)
        assert isinstance(found, CountResult)
        assert future.task_record["func_name"] == "test_kind"
        missed = first.outcome(first.submit(replace(TASK, folder="missed"), upstream[1:2]))
    assert isinstance(missed, Failure)
    assert (missed.reason.startswith("nobody is left"), missed.log) == (True, "missed/error.txt")
    with engine() as second:
        assert second.outcome(second.submit(TASK, upstream)) == found
        assert second.reused(TASK)


def test_it_reaches_a_worker_of_another_process(place: Workplace) -> None:
    entry = deserialize(serialize(task_app(CountTask).func))
    assert entry(TASK, place, *UPSTREAM).left == 12


@pytest.mark.parametrize("kind", TASKS)
def test_every_kind_has_a_file_of_its_own(kind: type[Task]) -> None:
    assert kind_of(example(kind)).task is kind
    assert [each for each in TASKS if each.home == kind.home] == [kind]
    assert task_app(kind).func.__name__ == kind.home.removeprefix("apps.tasks.")


def test_a_message_without_a_kind_is_a_bug_that_is_told(place: Workplace) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Stranger(ExportTask):
        """Says that it is at home where another kind is."""

    stranger = Stranger(**vars(example(ExportTask)))
    with pytest.raises(HeterosisError, match=r"apps\.tasks\.export declares no KIND for Stranger"):
        perform(stranger, place, ())
