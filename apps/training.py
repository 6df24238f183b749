"""One member, one segment: `train_member(TrainTask) -> TrainResult`."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apps.breeding import breed
from apps.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from apps.costs import Stopwatch
from apps.errors import HeterosisError
from apps.messages import (
    CheckpointRef,
    Continue,
    EpochRecord,
    Fresh,
    Offspring,
    Restart,
    TrainResult,
    TrainTask,
    Workplace,
    fingerprint,
)
from apps.programs import Program, program
from apps.results import CHECKPOINT, forget_partial, load_partial, save_partial, save_result
from apps.stopping import Stopped, stopping
from apps.streams import Purpose, seed_integer, stream

_ACCURACIES: Final = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy")


def train_member(task: TrainTask, place: Workplace) -> TrainResult:
    """Train one member over one segment and store it.

    The result depends on `task` and on nothing else: not on the worker, nor on what ran before.
    A partial checkpoint of the same task, left by a worker that was lost, is taken up.

    Args:
        task: resolved: its start names the checkpoints it needs.
        place: run directory and limits.

    Returns:
        The result, already on disk: the checkpoint first, then the record of it.

    Raises:
        UserError: network, data or operators do not fit together.
        DamagedFile: a checkpoint it needs is not what its record says.
        OSError: the run directory cannot be written.
        Stopped: the run is being stopped; a partial checkpoint is stored.
    """
    watch = Stopwatch()
    mark = fingerprint(task)
    folder = Path(place.root) / task.folder
    member = program(task.data, task.network, task.training, task.seed, place)
    records, start = _put_in(member, task, place, folder, mark)
    reason = ""
    saved = time.monotonic()
    for epoch in range(task.first_epoch + len(records), task.last_epoch):
        record = _one_epoch(member, task, epoch)
        records.append(record)
        losses = {name: record.metrics[name] for name in ("loss", "val_loss")}
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            reason = f"{bad[0]} was {losses[bad[0]]} after epoch {record.epoch}"
            break
        if record.epoch == task.last_epoch:
            break
        if stopping.is_set() or time.monotonic() - saved >= place.checkpoint_every_s:
            save_partial(folder, mark, member.state(), records, start)
            saved = time.monotonic()
        if stopping.is_set():
            raise Stopped(f"stopped after epoch {record.epoch}")
    final = _finish(member, records, reason)
    digest = save_checkpoint(folder / CHECKPOINT, member.state())
    result = TrainResult(
        fingerprint=mark,
        member=task.member,
        status="diverged" if reason else "done",
        reason=reason,
        epochs=tuple(records),
        final=final,
        start=start,
        checkpoint=CheckpointRef(f"{task.folder}/{CHECKPOINT}", digest),
        cost=watch.cost(),
        log=tuple(member.remarks),
    )
    save_result(folder, result)
    forget_partial(folder)
    return result


@dataclass(frozen=True)
class Sample:
    """What one network takes on this machine: seconds an epoch, bytes a checkpoint."""

    epoch_s: float
    checkpoint_bytes: int


def sample_training(task: TrainTask, place: Workplace) -> Sample:
    """Train a fresh network for two epochs and measure the second; nothing is stored.

    Raises:
        UserError: network and data do not fit together.
    """
    member = program(task.data, task.network, task.training, task.seed, place)
    member.load(Checkpoint(member.initial_weights(0)), np.random.default_rng(0))
    _one_epoch(member, task, 0)
    record = _one_epoch(member, task, 1)
    state = member.state()
    arrays = [*state.weights.values(), *state.optimizer.values(), *state.random.values()]
    return Sample(record.wall_s, sum(array.nbytes for array in arrays))


def epoch_order(task: TrainTask, epoch: int, samples: int) -> NDArray[np.int64]:
    """Return the order of the training samples in an epoch [samples]; `epoch` counts from 0."""
    rng = stream(task.seed, Purpose.DATA_ORDER, trial=task.trial, member=task.member, epoch=epoch)
    return rng.permutation(samples)


def _put_in(
    member: Program, task: TrainTask, place: Workplace, folder: Path, mark: str
) -> tuple[list[EpochRecord], dict[str, float]]:
    random_layers = stream(
        task.seed,
        Purpose.RANDOM_LAYERS,
        trial=task.trial,
        member=task.member,
        epoch=task.first_epoch,
    )
    partial = load_partial(folder, mark)
    if partial is not None:
        member.load(partial.state, random_layers)
        return list(partial.records), partial.start
    member.load(_initial_state(member, task, place), random_layers)
    if not isinstance(task.start, Offspring):
        return [], {}
    return [], {
        "loss": member.evaluate("train")["loss"],
        "val_loss": member.evaluate("validation")["loss"],
    }


def _initial_state(member: Program, task: TrainTask, place: Workplace) -> Checkpoint:
    match task.start:
        case Fresh():
            rng = stream(task.seed, Purpose.INITIAL_WEIGHTS, trial=task.trial, member=task.member)
            return Checkpoint(member.initial_weights(seed_integer(rng)))
        case Offspring() as start:
            return breed(task, start, place, member.statistics)
        case Continue(checkpoint=ref) | Restart(checkpoint=ref):
            if ref is None:
                raise HeterosisError("a start is resolved before a member is trained")
            stored = load_checkpoint(Path(place.root) / ref.path, ref.sha256)
            return stored if isinstance(task.start, Continue) else Checkpoint(stored.weights)


def _one_epoch(member: Program, task: TrainTask, epoch: int) -> EpochRecord:
    began = time.perf_counter()
    trained = _standard(member.run_epoch(epoch_order(task, epoch, member.samples)))
    held_out = _standard(member.evaluate("validation"))
    metrics = trained | {f"val_{name}": value for name, value in held_out.items()}
    return EpochRecord(epoch + 1, metrics, time.perf_counter() - began)


def _finish(member: Program, records: list[EpochRecord], reason: str) -> dict[str, float]:
    last = dict(records[-1].metrics)
    for part in ("train", "test"):
        evaluated = _standard(member.evaluate(part))
        last |= {f"{part}_{name}": value for name, value in evaluated.items()}
    return dict.fromkeys(last, math.nan) if reason else last


def _standard(metrics: dict[str, float]) -> dict[str, float]:
    # Keras names accuracy after the metric's class or its alias; the tables have one name.
    named = dict(metrics)
    for alias in _ACCURACIES[1:]:
        if alias in named and "accuracy" not in named:
            named["accuracy"] = named.pop(alias)
    return named
