"""The plan of an experiment: tasks, time and disk it would take, and each arm in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from apps.errors import UserError
from apps.messages.results import FORWARD_PASS, TrainResult
from apps.messages.specs import OperatorSpec
from apps.messages.tasks import Workplace
from apps.messages.teachers import TeachSpec
from apps.messages.values import ClassWeight
from apps.preflight.sample import Sample, sample_training
from apps.records.result_files import stored_result
from workflow.driver.progress import clock_time
from workflow.driver.trial import TrialGraph, build_trial
from workflow.experiment.arms import Arm
from workflow.experiment.config import Experiment
from workflow.experiment.halts import Halt, Setting
from workflow.preflight.estimate import (
    Training,
    checkpoint_bytes,
    estimated_s,
    longest_arm_s,
    most_stored,
    networks_differ,
    one_after_the_other,
    stored_at_end,
)

_MEGABYTE = 2**20
_MARGIN = 1.5
SAMPLED = 4
"""Networks of a search that are measured: the first ones may be small."""


def describe_plan(experiment: Experiment, place: Workplace, workers: int, measure: bool) -> str:
    """Return the plan of an experiment as text.

    Args:
        experiment: what would be run.
        place: where plug-ins are looked for; nothing is written.
        workers: tasks at a time.
        measure: train one network, or some of a search, for two epochs on this machine, to
            estimate time and disk.
    """
    graph = build_trial(experiment, 0)
    tasks, trained = len(graph.nodes), graph.training
    epochs = experiment.trials * graph.network_epochs
    lines = [
        f"experiment {experiment.name}: {experiment.trials} trials x {len(experiment.arms)} arms x "
        f"{experiment.population} networks x {experiment.training.epochs} epochs",
        f"tasks: {experiment.trials * tasks} ({experiment.trials * len(trained)} of training)",
        f"network-epochs: {epochs} with shared segments, {experiment.network_epochs} without",
        *_class_weights_in_words(experiment.training.class_weight),
    ]
    if measure:
        samples = _samples(graph, place, SAMPLED if networks_differ(experiment) else 1)
        lines += _estimates(experiment, graph, samples, workers)
    lines += ["", "one trial:", *(f"  {line}" for line in _in_words(experiment, graph))]
    return "\n".join(lines)


def _class_weights_in_words(given: ClassWeight) -> Iterator[str]:
    if given == "balanced":
        yield "training loss: every class has the same share, whatever the number of its samples"
    elif given is not None:
        told = ", ".join(f"{weight:g} for class {number}" for number, weight in given.items())
        yield f"training loss: a sample counts {told}, 1 for any other"


def longest_segment_s(experiment: Experiment, place: Workplace) -> float | None:
    """Estimate how long the longest segment takes, from those that the run has finished.

    Args:
        experiment: what is run.
        place: the run directory.

    Returns:
        Seconds, with a margin; None if no segment of the first trial is finished yet.
    """
    trained = build_trial(experiment, 0).training
    results = [stored_result(Path(place.root) / task.folder, TrainResult) for task in trained]
    epoch_s = [
        each.cost.wall_s / max(len(each.epochs) - each.cost.earlier_epochs, 1)
        for each in results
        if each and each.epochs
    ]
    if not epoch_s:
        return None
    return _MARGIN * max(epoch_s) * max(task.last_epoch - task.first_epoch for task in trained)


def _samples(graph: TrialGraph, place: Workplace, count: int) -> list[Sample]:
    """Measure the first networks of a trial that can be built, at least one."""
    samples: list[Sample] = []
    teaches = any(graph.teaching(arm) for arm in graph.segments)
    *others, last = [task for task in graph.training if task.first_epoch == 0]
    for task in others:
        if len(samples) < count:
            with suppress(UserError):
                samples.append(sample_training(task, place, teaches))
    return samples or [sample_training(last, place, teaches)]


def _estimates(
    experiment: Experiment, graph: TrialGraph, samples: Sequence[Sample], workers: int
) -> Iterator[str]:
    trials, searched = experiment.trials, networks_differ(experiment)
    whole = Training(trials * graph.network_epochs, trials * len(graph.training))
    arms = one_after_the_other(graph)
    seconds = estimated_s(samples, whole, arms, workers, searched)
    bound = seconds == longest_arm_s(samples, arms, searched)
    shorter = ", as long as its longest arm: more workers do not shorten it" if bound else ""
    epoch_s, made_s = (fmean(getattr(s, of) for s in samples) for of in ("epoch_s", "made_s"))
    yield (
        f"time: about {clock_time(seconds)} on {workers} workers like this machine's cores"
        f"{shorter} ({epoch_s:.2f} s an epoch, {made_s:.1f} s to build and compile a network, "
        f"measured here with {len(samples)}; start-up, matings, teachers and harvests not counted)"
    )
    for engine in dict.fromkeys(sample.engine for sample in samples):
        yield f"trained by: {engine}"
    largest = max(checkpoint_bytes(task, samples) for task in graph.training)
    stored = trials * stored_at_end(graph, samples)
    # A task that stores its checkpoint has a partial one beside it.
    peak = trials * most_stored(graph, samples) + workers * largest
    yield (
        f"disk: {math.ceil(stored / _MEGABYTE)} MB at the end, never more than "
        f"{math.ceil(peak / _MEGABYTE)} MB ({largest / _MEGABYTE:.2f} MB a checkpoint; tables, "
        "logs and report not counted)"
    )


def _in_words(experiment: Experiment, graph: TrialGraph) -> Iterator[str]:
    for arm in experiment.arms:
        yield f"{arm.name}:"
        yield from (f"  {line}" for line in _arm_in_words(experiment, graph, arm))


def _arm_in_words(experiment: Experiment, graph: TrialGraph, arm: Arm) -> Iterator[str]:
    epochs, sharers = arm.length(experiment.training.epochs), graph.sharers
    for segment in graph.segments[arm.name]:
        if segment.halt is not None:
            yield _halt_in_words(experiment, segment.halt)
        if segment.halt is not None and segment.halt.teach is not None:
            yield _teaching_in_words(segment.halt.teach, segment.halt.mating)
        setting = replace(arm.setting(segment.first), lesson=None)
        if segment.first == 0 or setting != replace(arm.setting(segment.first - 1), lesson=None):
            yield from _setting_in_words(setting)
        size = len(segment.members)
        other = sharers[segment.members[0].key][0]
        both = sum(other in sharers[node.key] for node in segment.members)
        some = f"{both} of them " if both < size else ""
        once = f", {some}computed once with {other}" if other != arm.name else ""
        yield f"{size} networks, epochs {segment.first + 1} to {segment.last}{once}"
    if arm.average.kind != "none":
        end = "every halt and the end" if arm.average.at == "halts" else "the end"
        yield f"weights averaged ({arm.average.kind}) over {arm.average.window} epochs before {end}"
    if arm.schedule.kind != "constant":
        yield f"learning rate: {arm.schedule.kind} over the {arm.schedule.over}"
    spent = arm.spent(experiment.training.epochs) + arm.passes * FORWARD_PASS
    budget = experiment.population * experiment.training.epochs
    if spent != budget or arm.epochs is not None:
        yield (
            f"{spent:.4g} network-epochs in all, {100 * spent / budget:.0f} % of population x "
            f"epochs; {epochs} epochs one after the other"
        )
    best = f"the network with the {experiment.training.objective.of_champions.best} is the champion"
    merged = f", or the {arm.harvest.method} of the population if it is better"
    yield best + (merged if arm.harvest.method != "best" else "")


def _halt_in_words(experiment: Experiment, halt: Halt) -> str:
    if halt.mating == "self":
        return f"halt after epoch {halt.at}: each goes on from its own weights, fresh optimiser"
    if halt.mating == "survivors":
        return f"halt after epoch {halt.at}: the best {halt.population} go on, the others end"
    aligned = f" aligned by {halt.align}," if halt.align != "none" else ""
    mating = "" if halt.mating == "all" else f" in {halt.mating},"
    return (
        f"halt after epoch {halt.at}: {_operator(halt.selection)} of {halt.parents} by "
        f"{experiment.training.fitness},{mating}{aligned} crossover {_operator(halt.crossover)}, "
        f"{halt.population} children with mutation {_operator(halt.mutation)}, "
        f"optimiser {halt.optimizer}{_search_in_words(halt)}"
    )


def _teaching_in_words(teach: TeachSpec, mating: str) -> str:
    whose = {"parents": "its parents", "survivors": "all parents", "all": "all networks"}
    learner = "each that goes on" if mating == "survivors" else "each child"
    teachers = teach.teachers
    told = f"the best {teachers}" if isinstance(teachers, int) else whose[teachers]
    softer = f" at temperature {teach.temperature:g}" if teach.temperature != 1 else ""
    return (
        f"{learner} learns the mean prediction of {told}{softer} with weight "
        f"{teach.weight:g}, the labels with {1 - teach.weight:g}; reported losses are those of the "
        "labels"
    )


def _setting_in_words(setting: Setting) -> Iterator[str]:
    if setting.optimizer:
        told = ", ".join(f"{key} = {value:g}" for key, value in setting.optimizer.items())
        yield f"optimiser with {told}"
    if setting.outer is not None:
        over = "merge" if setting.family is not None else "epoch"
        yield f"Nesterov momentum {setting.outer.momentum:g} over each {over}'s step"
    if setting.family is not None:
        yield (
            f"each is a family of {setting.family.members} relatives, merged "
            f"{setting.family.merges} times an epoch in one task"
        )


def _search_in_words(halt: Halt) -> str:
    if halt.search is None:
        return ""
    genes = "all parents" if halt.search.cross else "the first parent"
    begun = {
        "weights": "their parents' weights, grown or cut to fit",
        "nearest": "the weights of the parent of the nearest architecture, grown or cut to fit",
        "genes": "new random weights",
    }
    rate = halt.search.mutation_rate
    mutated = f"each mutated with probability {rate:g}, at least one" if rate else "none mutated"
    return f"; genes of {genes}, {mutated}, start from {begun[halt.search.inherit]}"


def _operator(operator: OperatorSpec) -> str:
    settings = ", ".join(f"{key} = {value}" for key, value in operator.params.items())
    return f"{operator.name} ({settings})" if settings else operator.name
