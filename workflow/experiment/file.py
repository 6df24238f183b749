"""The experiment file: found, read, changed by `--set`, with errors in the user's terms."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from apps.datasets.load import COLLECTIONS
from apps.datasets.sources.readers import READERS, content_digest, make_reader
from apps.errors import UserError, did_you_mean
from apps.lookup import check_settings, lookup
from apps.networks.builders import BUILDERS
from apps.plugins.load import forget_plugins, is_plugin, libraries_of, load_plugin
from apps.plugins.sources import files_named, joint_digest, plugin_digest, plugin_sources
from apps.records.run_dir import RunDir
from apps.strict import key_value
from workflow.experiment.config import Experiment
from workflow.experiment.wording import TOO_DEEP, explained

READY: Final = Path(__file__).parents[1] / "experiments"
"""Folder of the ready experiments."""

EXPERIMENT_TOML: Final = "experiment.toml"
"""The file that a folder's experiment is in."""


def find_experiment(reference: str) -> Path:
    """Return the file of an experiment: a ready one by name, or the path of one or its folder.

    Raises:
        UserError: there is neither.
    """
    path = Path(reference)
    ready = READY / f"{reference}.toml"
    if path.suffix != ".toml" and ready.is_file():
        return ready
    if path.is_file():
        return path
    if (path / EXPERIMENT_TOML).is_file():
        return path / EXPERIMENT_TOML
    if path.is_dir() or reference == EXPERIMENT_TOML:
        folder = path if path.is_dir() else Path.cwd()
        raise UserError(
            f"{folder} has no {EXPERIMENT_TOML}; name a file or a ready experiment "
            "(`heterosis run quick`), or let `heterosis new DIR` write a project",
            code="unknown-name",
        )
    names = sorted(file.stem for file in READY.glob("*.toml"))
    raise UserError(
        f"experiment {reference!r}: no such file, and no ready experiment of that name; "
        f"{did_you_mean(reference, names)}ready are {', '.join(names)}",
        code="unknown-name",
    )


def load_experiment(path: Path | str, settings: Sequence[str] = ()) -> Experiment:
    """Read and check an experiment file, import its plug-ins and fill in the digests.

    Args:
        path: as `find_experiment`'s.
        settings: as `read_experiment`'s.

    Raises:
        UserError: as theirs, or a plug-in cannot be imported, or does not take its settings.
    """
    file = find_experiment(str(path))
    return with_plugins(read_experiment(file, settings), file.resolve().parent, file)


def with_plugins(experiment: Experiment, folder: Path, source: Path | str) -> Experiment:
    """Return an experiment with its plug-ins imported and the digests of their sources filled in.

    Args:
        experiment: names the plug-ins.
        folder: where they are looked for.
        source: the experiment's file or name, for messages.

    Raises:
        UserError: a plug-in cannot be imported, or does not take its settings.
    """
    forget_plugins()
    _check_plugins(source, experiment, str(folder))
    return _with_digests(experiment, str(folder))


def read_experiment(path: Path, settings: Sequence[str] = ()) -> Experiment:
    """Read and check an experiment file as it stands.

    Args:
        path: the file.
        settings: `key=value` pairs that replace what the file says; keys are dotted, an arm is
            named by its name or number (`arms.mean.parents=3`), values are TOML or plain text.

    Raises:
        UserError: the file cannot be read, is not TOML, or breaks a rule: one line a breach.
    """
    try:
        # Some editors put a byte order mark first.
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        for setting in settings:
            _apply(table, setting)
        return Experiment.model_validate(table)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror}", code="experiment-file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML: {error}", code="experiment-file") from error
    except RecursionError as error:
        raise UserError(f"{path}: {TOO_DEEP}", code="experiment-file") from error
    except ValidationError as error:
        text = explained(str(path), error, table)
        raise UserError(text, code="experiment-file") from error


def recorded_experiment(run: RunDir) -> Experiment:
    """Read the experiment that a run directory keeps, which is the run's own record.

    Raises:
        UserError: it cannot be read, or is not what a run writes.
    """
    try:
        return read_experiment(run.experiment_toml)
    except UserError as error:
        why = str(error).splitlines()[0]
        raise UserError(
            f"{why}; it is the run's own record, and damaged: put it back from a copy, or let "
            "`heterosis run` with --fresh move the run aside",
            code="run-damaged",
        ) from error


def _check_plugins(source: Path | str, experiment: Experiment, folder: str) -> None:
    """Check plug-ins before a run, so that mistakes do not first show on the workers."""
    network = experiment.network
    try:
        lookup({**COLLECTIONS, **READERS}, experiment.data.name, "data.name", folder)
        if experiment.data.name in READERS:
            make_reader(experiment.data.name, experiment.data.params).files(Path(folder))
        builder = lookup(BUILDERS, network.builder, "network.builder", folder)
        check_settings(f"network.builder {network.builder!r}", builder, network.params, given=())
        for plugin in experiment.training.plugins:
            load_plugin(plugin, folder)
        for name, gene in (experiment.space or {}).items():
            if gene.of == "network":
                what = f"space.{name}: network.builder {network.builder!r}"
                check_settings(what, builder, {name: None}, given=())
        for arm in experiment.arms:
            for halt in arm.halts:
                for key, (_, operator) in halt.operators().items():
                    if is_plugin(operator.name):
                        function = load_plugin(operator.name, folder)
                        what = f"arms.{arm.name}.{key} {operator.name!r}"
                        check_settings(what, function, operator.params)
    except UserError as error:
        raise UserError(f"{source}: {error}", code=error.code) from error


def _with_digests(experiment: Experiment, folder: str) -> Experiment:
    changes: dict[str, Any] = {}
    if is_plugin(experiment.data.name):
        files = files_named(experiment.data.name, experiment.data.params, folder)
        digest = plugin_digest(experiment.data.name, folder, files)
        changes["data"] = replace(experiment.data, digest=digest)
    if experiment.data.name in READERS:
        reader = make_reader(experiment.data.name, experiment.data.params)
        digest = content_digest(reader, Path(folder))
        changes["data"] = replace(experiment.data, digest=digest)
    if named := experiment.training.plugins:
        digest = joint_digest(plugin_digest(each, folder) for each in named)
        changes["training"] = replace(experiment.training, digest=digest)
    if is_plugin(experiment.network.builder):
        digest = plugin_digest(experiment.network.builder, folder)
        changes["network"] = replace(experiment.network, digest=digest)
    if experiment.data.folder is not None:
        # Workers run in other folders.
        folder = str(Path(os.path.expanduser(experiment.data.folder)).absolute())
        data = changes.get("data", experiment.data)
        changes["data"] = replace(data, folder=folder)
    return experiment.model_copy(update=changes)


def plugin_files(experiment: Experiment, folder: str) -> dict[str, str]:
    """Return the SHA-256 of every file that an experiment's plug-ins are in or known to read.

    Args:
        experiment: whose plug-ins they are, those of its halts among them.
        folder: where they are looked for.

    Returns:
        The digests by the files' names.
    """
    found: dict[str, str] = {}
    for name, params in _plugins(experiment):
        found |= plugin_sources(name, folder) | files_named(name, params, folder)
    return found


def plugin_packages(experiment: Experiment, folder: str) -> dict[str, str]:
    """Return the versions of the installed packages that an experiment's own code and data use.

    Args:
        experiment: as of `plugin_files`.
        folder: where its plug-ins are looked for.

    Returns:
        The versions by the packages' names, as they are installed by.
    """
    reader = READERS.get(experiment.data.name)
    imported = {reader.package} if reader is not None and reader.package else set()
    for name in {name for name, _ in _plugins(experiment)}:
        imported |= libraries_of(name, folder)
    found, others = {}, []
    for name in sorted(imported):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # installed by another name than it is imported by
            others.append(name)
    known = packages_distributions() if others else {}  # takes a second
    return found | {name: version(name) for each in others for name in known.get(each, ())}


def _plugins(experiment: Experiment) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every plug-in of an experiment with the settings that may name files."""
    data, network = experiment.data, experiment.network
    chosen = {name: gene.values for name, gene in (experiment.space or {}).items()}
    named = [(data.name, data.params), (network.builder, {**network.params, **chosen})]
    named += [(name, {}) for name in experiment.training.plugins]
    named += [
        (operator.name, operator.params)
        for arm in experiment.arms
        for halt in arm.halts
        for _, operator in halt.operators().values()
    ]
    return ((name, params) for name, params in named if is_plugin(name))


def _apply(table: dict[str, Any], setting: str) -> None:
    key, value = key_value(setting, "--set", "experiment-setting")
    if isinstance(value, str) and "\n" in value and setting.endswith(value):
        raise UserError(
            f"--set {setting!r}: the value has several lines; a value is one of TOML's, or one "
            "line of text",
            code="experiment-setting",
        )
    *path, last = key.split(".")
    place: Any = table
    for part in path:
        place = _step(place, part, setting)
    if not isinstance(place, dict):
        raise UserError(
            f"--set {setting!r}: {'.'.join(path)} is not a table", code="experiment-setting"
        )
    place[last] = value


def _step(place: Any, part: str, setting: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(part, {})
    if isinstance(place, list):
        for index, item in enumerate(place):
            if part == str(index) or (isinstance(item, dict) and item.get("name") == part):
                return item
        names = [item.get("name") for item in place if isinstance(item, dict)]
        raise UserError(
            f"--set {setting!r}: there is no {part!r} among {names}", code="experiment-setting"
        )
    raise UserError(
        f"--set {setting!r}: {part!r} is below a plain value", code="experiment-setting"
    )
