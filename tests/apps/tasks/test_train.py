"""A member's training depends on its message alone: not on halts, losses of workers, or company."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.arrays import Samples
from apps.errors import HeterosisError
from apps.messages.fingerprints import fingerprint, from_json, to_json
from apps.messages.results import CheckpointRef, TrainResult
from apps.messages.tasks import Continue, Restart, Workplace
from apps.records.checkpoints import Checkpoint, save_checkpoint
from apps.records.result_files import checkpoint_is_whole, load_result
from apps.tasks import train as training_module
from apps.tasks.train import train_member
from apps.training.data_order import epoch_order
from apps.training.trainer import Trainer
from apps.worker.stopping import Stopped, stopping
from tests.support.one_task import TASK, numbers, performed, stored
from tests.support.small import PLAIN, net, training

ROOT = Path(__file__).parents[3]


def assert_same_bits(one: Checkpoint, other: Checkpoint) -> None:
    for group in ("weights", "optimizer", "random"):
        left, right = getattr(one, group), getattr(other, group)
        assert list(left) == list(right)
        for name in left:
            assert left[name].dtype == right[name].dtype
            assert np.array_equal(left[name], right[name]), f"{group} {name}"


# ---------------------------------------------------------------------------- what a result says
def test_a_result_tells_every_epoch_and_the_metrics_of_every_part(whole: TrainResult) -> None:
    assert (whole.status, whole.reason, whole.log, whole.start) == ("done", "", (), {})
    assert [record.epoch for record in whole.epochs] == [1, 2, 3, 4]
    names = {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(set(record.metrics) == names for record in whole.epochs)
    assert all(record.wall_s > 0 for record in whole.epochs)
    tested = {"train_loss", "train_accuracy", "test_loss", "test_accuracy"}
    assert set(whole.final) == names | tested
    assert {name: whole.final[name] for name in names} == whole.epochs[-1].metrics
    assert whole.epochs[-1].metrics["loss"] < whole.epochs[0].metrics["loss"]


def test_a_result_is_on_disk_with_its_checkpoint_and_nothing_else(
    whole: TrainResult, place: Workplace
) -> None:
    folder = Path(place.root) / TASK.folder
    assert load_result(folder, TrainResult, fingerprint(TASK)) == whole
    assert checkpoint_is_whole(Path(place.root) / whole.checkpoint.path, whole.checkpoint.sha256)
    assert {path.name for path in folder.iterdir()} == {"checkpoint.safetensors", "result.json"}
    state = stored(whole, place)
    assert len(state.random) == 1
    assert int(state.optimizer["000"]) == 16, "4 epochs of 4 steps"


def test_a_metric_has_one_name_whatever_the_user_called_it(place: Workplace) -> None:
    task = training(network=net("compiled"), last_epoch=1, folder="named")
    result = train_member(task, place)
    assert set(result.epochs[0].metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_the_order_of_the_data_is_a_permutation_of_its_own_for_every_epoch() -> None:
    thirteen = Samples(np.zeros((13, 2)), np.zeros(13))
    orders = [epoch_order(TASK, epoch, thirteen).tolist() for epoch in range(5)]
    orders.append(epoch_order(replace(TASK, member=3), 0, thirteen).tolist())
    orders.append(epoch_order(replace(TASK, trial=2), 0, thirteen).tolist())
    assert all(sorted(order) == list(range(13)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders)
    elsewhere = replace(TASK, first_epoch=2, folder="elsewhere", start=Continue())
    assert epoch_order(elsewhere, 3, thirteen).tolist() == orders[3]


def test_members_and_trials_differ(whole: TrainResult, place: Workplace) -> None:
    for change in ({"member": 3}, {"trial": 2}):
        other = train_member(replace(TASK, last_epoch=1, folder="other", **change), place)
        assert other.epochs[0].metrics["loss"] != whole.epochs[0].metrics["loss"]


# -------------------------------------------------------------------------- halting is invisible
@pytest.fixture(scope="module")
def elsewhere(first: TrainResult, place: Workplace) -> subprocess.CompletedProcess[bytes]:
    """The other two, in another process."""
    task = replace(TASK, first_epoch=2, start=Continue(first.checkpoint), folder="second")
    return subprocess.run(
        [sys.executable, "-m", "tests.support.elsewhere", place.root],
        input=to_json(task),
        cwd=ROOT,
        capture_output=True,
        check=True,
    )


def test_halting_and_going_on_in_another_process_is_invisible(
    whole: TrainResult,
    first: TrainResult,
    elsewhere: subprocess.CompletedProcess[bytes],
    place: Workplace,
) -> None:
    second = from_json(TrainResult, elsewhere.stdout.split(b"\n", 1)[1])
    assert_same_bits(stored(second, place), stored(whole, place))
    assert second.checkpoint.sha256 == whole.checkpoint.sha256
    told = [(record.epoch, record.metrics) for record in (*first.epochs, *second.epochs)]
    assert told == [(record.epoch, record.metrics) for record in whole.epochs]
    assert second.final == whole.final


def test_a_worker_is_quiet_and_computes_on_one_thread(
    elsewhere: subprocess.CompletedProcess[bytes],
) -> None:
    assert elsewhere.stderr == b""
    assert elsewhere.stdout.startswith(b"1\n")


def test_halting_after_every_epoch_is_invisible(whole: TrainResult, place: Workplace) -> None:
    task = replace(TASK, last_epoch=1, folder="one")
    result = train_member(task, place)
    for epoch in (1, 2, 3):
        start = Continue(result.checkpoint)
        task = replace(task, first_epoch=epoch, last_epoch=epoch + 1, start=start)
        result = train_member(replace(task, folder=f"one-{epoch}"), place)
    assert result.checkpoint.sha256 == whole.checkpoint.sha256


def test_restarting_keeps_the_weights_and_nothing_else(
    whole: TrainResult, first: TrainResult, place: Workplace
) -> None:
    task = replace(TASK, first_epoch=2, start=Restart(first.checkpoint), folder="restart")
    again = stored(train_member(task, place), place)
    assert int(again.optimizer["000"]) == 8, "its counter began anew"
    assert again.random["000"][0] != stored(whole, place).random["000"][0]
    bare = Checkpoint(stored(first, place).weights)
    ref = CheckpointRef("bare", save_checkpoint(Path(place.root) / "bare", bare))
    same = train_member(replace(task, start=Continue(ref), folder="same"), place)
    assert_same_bits(stored(same, place), again)


def test_a_damaged_start_is_refused(first: TrainResult, place: Workplace, tmp_path: Path) -> None:
    content = bytearray((Path(place.root) / first.checkpoint.path).read_bytes())
    content[-1] ^= 1
    (tmp_path / "first").mkdir()
    (tmp_path / first.checkpoint.path).write_bytes(content)
    task = replace(TASK, first_epoch=2, start=Continue(first.checkpoint), folder="second")
    with pytest.raises(HeterosisError, match="differ from the recorded SHA-256"):
        train_member(task, Workplace(str(tmp_path)))


def test_an_unresolved_start_is_refused(place: Workplace) -> None:
    with pytest.raises(HeterosisError, match="resolved before"):
        train_member(replace(TASK, start=Continue(), folder="unresolved"), place)


# ---------------------------------------------------------------------------- partial checkpoints
class Lost(BaseException):
    """What a killed worker is to the test."""


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A run directory in which `TASK` was lost in its third epoch."""
    here = Workplace(str(tmp_path), checkpoint_every_s=0.0)
    run_epoch = Trainer.run_epoch
    epochs: list[int] = []

    def run_two(self: Trainer, order: Any) -> dict[str, float]:
        if len(epochs) == 2:
            raise Lost
        epochs.append(1)
        return run_epoch(self, order)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", run_two)
        with pytest.raises(Lost):
            train_member(TASK, here)
    return here


@pytest.fixture
def epochs_run(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for every epoch that is trained."""
    run_epoch = Trainer.run_epoch
    epochs: list[int] = []

    def count(self: Trainer, order: Any) -> dict[str, float]:
        epochs.append(1)
        return run_epoch(self, order)

    monkeypatch.setattr(Trainer, "run_epoch", count)
    return epochs


def partials(place: Workplace, folder: str = TASK.folder) -> list[str]:
    return sorted(path.name for path in (Path(place.root) / folder).glob("partial*"))


def test_a_lost_worker_costs_what_came_after_its_partial_checkpoint(
    whole: TrainResult, lost: Workplace, epochs_run: list[int]
) -> None:
    assert partials(lost) == ["partial.json", "partial.safetensors"]
    result = performed(TASK, lost)
    assert numbers(result) == numbers(whole)
    assert len(epochs_run) == 2, "the first two were not repeated"
    assert result.cost.earlier_epochs == 2
    assert whole.cost.earlier_epochs == 0
    assert partials(lost) == []


@pytest.mark.parametrize("name", ["partial.json", "partial.safetensors"])
def test_a_damaged_partial_checkpoint_is_ignored(
    whole: TrainResult, lost: Workplace, epochs_run: list[int], name: str
) -> None:
    path = Path(lost.root) / TASK.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert numbers(train_member(TASK, lost)) == numbers(whole)
    assert len(epochs_run) == 4


def test_a_partial_checkpoint_of_another_task_is_ignored(
    whole: TrainResult, lost: Workplace, epochs_run: list[int]
) -> None:
    other = replace(TASK, member=5)
    result = performed(other, lost)
    assert len(epochs_run) == 4
    assert result.epochs[0].metrics != whole.epochs[0].metrics
    assert partials(lost) == []


def test_partial_checkpoints_are_written_when_it_is_time(
    whole: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    save = training_module.save_partial

    def count(*args: Any) -> None:
        written.append(1)
        save(*args)

    monkeypatch.setattr(training_module, "save_partial", count)
    for every_s, expected in ((0.0, 3), (math.inf, 0), (600.0, 0)):
        written.clear()
        here = Workplace(str(tmp_path / str(every_s)), checkpoint_every_s=every_s)
        assert numbers(train_member(TASK, here)) == numbers(whole)
        assert len(written) == expected, "never after the last epoch"


@pytest.fixture
def stop() -> Iterator[None]:
    stopping.set()
    yield
    stopping.clear()


def test_a_stopped_task_stores_where_it_is_and_goes_on_later(
    whole: TrainResult, tmp_path: Path, epochs_run: list[int], request: pytest.FixtureRequest
) -> None:
    here = Workplace(str(tmp_path))
    request.getfixturevalue("stop")
    with pytest.raises(Stopped, match="stopped after epoch 1"):
        train_member(TASK, here)
    with pytest.raises(Stopped, match="stopped after epoch 2"):
        train_member(TASK, here)
    assert load_result(tmp_path / TASK.folder, TrainResult, fingerprint(TASK)) is None
    stopping.clear()
    assert numbers(train_member(TASK, here)) == numbers(whole)
    assert len(epochs_run) == 4


def test_a_task_ends_at_the_time_that_it_knows_and_goes_on_later(
    whole: TrainResult, tmp_path: Path, epochs_run: list[int]
) -> None:
    with pytest.raises(Stopped, match="stopped after epoch 1"):
        train_member(TASK, Workplace(str(tmp_path), stop_at_unix_s=0.0))
    assert numbers(train_member(TASK, Workplace(str(tmp_path)))) == numbers(whole)
    assert len(epochs_run) == 4


# ---------------------------------------------------------------------------------- in company
def test_a_result_does_not_depend_on_what_ran_before(
    whole: TrainResult, place: Workplace, tmp_path: Path
) -> None:
    train_member(replace(TASK, member=7, trial=3, folder="before"), place)
    assert numbers(train_member(TASK, Workplace(str(tmp_path)))) == numbers(whole)


def test_a_result_does_not_depend_on_another_thread(whole: TrainResult, tmp_path: Path) -> None:
    here = Workplace(str(tmp_path))
    plain = training(network=PLAIN, folder="plain", last_epoch=2)
    found: list[TrainResult] = []

    def beside() -> None:
        found.extend(train_member(replace(plain, folder=f"thread-{n}"), here) for n in range(3))

    thread = threading.Thread(target=beside)
    thread.start()
    count = 0
    while thread.is_alive() or count < 1:
        result = train_member(replace(TASK, folder=f"main-{count}"), here)
        assert numbers(result) == numbers(whole)
        count += 1
        thread.join(0.05)
    alone = train_member(plain, here)
    assert len(found) == 3
    assert all(numbers(result) == numbers(alone) for result in found)
