"""How long an experiment takes, from the cost of a few of its networks."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from apps.preflight.sample import Sample
from workflow.experiment.config import Experiment


def estimated_s(
    samples: Sequence[Sample], network_epochs: int, tasks: int, workers: int, searched: bool
) -> float:
    """Return the seconds that all tasks of training take, on workers like this machine's cores.

    Mating, harvests and the start of workers are not counted; parents that are measured take time,
    too.

    Args:
        samples: networks of the experiment, at least one.
        network_epochs: of all members.
        tasks: of training.
        workers: tasks at a time.
        searched: whether networks differ: then nearly every task builds and compiles one of its
            own, where else a worker does it once.
    """
    made = tasks if searched else workers
    work_s = (
        network_epochs * fmean(each.epoch_s for each in samples)
        + tasks * fmean(each.task_s for each in samples)
        + made * fmean(each.made_s for each in samples)
    )
    return work_s / workers


def networks_differ(experiment: Experiment) -> bool:
    """Whether members are of programs of their own: of a search over more than learning rates."""
    genes = experiment.space or {}
    return any(gene.of != "optimizer" or name != "learning_rate" for name, gene in genes.items())
