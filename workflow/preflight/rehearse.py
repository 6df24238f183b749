"""The rehearsal of an experiment: mistakes that would otherwise first show on the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from apps.datasets.arrays import Samples
from apps.datasets.load import load_dataset
from apps.errors import HeterosisError, UserError
from apps.messages.objective import HELD_OUT, WHOLE
from apps.messages.tasks import TrainTask, Workplace
from apps.output import keep_going
from apps.preflight.rehearsal import HarvestRehearsal, SettingRehearsal, rehearse
from apps.preflight.rehearsed_halts import HaltRehearsal
from apps.training.callbacks import LOWERS_RATE
from heterosis.rooms import command
from workflow.driver.trial import TrialGraph, build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.recipes import weight_if_of_numbers, without_outer
from workflow.experiment.space import as_space

LEAST_HELD_OUT: Final = 10
"""Least number of validation samples, where they choose networks: with fewer, chance does."""

Rehearse = Callable[[Path | str, Experiment, Workplace], Sequence[str] | None]
"""Looks for mistakes in an experiment: its source for messages, itself, where plug-ins are."""


def rehearse_experiment(
    source: Path | str, experiment: Experiment, place: Workplace
) -> tuple[str, ...]:
    """Build an experiment's network and go through its halts with untrained networks.

    Args:
        source: the experiment's file or name, for messages.
        experiment: what is rehearsed.
        place: where plug-ins are looked for.

    Returns:
        Remarks: what will fail, or does not vary.

    Raises:
        UserError: something in the file is wrong that its own rules do not tell.
    """
    graph = build_trial(experiment, 0)
    new = [task for task in graph.training if task.first_epoch == 0]
    first = new[:1] if experiment.space is None else new
    usual = experiment.training.spec
    others = {
        repr((task.training, task.family)): (arm, task)
        for arm, task in _tasks(graph)
        if (task.training != usual or task.family) and not task.lesson
    }
    settings = [
        SettingRehearsal(f"arms.{arm}", replace(task, genome=first[0].genome))
        for arm, task in others.values()
    ]
    harvests = [
        HarvestRehearsal(f"arms.{arm}, harvest", harvest.task)
        for arm, harvest in graph.harvests.items()
    ]
    space = None if experiment.space is None else as_space(experiment.space)
    outer = next((f"arms.{arm}" for arm, task in _tasks(graph) if task.outer), "")
    try:
        _check_validation(experiment, place)
        _check_batch_size(experiment, place)
        _check_rates(experiment, graph)
        halts = list(_halts(experiment, graph))
        remarks = rehearse(first, halts, harvests, place, space, settings, outer)
        told = dict.fromkeys(_merges(experiment, graph, place))
        return (*_left_away(experiment), *told, *remarks)
    except UserError as error:
        raise UserError(f"{source}: {error}", code=error.code) from error


def rehearse_apart(source: Path | str, experiment: Experiment, place: Workplace) -> tuple[str, ...]:
    """Rehearse an experiment in a process of its own, which ends and takes TensorFlow with it.

    For a driver whose workers are other processes: it need not hold what only they compute with.

    Args:
        source: as `rehearse_experiment` takes it.
        experiment: likewise.
        place: likewise; only its search path and its threads are passed on.

    Returns:
        Likewise.

    Raises:
        UserError: something in the file is wrong that its own rules do not tell.
        HeterosisError: the process ended before it was done.
    """
    with TemporaryDirectory(prefix="heterosis-") as folder:
        asked, answer = Path(folder) / "asked.json", Path(folder) / "answer.json"
        workplace = Workplace(root=folder, search_path=place.search_path, threads=place.threads)
        plain = {key: value for key, value in asdict(workplace).items() if value != float("inf")}
        table = {"source": str(source), "experiment": experiment.completed(), "place": plain}
        asked.write_text(json.dumps(table), encoding="utf-8")
        done = subprocess.run(
            command("workflow.preflight.rehearse", str(asked), str(answer)),
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": folder},
            check=False,
        )
        if not answer.exists():
            # Ctrl-C and the end of a job reach both processes; who asked ends in its own way.
            if done.returncode in (-signal.SIGINT, 128 + signal.SIGINT, -signal.SIGTERM):
                raise KeyboardInterrupt
            raise HeterosisError(
                f"{source}: the trial in small, in a process of its own, ended with "
                f"{_ending(done.returncode)} and no answer: try `--site local_threads`, where "
                "what it printed last is seen; a process that was killed may want more memory",
                code="rehearsal",
            )
        found = json.loads(answer.read_text(encoding="utf-8"))
    if "code" in found:
        kind = UserError if found["users"] else HeterosisError
        raise kind(found["text"], code=found["code"])
    return tuple(found["remarks"])


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _answer(asked: Path, answer: Path) -> None:
    """Rehearse what a file asks for and write what is wrong, or the remarks, into another."""
    table = json.loads(asked.read_text(encoding="utf-8"))
    found: dict[str, object] = {}
    try:
        experiment = Experiment.model_validate(table["experiment"])
        remarks = rehearse_experiment(table["source"], experiment, Workplace(**table["place"]))
        found = {"remarks": list(remarks)}
    except HeterosisError as error:
        found = {"text": str(error), "code": error.code, "users": isinstance(error, UserError)}
    answer.write_text(json.dumps(found), encoding="utf-8")


def _check_validation(experiment: Experiment, place: Workplace) -> None:
    held_out = load_dataset(experiment.data, experiment.seed, place.search_path).validation
    objective = experiment.training.objective
    if not objective.metric.startswith(HELD_OUT) or not isinstance(held_out, Samples):
        return
    if len(held_out) < LEAST_HELD_OUT:
        raise UserError(
            f"data.validation: {len(held_out)} held-out samples are too few to choose networks by "
            f"their {objective.name} on them, at least {LEAST_HELD_OUT} are needed (and hundreds "
            "to tell networks apart); hold out more, or say "
            f'training.fitness = "{WHOLE}{objective.name}"',
            code="data-split",
        )


def _check_batch_size(experiment: Experiment, place: Workplace) -> None:
    gene = (experiment.space or {}).get("batch_size")
    if gene is None or gene.of != "training":
        return
    train = load_dataset(experiment.data, experiment.seed, place.search_path).train
    if not isinstance(train, Samples):
        raise UserError(
            "space.batch_size: the training data come in batches, whose size is theirs: give "
            "arrays, or leave it out of the space",
            code="data-batches",
        )


def _check_rates(experiment: Experiment, graph: TrialGraph) -> None:
    if all(each.name != LOWERS_RATE for each in experiment.training.callbacks):
        return
    for arm, task in _tasks(graph):
        if task.sets_rate:
            raise UserError(
                f"arms.{arm}: its schedule, learning_rate_factor or family sets the learning rate "
                f"in every epoch, which undoes what training.callbacks {LOWERS_RATE!r} lowers: "
                "leave one of them out",
                code="callback",
            )


def _tasks(graph: TrialGraph) -> Iterator[tuple[str, TrainTask]]:
    """Yield what trains the members, each with its arm's name."""
    for arm, segments in graph.segments.items():
        yield from ((arm, node.task) for segment in segments for node in segment.members)


def _left_away(experiment: Experiment) -> Iterator[str]:
    for arm in experiment.arms:
        if without_outer(arm.outer, experiment.training.optimizer):
            yield (
                f"arms.{arm.name}: without momentum over epochs, which a recipe leaves away where "
                f"training.optimizer is {experiment.training.optimizer!r}: it leads that astray"
            )


def _merges(experiment: Experiment, graph: TrialGraph, place: Workplace) -> Iterator[str]:
    """Yield a remark on each arm whose relatives cannot be merged as often as is asked for."""
    train = load_dataset(experiment.data, experiment.seed, place.search_path).train
    gene = (experiment.space or {}).get("batch_size")
    sizes = [experiment.training.batch_size]
    if gene is not None and gene.of == "training":
        sizes = [int(each) for each in gene.numbers]
    for arm, task in _tasks(graph):
        if task.family is None or not isinstance(train, Samples):
            continue
        steps = -(-len(train) // max(sizes))
        if task.family.merges > steps:
            yield (
                f"arms.{arm}: family: merges = {task.family.merges}, and an epoch has {steps} "
                f"steps of {max(sizes)} samples: relatives are merged after every step"
            )


def _halts(experiment: Experiment, graph: TrialGraph) -> Iterator[HaltRehearsal]:
    known: set[Any] = set()
    for arm, segments in graph.segments.items():
        for segment in segments:
            if segment.mating is None:
                continue
            mate, child = segment.mating.task, segment.members[0].task
            before = segment.mating.population[0].task
            # One of each kind: when and by whom it was asked for changes nothing.
            way = (child.start, child.lesson, child.training, child.family, before.training)
            kind = repr((replace(mate, epoch=0, folder=""), way))
            if kind not in known:
                known.add(kind)
                where = f"arms.{arm}, halt after epoch {mate.epoch}"
                weight = _weight_of_numbers(experiment, child)
                yield HaltRehearsal(where, mate, before, child, weight)


def _weight_of_numbers(experiment: Experiment, child: TrainTask) -> float | None:
    if child.lesson is None:
        return None
    training = experiment.training
    return weight_if_of_numbers(child.lesson.weight, training.epochs, training.loss)


if __name__ == "__main__":
    keep_going()
    try:
        _answer(Path(sys.argv[1]), Path(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
