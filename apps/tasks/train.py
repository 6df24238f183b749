"""One member, one segment: `train_member(TrainTask) -> TrainResult`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from apps.breeding.family import Relative, train_family
from apps.breeding.offspring import breed, givers_of
from apps.datasets.arrays import Array, Named
from apps.errors import HeterosisError
from apps.messages.fingerprints import fingerprint
from apps.messages.results import (
    CheckpointRef,
    Cost,
    EpochRecord,
    Failure,
    TeachResult,
    TrainResult,
    Upstream,
)
from apps.messages.specs import NO_GENOME, FamilySpec
from apps.messages.tasks import (
    Continue,
    Fresh,
    Lesson,
    Offspring,
    Restart,
    Survive,
    TrainTask,
    Workplace,
    resolve,
    resolve_lesson,
)
from apps.records.checkpoints import Checkpoint, open_checkpoint, save_checkpoint
from apps.records.lessons import load_predictions
from apps.records.result_files import load_partial, save_partial
from apps.records.run_dir import CHECKPOINT, RunDir
from apps.records.tables_schema import STILL
from apps.seeds import Address, Purpose
from apps.tasks.kind import Kind
from apps.training.callbacks import Callbacks
from apps.training.data_order import epoch_order
from apps.training.measures import standard_names
from apps.training.outer_momentum import Outer, check_optimizer
from apps.training.path_average import PathAverage
from apps.training.tensorboard import EventLog
from apps.training.trainer import Trainer, trainer_for
from apps.worker.stopping import Stopped, TimedOut, told_to_stop
from apps.worker.watchdog import is_late

_UNRESOLVED: Final = "a start is resolved before a member is trained"

_STILL: Final = (
    f"{STILL}: the weights or the training loss stayed the same in all epochs; look at the "
    "learning rate, at the loss, and for gradients that are not finite"
)
"""Remark on a member that learnt nothing at all."""


def train_member(task: TrainTask, place: Workplace) -> TrainResult:
    """Train one member over one segment and store its checkpoint.

    The result depends on `task` and on nothing else: not on the worker, nor on what ran before.
    Training continues from a partial checkpoint of the same task, if a lost worker left one.

    Args:
        task: resolved: its start names the checkpoints it needs.
        place: run directory and limits.

    Raises:
        UserError: network, data, optimiser or operators do not fit together.
        DamagedFile: a checkpoint it needs is not what its record says.
        OSError: the run directory cannot be written.
        Stopped: the run is being stopped; a partial checkpoint is stored.
        TimedOut: it takes longer than `--task-timeout`; a partial checkpoint is stored.
    """
    mark = fingerprint(task)
    folder = Path(place.root) / task.folder
    folder.mkdir(parents=True, exist_ok=True)  # a callback may write there
    trainer = trainer_of(task, place)
    if task.outer is not None:
        check_optimizer(trainer.model.optimizer)
    if task.lesson is not None:
        trainer.learn_from(_predictions(task.lesson, place))
    begun = _put_in(trainer, task, place, folder, mark)
    records, average, outer = begun.records, begun.average, begun.outer
    earlier = len(records)
    trainer.rate.multiply(1.0)
    log = RunDir(Path(place.root)).tensorboard / task.folder if place.tensorboard else None
    with EventLog(log) as events:
        for record in records:
            events.add(record.epoch, record.metrics)
        segment = _Segment(folder, mark, records, begun.start, average, outer, events)
        learnt = trainer.member.learnt
        reason = _train(trainer, task, place, segment)
    still = not reason and _stands_still(learnt, trainer.member.learnt, records)
    state = average.with_state(trainer, segment.ended, refresh=True)
    state = replace(state, outer=outer.momentum)
    trainer.member.put(state.network)
    final = _finish(trainer, task, segment, reason)
    digest = save_checkpoint(folder / CHECKPOINT, state)
    return TrainResult(
        cost=Cost(earlier_epochs=earlier),
        member=task.member,
        status="diverged" if reason else "done",
        reason=reason,
        epochs=tuple(records),
        final=final,
        start=begun.start,
        checkpoint=CheckpointRef(f"{task.folder}/{CHECKPOINT}", digest),
        log=(*trainer.remarks, *([_STILL] if still else [])),
        genome=task.genome,
        parameters=trainer.member.parameters,
        engine=trainer.engine.engine,
        engine_reason=trainer.engine.reason,
        givers=begun.givers,
    )


@dataclass
class _Segment:
    """A segment while it is trained.

    Attributes:
        ended: the network that training ends with where it is not the weights of its last step.
    """

    folder: Path
    fingerprint: str
    records: list[EpochRecord]
    start: dict[str, float]
    average: PathAverage
    outer: Outer
    events: EventLog
    ended: Mapping[str, Array] = field(default_factory=dict)


def _train(trainer: Trainer, task: TrainTask, place: Workplace, segment: _Segment) -> str:
    """Train until the segment ends, diverges or is stopped; return why it diverged, or ""."""
    records, average = segment.records, segment.average
    callbacks = Callbacks(
        task.training.callbacks, trainer.model, task.last_epoch, segment.folder, place.search_path
    )
    callbacks.begin()
    saved = time.monotonic()
    for epoch in range(task.first_epoch + len(records), task.last_epoch):
        callbacks.epoch_begins(epoch)
        record = one_epoch(trainer, task, epoch, segment.outer, place)
        records.append(record)
        average.add(trainer, record.epoch)
        segment.events.add(record.epoch, record.metrics)
        losses = {name: record.metrics[name] for name in ("loss", "val_loss")}
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            return f"{bad[0]} was {losses[bad[0]]} after epoch {record.epoch}"
        if callbacks.epoch_ends(epoch, record.metrics) or record.epoch == task.last_epoch:
            break
        late, stop = is_late(), told_to_stop(place.stop_at_unix_s)
        if late or stop or time.monotonic() - saved >= place.checkpoint_every_s:
            # What callbacks know is in no checkpoint: with them a segment begins anew.
            if not task.training.callbacks:
                state = replace(average.with_state(trainer), outer=segment.outer.momentum)
                save_partial(segment.folder, segment.fingerprint, state, records, segment.start)
            saved = time.monotonic()
        if stop:
            raise Stopped(f"stopped after epoch {record.epoch}")
        if late:
            raise TimedOut(f"it took longer than --task-timeout; stored after epoch {record.epoch}")
    segment.ended = trainer.member.end_training(callbacks.end)
    return ""


def _stands_still(
    begun: Mapping[str, Array], ended: Mapping[str, Array], records: Sequence[EpochRecord]
) -> bool:
    """Whether training changed nothing: no weight, or not its loss."""
    losses = {record.metrics["loss"] for record in records}
    kept = all(np.array_equal(begun[name], ended[name]) for name in begun)
    return kept or (len(records) > 1 and len(losses) == 1)


def trainer_of(task: TrainTask, place: Workplace) -> Trainer:
    """Return this thread's trainer for a member: network, data and training are the task's."""
    return trainer_for(
        task.data, task.network, task.training, task.seed, place, task.genome, task.lesson
    )


def _predictions(lesson: Lesson, place: Workplace) -> Named:
    if lesson.predictions is None:
        raise HeterosisError(_UNRESOLVED)
    return load_predictions(lesson.predictions, place)


@dataclass(frozen=True)
class _Begun:
    """What a member begins, or goes on, with; its weights are in the trainer.

    Attributes:
        records: of the epochs that were trained before.
        start: `TrainResult.start`.
        givers: `TrainResult.givers`.
    """

    records: list[EpochRecord]
    start: dict[str, float]
    average: PathAverage
    outer: Outer
    givers: tuple[int, ...] | None


def _put_in(trainer: Trainer, task: TrainTask, place: Workplace, folder: Path, mark: str) -> _Begun:
    address = Address(task.seed, task.trial, task.member, task.first_epoch)
    random_layers = address.stream(Purpose.RANDOM_LAYERS)
    offspring = task.start if isinstance(task.start, Offspring) else None
    if (stored := load_partial(folder, mark)) is not None:
        givers = None if offspring is None else givers_of(task, offspring, trainer)
        trainer.member.load(stored.state, random_layers)
        average = PathAverage(task.average, stored.state)
        outer = Outer(task.outer, stored.state.outer)
        return _Begun(list(stored.records), stored.start, average, outer, givers)
    state, givers = _initial_state(trainer, task, place)
    trainer.member.load(state, random_layers)
    average, outer = PathAverage(task.average, state), Outer(task.outer, state.outer)
    start = {} if offspring is None else {"val_loss": trainer.evaluate("validation")["loss"]}
    return _Begun([], start, average, outer, givers)


def _initial_state(
    trainer: Trainer, task: TrainTask, place: Workplace
) -> tuple[Checkpoint, tuple[int, ...] | None]:
    """Return what a member begins with and, of an offspring, the parents that gave it."""
    match task.start:
        case Fresh():
            seed = Address(task.seed, task.trial, task.member).seed_integer(Purpose.INITIAL_WEIGHTS)
            return Checkpoint(trainer.blueprint.initial_weights(seed)), None
        case Offspring() as start:
            bred = breed(task, start, place, trainer)
            return bred.state, bred.givers
        case Continue(checkpoint=ref) | Restart(checkpoint=ref):
            if ref is None:
                raise HeterosisError(_UNRESOLVED)
            stored = open_checkpoint(ref, place)
            begun = stored if isinstance(task.start, Continue) else Checkpoint(stored.network)
            return begun, None
        case Survive():
            raise HeterosisError(_UNRESOLVED)


def one_epoch(
    trainer: Trainer, task: TrainTask, epoch: int, outer: Outer, place: Workplace
) -> EpochRecord:
    """Train the network that a trainer holds for one epoch, and evaluate it on held-out data.

    Args:
        trainer: holds it.
        task: what it is trained with.
        epoch: from 0; it addresses the order of the data.
        outer: the optimiser over the epochs, which takes its step at the end.
        place: limits, and where plug-ins are looked for.

    Returns:
        The epoch's record, which counts from 1.
    """
    began = time.perf_counter()
    rate = task.rates[epoch - task.first_epoch] if task.rates else 1.0
    if task.sets_rate:
        trainer.rate.check_kept()
        trainer.rate.multiply(rate)
    if task.family is not None:
        trained = standard_names(_family_epoch(trainer, task, epoch, outer, rate, place))
    else:
        with outer.epoch(trainer):
            trained = standard_names(trainer.run_epoch(epoch_order(task, epoch, trainer)))
    held_out = standard_names(trainer.evaluate("validation"))
    metrics = trained | {f"val_{name}": value for name, value in held_out.items()}
    return EpochRecord(epoch + 1, metrics, time.perf_counter() - began)


def _family_epoch(
    trainer: Trainer, task: TrainTask, epoch: int, outer: Outer, rate: float, place: Workplace
) -> dict[str, float]:
    family, lesson = task.family or FamilySpec(), trainer.predictions
    count = family.members
    relatives = []
    for number in range(count):
        own = replace(task, member=task.member * count + number)
        address = Address(task.seed, task.trial, own.member, epoch)
        order = epoch_order(own, epoch, trainer)
        relatives.append(Relative(order, address.stream(Purpose.RANDOM_LAYERS)))

    def make() -> Trainer:
        mine = trainer_of(task, place)
        if lesson is not None:
            mine.learn_from(lesson)
        return mine

    step = partial(outer.step, statistics=trainer.member.statistics)
    batch, threads = trainer.blueprint.training.batch_size, min(place.threads, count)
    return train_family(trainer, make, relatives, family, batch, rate, step, threads)


def _finish(trainer: Trainer, task: TrainTask, segment: _Segment, reason: str) -> dict[str, float]:
    last = segment.records[-1].metrics
    if reason:
        names = [name for name in last if not name.startswith("val_")]
        others = [f"{part}_{name}" for part in ("train", "test") for name in names]
        return dict.fromkeys([*last, *others], math.nan)
    if segment.average.is_there:
        return final_metrics(trainer)  # it took no step itself
    if task.training.callbacks or segment.ended:
        # The weights may be those of an earlier epoch, or an average.
        held_out = standard_names(trainer.evaluate("validation"))
        last = last | {f"val_{name}": value for name, value in held_out.items()}
    return final_metrics(trainer, last)


def final_metrics(
    trainer: Trainer, last_epoch: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the metrics of a loaded network on the whole of each part of the data.

    Args:
        trainer: holds the network.
        last_epoch: the metrics of its last epoch of training; None for a network that was not
            trained itself: its running means (`loss` and the like) are then NaN.
    """
    train, test = (
        standard_names(trainer.evaluate("train")),
        standard_names(trainer.evaluate("test")),
    )
    if last_epoch is None:
        held_out = standard_names(trainer.evaluate("validation"))
        running = dict.fromkeys(train, math.nan)
        last_epoch = running | {f"val_{name}": value for name, value in held_out.items()}
    return {
        **last_epoch,
        **{f"train_{name}": value for name, value in train.items()},
        **{f"test_{name}": value for name, value in test.items()},
    }


def settle(task: TrainTask, upstream: Upstream) -> tuple[TrainTask, Upstream] | Failure:
    """Return the task with its start filled in, or the upstream failure that prevents it.

    Nothing else of upstream counts: the start names the checkpoints by their bytes.
    """
    if isinstance(task.start, Fresh):
        return task, ()
    source, *teaching = upstream
    if isinstance(source, Failure):
        return Failure(source.reason, source.log, task.member)
    if isinstance(source, TrainResult) and source.status != "done":
        return Failure(f"its start diverged: {source.reason}", "", task.member)
    resolved = resolve(task, source)
    for taught in teaching:
        if isinstance(taught, Failure):
            return Failure(taught.reason, taught.log, task.member)
        if isinstance(taught, TeachResult):
            resolved = resolve_lesson(resolved, taught)
    return resolved, ()


def cannot_be_built(task: TrainTask, error: HeterosisError) -> bool:
    """Whether a member failed because the builder cannot build its genome.

    What is raised for want of memory, a file or a device is another matter.
    """
    if task.genome == NO_GENOME or error.code != "network-builder":
        return False
    wrong = ArithmeticError | AssertionError | LookupError | TypeError | ValueError | None
    return isinstance(error.__cause__, wrong)


KIND: Final = Kind(
    TrainTask, TrainResult, train_member, settle=settle, would_fail_again=cannot_be_built
)
