"""What a run may have beside what it was begun with: further trials, and further arms.

Neither makes another experiment of it: what trials and arms compute depends on nothing but
themselves. What is computed must stay, though: an arm that halts where no other does parts in two
what others trained in one task.
"""

from __future__ import annotations

from collections.abc import Iterable

from apps.records.additions import read_additions
from apps.records.run_dir import RunDir
from workflow.driver.trial import build_trial
from workflow.experiment.arms import Arm
from workflow.experiment.config import Experiment
from workflow.experiment.file import recorded_experiment


def begun_experiment(run_dir: RunDir) -> Experiment:
    """Return what a run is held to: its experiment, without added arms that have nothing yet.

    An arm that was added by mistake can so be changed or taken away until a task of it is finished.

    Args:
        run_dir: of a run that has been begun.
    """
    there = recorded_experiment(run_dir)
    idle = {arm for arm in read_additions(run_dir).arms if not any(run_dir.results(arm))}
    return _with_arms(there, (arm for arm in there.arms if arm.name not in idle))


def part_begun(experiment: Experiment, begun: Experiment) -> Experiment:
    """Return the part of an experiment that its run was begun with.

    Args:
        experiment: of now.
        begun: of the run.

    Returns:
        As many trials, and the arms of the same names, in the order of the run; equal to `begun`
        where nothing else differs.
    """
    here = {arm.name: arm for arm in experiment.arms}
    part = _with_arms(experiment, (here[arm.name] for arm in begun.arms if arm.name in here))
    return part.model_copy(update={"trials": min(experiment.trials, begun.trials)})


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
    # Both are the experiment of now: a value may have come back from the file in another type.
    part = part_begun(experiment, begun)
    if part.arms == experiment.arms:
        return ()
    now = {(key, node.task.folder) for key, node in build_trial(experiment, 0).nodes.items()}
    return tuple(
        node.task.folder
        for key, node in build_trial(part, 0).nodes.items()
        if (key, node.task.folder) not in now
    )


def parting_arms(experiment: Experiment, begun: Experiment) -> tuple[str, ...]:
    """Return the names of added arms that, each alone, part what others train in one task."""
    part, added = part_begun(experiment, begun), added_arms(experiment, begun)
    return tuple(
        arm.name
        for arm in experiment.arms
        if arm.name in added and replaced_tasks(_with_arms(part, (*part.arms, arm)), begun)
    )


def _with_arms(experiment: Experiment, arms: Iterable[Arm]) -> Experiment:
    return experiment.model_copy(update={"arms": tuple(arms)})
