"""Messages survive their JSON, and a fingerprint covers what a result depends on: no more, no less.

The messages are made from their declarations, see `examples.py`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from apps.files import DamagedFile
from apps.messages import fingerprints, tasks
from apps.messages.fingerprints import fingerprint, from_json, to_json
from apps.messages.results import (
    CheckpointRef,
    ChildPlan,
    Failure,
    MatingPlan,
    TrainResult,
)
from apps.messages.specs import (
    FINGERPRINT_NAME,
    CrossoverSpec,
    DataSpec,
    Genome,
    NetworkSpec,
    OperatorSpec,
    SpeciesSpec,
    TrainingSpec,
)
from apps.messages.tasks import (
    Continue,
    Fresh,
    MateTask,
    Offspring,
    Restart,
    Survive,
    TrainTask,
)
from tests.support.examples import MESSAGES, TASKS, changes, example, variants

ROOT = Path(__file__).parents[3]


STARTS = (Fresh(), example(Continue), example(Restart), example(Offspring), Survive())


# ---------------------------------------------------------------------------------------- JSON
@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_comes_back_from_its_json(kind: type[Any]) -> None:
    for message in variants(kind):
        again = from_json(kind, to_json(message))
        assert repr(again) == repr(message)  # unlike ==, it holds for NaN, -0.0 and types


@pytest.mark.parametrize("start", STARTS)
def test_every_start_comes_back_as_its_own_kind(start: tasks.Start) -> None:
    task = replace(example(TrainTask), start=start)
    assert from_json(TrainTask, to_json(task)) == task


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_json_is_strict(kind: type[Any]) -> None:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    for message in variants(kind):
        json.loads(to_json(message), parse_constant=refuse)


def test_numbers_that_are_not_finite_keep_their_value() -> None:
    plan = replace(example(ChildPlan), fitness=(math.nan, math.inf, -math.inf, 0.5))
    nan, *others = from_json(ChildPlan, to_json(plan)).fitness
    assert math.isnan(nan)
    assert others == [math.inf, -math.inf, 0.5]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"reason": 3}', b"[" * 100_000, b'{"log": ""}'],
)
def test_what_is_no_message_is_damaged(content: bytes) -> None:
    with pytest.raises(DamagedFile, match="not a Failure"):
        from_json(Failure, content)


def test_a_message_of_another_kind_is_damaged() -> None:
    with pytest.raises(DamagedFile):
        from_json(MatingPlan, to_json(example(TrainResult)))


@pytest.mark.parametrize("kind", MESSAGES)
def test_messages_are_frozen(kind: type[Any]) -> None:
    message = example(kind)
    with pytest.raises(FrozenInstanceError):
        setattr(message, fields(kind)[0].name, None)


# -------------------------------------------------------------------------------- fingerprints
def test_the_places_in_messages_are_these() -> None:
    places = {
        f"{kind.__name__}.{item.name}"
        for kind in MESSAGES
        for item in fields(kind)
        if item.metadata.get("place")
    }
    assert places == {
        "DataSpec.folder",
        "CheckpointRef.path",
        "Task.folder",
        "RankingTask.folder",
        *(f"{task.__name__}.folder" for task in TASKS),
    }


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("kind", TASKS)
def test_a_fingerprint_covers_everything_but_places(kind: type[Any], start: tasks.Start) -> None:
    task = replace(example(kind), start=start) if kind is TrainTask else example(kind)
    mark = fingerprint(task)
    tried = list(changes(task))
    assert [path for path, place, other in tried if not place and fingerprint(other) == mark] == []
    assert [path for path, place, other in tried if place and fingerprint(other) != mark] == []
    assert len(tried) > len(fields(kind))
    assert any(place for _, place, _ in tried)


@pytest.mark.parametrize("key", ["path", "folder"])
def test_a_users_own_parameter_is_no_place(key: str) -> None:
    task = example(TrainTask)
    one, other = (
        replace(task, data=replace(task.data, params={key: value})) for value in ("a", "b")
    )
    assert fingerprint(one) != fingerprint(other)


def test_the_order_of_parameters_does_not_matter() -> None:
    one, other = (
        replace(example(TrainTask), data=DataSpec("d", params=dict(items)))
        for items in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)])
    )
    assert fingerprint(one) == fingerprint(other)


def test_two_starts_from_one_checkpoint_are_different_tasks() -> None:
    ref = CheckpointRef("a", "b")
    marks = {
        fingerprint(replace(example(TrainTask), start=start))
        for start in (Fresh(), Continue(), Restart(), Continue(ref), Restart(ref))
    }
    assert len(marks) == 5


def test_two_kinds_of_task_never_share_a_fingerprint() -> None:
    assert len({fingerprint(example(kind)) for kind in TASKS}) == len(TASKS)


def test_a_new_version_of_the_numerics_makes_every_result_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {kind: fingerprint(example(kind)) for kind in TASKS}
    monkeypatch.setattr(fingerprints, "NUMERICS", fingerprints.NUMERICS + 1)
    assert all(fingerprint(example(kind)) != before[kind] for kind in TASKS)


def test_a_fingerprint_covers_what_comes_from_upstream() -> None:
    task, member = example(tasks.MateTask), example(TrainResult)
    mark = fingerprint(task, [member, member])
    other_bytes = replace(member, checkpoint=replace(member.checkpoint, sha256="other"))
    for upstream in (
        [member],
        [member, replace(member, fingerprint="other")],
        [member, other_bytes],
        [other_bytes, member],
        [member, Failure("lost")],
        [member, example(MatingPlan)],
    ):
        assert fingerprint(task, upstream) != mark
    elsewhere = replace(
        member,
        checkpoint=replace(member.checkpoint, path="elsewhere"),
        cost=replace(member.cost, host="another", wall_s=99.0),
    )
    assert fingerprint(task, [member, elsewhere]) == mark
    failures = [Failure("lost", "log", 1), Failure("raised", "elsewhere", 1)]
    assert len({fingerprint(task, [failure]) for failure in failures}) == 1


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_fingerprints_are_the_same_in_another_process(hash_seed: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.support.examples"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [fingerprint(example(task), [example(TrainResult)]) for task in TASKS]
    assert found.stdout.split() == here


def test_results_of_earlier_versions_stay_good() -> None:
    """Fields that came later are not part of a fingerprint while they say nothing."""
    shared: dict[str, Any] = {
        "data": DataSpec("fashion_mnist"),
        "network": NetworkSpec("two_layer_dense", {"units": 4}),
        "training": TrainingSpec(32),
        "folder": "f",
    }
    start = Offspring(CrossoverSpec("mean"), OperatorSpec("none"))
    child = TrainTask(seed=1, trial=0, member=2, first_epoch=0, last_epoch=3, start=start, **shared)
    halt = MateTask(
        seed=1,
        trial=0,
        epoch=3,
        members=4,
        fitness="loss",
        mating="species",
        parents=2,
        selection=OperatorSpec("truncation"),
        optimizer="fresh",
        first_unmutated=False,
        species=SpeciesSpec(OperatorSpec("raw"), OperatorSpec("none")),
        crossover=CrossoverSpec("mean"),
        measure=False,
        **shared,
    )
    # As NUMERICS 7 has them; a change of these numbers makes every stored run worthless.
    assert fingerprint(child).startswith("fcbbfcc4ccb46b4ac35eae0df9c1af40")
    assert fingerprint(halt).startswith("c241d96e39f0f9ceef90a0edfbe71b7b")
    assert fingerprint(replace(child, genome=Genome({"units": 5}))) != fingerprint(child)


def test_a_fingerprint_knows_a_field_by_its_first_name() -> None:
    """A field may get the name that the file has; its JSON has that one too."""
    named = [
        (kind.__name__, item.name, item.metadata[FINGERPRINT_NAME])
        for kind in TASKS
        for item in fields(kind)
        if FINGERPRINT_NAME in item.metadata
    ]
    assert named == [("MateTask", "first_unmutated", "spare_first")]
    assert "first_unmutated" in json.loads(to_json(example(MateTask)))
