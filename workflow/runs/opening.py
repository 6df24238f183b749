"""Opening a run directory: new, to be continued, or begun without any finished task.

It has then the experiment that is run; what that has more than before is stored last, by `grow`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from apps.errors import UserError
from apps.files import write_atomic
from apps.records.run_dir import RunDir
from workflow.experiment.config import Experiment
from workflow.experiment.file import recorded_experiment
from workflow.experiment.options import checked_name
from workflow.runs.growth import (
    added_arms,
    begun_experiment,
    part_begun,
    parting_arms,
    replaced_tasks,
)
from workflow.runs.lock import only_driver

_KEYS_TOLD: Final = 4
_CHARACTERS: Final = 40
_NOTHING: Final = object()


def run_directory(runs: Path, name: str | None, experiment: Experiment) -> RunDir:
    """Return the directory of a run; nothing is created.

    Args:
        runs: folder of the run directories.
        name: of the run; None for the experiment's.
        experiment: what is run.

    Raises:
        UserError: `name` is not a plain name, or the locale lacks characters of the path.
    """
    try:
        folder = runs / (experiment.name if name is None else checked_name(name))
    except ValueError as error:
        raise UserError(
            f"--name {name!r}: {error}; --runs says in which folder", code="run-folder"
        ) from error
    check_sayable(folder.absolute(), "the run directory")
    return RunDir(folder.absolute())


def check_sayable(path: Path, what: str) -> None:
    """Check that a path has a name that can be written down.

    Args:
        path: of a file or folder.
        what: it is, for the message.

    Raises:
        UserError: the locale of this process lacks its characters.
    """
    try:
        str(path).encode()
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise UserError(
            f"{what} {str(path)!a}: the locale of this shell lacks characters of the path; "
            "`export LC_ALL=C.UTF-8`, or choose another folder",
            code="environment",
        ) from error


def existing_run(path: Path) -> RunDir:
    """Return the run directory at `path`.

    Raises:
        UserError: there is no run directory.
    """
    run_dir = RunDir(path)
    if not run_dir.experiment_toml.is_file():
        raise UserError(
            f"{path}: not a run directory: it has no experiment.toml", code="run-folder"
        )
    return run_dir


def check_directory(run_dir: RunDir, experiment: Experiment, fresh: bool) -> bool:
    """Check that a run directory can be opened; nothing is written.

    Args:
        run_dir: where the run is to be, or is.
        experiment: what is run.
        fresh: whether an existing run will be moved aside.

    Returns:
        Whether the run is new: none of its tasks has a result.

    Raises:
        UserError: it cannot be written, is no run directory, or is that of another experiment. One
            with further trials or arms is not another, if all that is computed stays.
    """
    try:
        _check_writable(run_dir.root)
        foreign = not run_dir.experiment_toml.exists() and not _is_empty(run_dir)
    except OSError as error:
        raise _not_writable(run_dir.root, error) from error
    if foreign:
        raise UserError(
            f"{run_dir.root} is not a run directory: it has files, but no experiment.toml; it is "
            "left alone: choose another --name or --runs",
            code="run-folder",
        )
    if fresh or not _has_results(run_dir):
        return True
    # Read as an experiment, so that a setting that is younger than the run has its default.
    begun = begun_experiment(run_dir)
    differing = differing_keys(begun.completed(), part_begun(experiment, begun).completed())
    if len(differing) == 1 and experiment.trials < begun.trials:
        raise UserError(
            f"{run_dir.root} has {begun.trials} trials, here are {experiment.trials}, and trials "
            f"stay once they are begun: --set trials={begun.trials} continues it, --fresh moves "
            "it aside",
            code="run-differs",
        )
    if differing:
        left = len(differing) - _KEYS_TOLD
        more = f"; and {left} more" if left > 0 else ""
        raise UserError(
            f"{run_dir.root} belongs to another experiment, which differs in "
            f"{'; '.join(differing[:_KEYS_TOLD])}{more}; choose another --name, or --fresh to move "
            "the old run aside",
            code="run-differs",
        )
    if others := replaced_tasks(experiment, begun):
        parting = parting_arms(experiment, begun)
        why = (
            f"{', '.join(parting)} would part from arms that begin alike (by a halt, an average or "
            "a schedule) where none of them does"
            if parting
            else "arms keep their order, and those that are added stand after them, since what "
            "arms share is stored with the first"
        )
        raise UserError(
            f"{run_dir.root} could not keep what it has computed: {why}, so that {len(others)} "
            f"tasks of each trial would be others, {others[0]} the first of them; choose another "
            "--name, or --fresh to move the old run aside",
            code="run-differs",
        )
    return False


@contextmanager
def opened(
    run_dir: RunDir, experiment: Experiment, fresh: bool, say: Callable[[str], None]
) -> Iterator[None]:
    """Hold a run directory as its only driver, with `experiment` stored in it.

    Args:
        run_dir: where the run is to be, or is.
        experiment: what is run.
        fresh: move what is there aside.
        say: shows a line on anything unexpected, such as an older run that was moved.

    Raises:
        UserError: as `check_directory`, or another driver works on it.
    """
    check_directory(run_dir, experiment, fresh)
    if fresh:
        _move_aside(run_dir, say)
    try:
        run_dir.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(run_dir.root, error) from error
    with only_driver(run_dir.lock):
        # Once more: another driver may have been at work since.
        if check_directory(run_dir, experiment, fresh=False):
            _store(run_dir, experiment, say)
        yield


def grow(run_dir: RunDir, experiment: Experiment, say: Callable[[str], None]) -> None:
    """Store an experiment that has more trials or arms than its run had: from now on it has them.

    Args:
        run_dir: opened, with everything checked that can be before tasks are computed.
        experiment: what is run.
        say: is told what is added.

    Raises:
        UserError: the directory cannot be written.
    """
    there = recorded_experiment(run_dir)
    arms = added_arms(experiment, there)
    same_order = [arm.name for arm in there.arms] == [arm.name for arm in experiment.arms]
    if same_order and not differing_keys(there.completed(), experiment.completed()):
        return
    try:
        run_dir.table("trials").unlink(missing_ok=True)  # it says that a run is finished
        write_atomic(run_dir.experiment_toml, experiment.to_toml().encode())
    except OSError as error:
        raise _not_writable(run_dir.experiment_toml, error) from error
    if there.trials != experiment.trials:
        say(f"{run_dir.root} had {there.trials} trials and goes on to {experiment.trials}")
    if arms:
        say(f"{run_dir.root} goes on with further arms, which stay: {', '.join(arms)}")


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys in which two completed experiments differ, with both values."""
    return [
        f"{key} (there {_shown(there)}, here {_shown(here)})"
        for key, there, here in _differences(one, other)
    ]


def _store(run_dir: RunDir, experiment: Experiment, say: Callable[[str], None]) -> None:
    content = experiment.to_toml().encode()
    there = run_dir.experiment_toml.read_bytes() if run_dir.experiment_toml.exists() else content
    try:
        write_atomic(run_dir.experiment_toml, content)
    except OSError as error:
        raise _not_writable(run_dir.experiment_toml, error) from error
    if there != content:
        say(f"nothing was finished yet in {run_dir.root}: it now has the changed experiment")


def _move_aside(run_dir: RunDir, say: Callable[[str], None]) -> None:
    if not run_dir.experiment_toml.exists():
        return
    # The lock of a driver at work is respected before its files are moved.
    with only_driver(run_dir.lock):
        number = 1
        while (aside := run_dir.root.with_name(f"{run_dir.root.name}.{number}")).exists():
            number += 1
        run_dir.root.rename(aside)
    say(f"the older run is now {aside}")


def _is_empty(run_dir: RunDir) -> bool:
    """Whether there is nothing but what a driver leaves if it is killed at its start."""
    if not run_dir.root.exists():
        return True
    begun = f".{run_dir.experiment_toml.name}."
    return all(
        path == run_dir.lock or path.name.startswith(begun) for path in run_dir.root.iterdir()
    )


def _has_results(run_dir: RunDir) -> bool:
    return any(True for _ in run_dir.results())


def _check_writable(root: Path) -> None:
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir():
        raise NotADirectoryError(None, "Not a directory", str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(None, "Permission denied", str(there))


def _not_writable(root: Path, error: OSError) -> UserError:
    return UserError(
        f"{error.filename or root}: the run directory cannot be written: {error.strerror}; choose "
        "another folder with --runs",
        code="folder-not-writable",
    )


def _differences(one: Any, other: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    left, right = _as_table(one), _as_table(other)
    if left is None or right is None:
        if one != other:
            yield key, one, other
        return
    for name in dict.fromkeys([*left, *right]):
        yield from _differences(
            left.get(name, _NOTHING), right.get(name, _NOTHING), f"{key}.{name}" if key else name
        )


def _as_table(value: Any) -> Mapping[str, Any] | None:
    """Return a table, or a list of tables by their names."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return {str(item.get("name", index)): item for index, item in enumerate(value)}
    return value if isinstance(value, Mapping) else None


def _shown(value: Any) -> str:
    text = "nothing" if value is _NOTHING else repr(value)
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 4]} ..."
