"""How long an experiment takes and what it stores, from the cost of a few of its networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from apps.messages.tasks import HarvestTask, Task, TeachTask, TrainTask
from apps.preflight.sample import Sample
from workflow.driver.trial import Node, TrialGraph
from workflow.experiment.config import Experiment


@dataclass(frozen=True)
class Training:
    """An amount of training: network-epochs, and the tasks that they are in."""

    network_epochs: int
    tasks: int


def estimated_s(
    samples: Sequence[Sample],
    whole: Training,
    arms: Sequence[Training],
    workers: int,
    searched: bool,
) -> float:
    """Return the seconds that all tasks of training take, on workers like this machine's cores.

    Workers share the work, and an arm's segments follow one another: it is no less than either
    allows. Mating, teachers, harvests and the start of workers are not counted; parents that are
    measured take time, too.

    Args:
        samples: networks of the experiment, at least one.
        whole: of all members.
        arms: as `one_after_the_other` returns it.
        workers: tasks at a time.
        searched: whether networks differ: then nearly every task builds and compiles one of its
            own, where else a worker does it once.
    """
    work_s = _seconds(samples, whole, whole.tasks if searched else workers)
    return max(work_s / workers, longest_arm_s(samples, arms, searched))


def longest_arm_s(samples: Sequence[Sample], arms: Sequence[Training], searched: bool) -> float:
    """Return the seconds that the longest arm takes, however many workers there are.

    Args:
        samples: as `estimated_s` takes them.
        arms: likewise.
        searched: likewise.
    """
    return max(_seconds(samples, arm, arm.tasks if searched else 1) for arm in arms)


def one_after_the_other(graph: TrialGraph) -> list[Training]:
    """Return the training of one member from the beginning to the end, for every arm.

    The relatives of a family are trained by one task.
    """
    tasks = [
        [segment.members[0].task for segment in segments] for segments in graph.segments.values()
    ]
    return [Training(sum(task.network_epochs for task in each), len(each)) for each in tasks]


def most_stored(graph: TrialGraph, samples: Sequence[Sample]) -> int:
    """Return the bytes of all that the tasks of a trial store, if nothing is removed.

    Args:
        graph: the trial's.
        samples: networks of the experiment, at least one.
    """
    return sum(_stored(node, samples) for node in graph.nodes.values())


def stored_at_end(graph: TrialGraph, samples: Sequence[Sample]) -> int:
    """Return the bytes of a trial's champions.

    Args:
        graph: the trial's.
        samples: networks of the experiment, at least one.
    """
    return sum(
        max(checkpoint_bytes(node.task, samples) for node in segments[-1].members)
        for segments in graph.segments.values()
    )


def checkpoint_bytes(task: TrainTask, samples: Sequence[Sample]) -> int:
    """Return the size of a task's checkpoint, the largest if networks differ."""
    return max(sample.sizes.checkpoint(task) for sample in samples)


def networks_differ(experiment: Experiment) -> bool:
    """Whether members are of programs of their own: of a search over more than learning rates."""
    genes = experiment.space or {}
    return any(gene.of != "optimizer" or name != "learning_rate" for name, gene in genes.items())


def _seconds(samples: Sequence[Sample], training: Training, made: int) -> float:
    return (
        training.network_epochs * fmean(each.epoch_s for each in samples)
        + training.tasks * fmean(each.task_s for each in samples)
        + made * fmean(each.made_s for each in samples)
    )


def _stored(node: Node[Task], samples: Sequence[Sample]) -> int:
    match node.task:
        case TrainTask() as task:
            return checkpoint_bytes(task, samples)
        case TeachTask():
            return _groups(node) * max(sample.sizes.predictions for sample in samples)
        case HarvestTask(method=method) if method != "best":
            return max(sample.sizes.weights for sample in samples)
    return 0


def _groups(node: Node[Task]) -> int:
    """Return how many groups of teachers there are at most."""
    task, mating = node.task, node.mating
    if not isinstance(task, TeachTask) or task.teachers != "parents" or mating is None:
        return 1
    return 1 if mating.task.mating == "all" else mating.task.children
