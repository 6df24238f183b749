"""What a run's results depend on beside its experiment: plug-ins' files, versions, variables.

They are written down when a run begins, and a run that goes on is held to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from apps.errors import UserError
from apps.plugins.load import is_plugin
from apps.plugins.sources import joint_digest, plugin_sources
from apps.records.additions import read_additions
from apps.records.environment import read_environment
from apps.records.run_dir import RunDir
from apps.runtime import variables
from apps.tasks.checkup import versions
from workflow.driver.trial import build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.file import plugin_files, plugin_packages
from workflow.runs.growth import added_arms, begun_experiment, part_begun
from workflow.runs.opening import differing_keys

COMPUTING: Final = ("tensorflow", "keras", "numpy", "scipy")
"""Packages whose versions make numbers: a table of two of them compares the versions, too."""

_BEGUN: Final = "begun_with"
_SOURCES: Final = "sources"
_ADDED_SOURCES: Final = "added_sources"


def described(
    run_dir: RunDir, experiment: Experiment, folder: Path, begins: bool
) -> dict[str, Any]:
    """Return what a run's `environment.json` says of files, versions, variables and additions.

    Args:
        run_dir: of the run, not yet opened.
        experiment: what is run.
        folder: where its plug-ins are.
        begins: whether it begins: one that goes on keeps what it was begun with.
    """
    packages = _computing(versions()) | plugin_packages(experiment, str(folder))
    here = {"packages": packages, "variables": variables()}
    record: dict[str, Any] = {_SOURCES: plugin_files(experiment, str(folder)), _BEGUN: here}
    if begins:
        return record
    begun = begun_experiment(run_dir)
    arms = added_arms(experiment, begun)
    held = _begun(read_environment(run_dir)) or here
    if arms:
        # What only their code imports is held from now on.
        held |= {"packages": here["packages"] | held.get("packages", {})}
    record[_BEGUN] = held
    if sources := _of_added_arms(run_dir, experiment, begun, folder):
        record[_ADDED_SOURCES] = sources
    kept = {arm.name for arm in experiment.arms}
    additions = read_additions(run_dir).of(kept, experiment.trials)
    return record | additions.grown(begun.trials, experiment.trials, arms).written()


def as_begun(
    run_dir: RunDir, experiment: Experiment, folder: Path, other_versions: bool
) -> Experiment:
    """Return an experiment as its run was begun, after a look at what the run depends on.

    Args:
        run_dir: of a run that goes on.
        experiment: the same experiment, of now.
        folder: where its plug-ins are.
        other_versions: go on with other versions than the run was begun with.

    Returns:
        The experiment; with digests of the older form where the run has those.

    Raises:
        UserError: a file of a plug-in has changed; or what is missing would be computed by other
            versions, or under other variables.
    """
    if not run_dir.experiment_toml.is_file() or next(run_dir.results(), None) is None:
        return experiment
    stored, recorded = begun_experiment(run_dir), read_environment(run_dir)
    same = part_begun(experiment, stored)
    if differing_keys(_without_digests(stored), _without_digests(same)):
        return experiment  # the keys that differ tell more
    known = recorded.get(_SOURCES)
    free = _of_idle_arms(recorded, stored)
    if isinstance(known, dict):
        held = {name: digest for name, digest in known.items() if name not in free}
        _check_files(run_dir, held, plugin_files(experiment, str(folder)), folder)
    if not other_versions:
        _check_versions(run_dir, experiment, folder, _begun(recorded) or {}, bool(free))
    return _with_older_digests(experiment, stored, str(folder))


def _of_added_arms(
    run_dir: RunDir, experiment: Experiment, begun: Experiment, folder: Path
) -> dict[str, list[str]]:
    """Return the files that only an added arm depends on, by the names of such arms."""
    part = part_begun(experiment, begun)
    others = plugin_files(part, str(folder)).keys()
    added = added_arms(experiment, begun)
    found = read_environment(run_dir).get(_ADDED_SOURCES)
    known = dict(found) if isinstance(found, dict) else {}
    for arm in experiment.arms:
        if arm.name in added:
            alone = part.model_copy(update={"arms": (*part.arms, arm)})
            known[arm.name] = sorted(plugin_files(alone, str(folder)).keys() - others)
    return {arm.name: known[arm.name] for arm in experiment.arms if known.get(arm.name)}


def _of_idle_arms(recorded: Mapping[str, Any], begun: Experiment) -> set[str]:
    """Return the files that only added arms depend on of which nothing is finished."""
    added = recorded.get(_ADDED_SOURCES)
    there = {arm.name for arm in begun.arms}
    held: set[str] = set()
    free: set[str] = set()
    for arm, names in (added if isinstance(added, dict) else {}).items():
        (held if arm in there else free).update(names)
    return free - held


def _check_files(
    run_dir: RunDir, known: Mapping[str, str], now: Mapping[str, str], folder: Path
) -> None:
    # What names a new file has changed itself; and older runs did not look at all of them.
    others = [name for name, digest in known.items() if digest != now.get(name)]
    if not others:
        return
    gone = [
        name
        for name in others
        if name not in now and not (folder / os.path.expanduser(name)).exists()
    ]
    changed = [name for name in others if name not in gone]
    told = [f"with {', '.join(gone)}, which is not in {folder} any more"] if gone else []
    told += [f"with another {', '.join(changed)}"] if changed else []
    raise UserError(
        f"{run_dir.root} was begun {', and '.join(told)}: what is missing would not be computed "
        "by what computed the rest; undo the change, choose another --name, or --fresh to move "
        "the old run aside",
        code="run-differs",
    )


def _check_versions(
    run_dir: RunDir, experiment: Experiment, folder: Path, begun: Mapping[str, Any], idle: bool
) -> None:
    """Check the versions; what only an `idle` arm's code imported need not be imported any more."""
    packages, settings = begun.get("packages"), begun.get("variables")
    now = _computing(versions()) | plugin_packages(experiment, str(folder))
    # Older runs say nothing of what the experiment's own code imports.
    known = {name: each for name, each in now.items() if name in (packages or ())}
    if idle and isinstance(packages, Mapping):
        packages = {name: each for name, each in packages.items() if name in known}
    differing = list(_differing(packages, known))
    differing += _differing(settings, variables())
    if not differing or not misses_something(run_dir, experiment):
        return
    raise UserError(
        f"{run_dir.root} was begun with {', '.join(differing)}: what is missing would be computed "
        "by others than what it is compared with; bring them back, choose another --name, or go "
        "on all the same with --other-versions",
        code="environment",
    )


def _differing(begun: Any, now: Mapping[str, str]) -> Iterator[str]:
    if not isinstance(begun, Mapping):
        return  # an older run, which did not say
    for name in dict.fromkeys([*begun, *now]):
        if begun.get(name) != now.get(name):
            yield f"{name} {begun.get(name, 'unset')} (here {now.get(name, 'unset')})"


def _computing(packages: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(packages[name]) for name in COMPUTING if name in packages}


def misses_something(run_dir: RunDir, experiment: Experiment) -> bool:
    """Whether a task of the experiment has no result yet."""
    there = {path.parent for path in run_dir.results()}
    return any(
        run_dir.root / node.task.folder not in there
        for trial in range(experiment.trials)
        for node in build_trial(experiment, trial).nodes.values()
    )


def _with_older_digests(experiment: Experiment, stored: Experiment, folder: str) -> Experiment:
    """Take over the digests of a run whose own are of the modules' own files alone."""
    changes: dict[str, Any] = {}
    for key, name in (("data", experiment.data.name), ("network", experiment.network.builder)):
        digest = getattr(stored, key).digest
        if is_plugin(name) and digest == _module_digest(name, folder):
            changes[key] = replace(getattr(experiment, key), digest=digest)
    if named := experiment.training.plugins:
        digest = joint_digest(_module_digest(each, folder) for each in named)
        if stored.training.digest == digest:
            changes["training"] = replace(experiment.training, digest=digest)
    return experiment.model_copy(update=changes)


def _module_digest(plugin: str, folder: str) -> str:
    return next(iter(plugin_sources(plugin, folder).values()))


def _without_digests(experiment: Experiment) -> dict[str, Any]:
    completed = experiment.completed()
    for part in ("data", "network", "training"):
        completed[part] = {k: v for k, v in completed[part].items() if k != "digest"}
    return completed


def _begun(recorded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a run was begun with; of an older one the versions of its last start."""
    begun = recorded.get(_BEGUN)
    if isinstance(begun, dict):
        return begun
    packages = recorded.get("packages")
    return {"packages": _computing(packages)} if isinstance(packages, dict) else None
