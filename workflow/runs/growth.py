"""What a run may have beside what it was begun with: further trials, and further arms.

Neither makes another experiment of it: what trials and arms compute depends on nothing but
themselves. What is computed must stay, though: an arm that halts where no other does parts in two
what others trained in one task.
"""

from __future__ import annotations

from workflow.driver.trial import build_trial
from workflow.experiment.config import Experiment


def part_begun(experiment: Experiment, begun: Experiment) -> Experiment:
    """Return the part of an experiment that its run was begun with.

    Args:
        experiment: of now.
        begun: of the run.

    Returns:
        As many trials, and the arms of the same names; equal to `begun` where nothing else differs.
    """
    added = added_arms(experiment, begun)
    arms = tuple(arm for arm in experiment.arms if arm.name not in added)
    trials = min(experiment.trials, begun.trials)
    return experiment.model_copy(update={"trials": trials, "arms": arms})


def added_arms(experiment: Experiment, begun: Experiment) -> tuple[str, ...]:
    """Return the names of the arms that a run was not begun with."""
    there = {arm.name for arm in begun.arms}
    return tuple(arm.name for arm in experiment.arms if arm.name not in there)


def replaced_tasks(experiment: Experiment, begun: Experiment) -> tuple[str, ...]:
    """Return the folders of a trial's tasks that its run would not keep.

    Args:
        experiment: of now, with all arms of `begun` and perhaps more.
        begun: of the run.

    Returns:
        The first trial's, as those of the others are like them.
    """
    now = {(key, node.task.folder) for key, node in build_trial(experiment, 0).nodes.items()}
    return tuple(
        node.task.folder
        for key, node in build_trial(begun, 0).nodes.items()
        if (key, node.task.folder) not in now
    )
