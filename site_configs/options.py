"""What a site is told, and how a site is found by its name or file."""

from __future__ import annotations

import importlib.util
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, TypeVar

import parsl
from pydantic import Field, ValidationError

from apps.errors import UserError, did_you_mean
from apps.strict import Strict, breaches, key_value
from apps.tasks.checkup import Check
from site_configs.scheduler import Block, BlockStates, blocks, check_addresses, told_by_parsl
from site_configs.shell import check_folder


@dataclass(frozen=True)
class SiteOptions:
    """What every site is told.

    Attributes:
        run_dir: folder for Parsl's own files, one per run.
        workers: tasks at a time; None for one per core that this process may use.
        threads: intra-op threads of a task.
        longest_task_s: the driver's estimate of the longest task; None if it has none.
        settings: the site's own options, from its TOML file and the command line.
    """

    run_dir: str
    workers: int | None = None
    threads: int = 1
    longest_task_s: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def workers_here(self) -> int:
        """Workers on this machine: as asked, or as many as fill its cores."""
        return self.workers or max(1, len(os.sched_getaffinity(0)) // self.threads)


MakeConfig = Callable[[SiteOptions], parsl.Config]
CheckSite = Callable[[parsl.Config], Iterable[Check]]

SITES: Final = {
    "local_threads": "threads of this process (the default): quick to start, one machine",
    "local_processes": "worker processes on this machine through Parsl's HighThroughputExecutor",
    "slurm": "nodes of a cluster with Slurm; start from a copy of slurm-cpu.toml or slurm-gpu.toml",
    "pbs": "nodes of a cluster with PBS Pro or OpenPBS; start from a copy of pbs-polaris.toml",
}
"""The sites that come with the project, each with a description."""

READY: Final = Path(__file__).parent / "ready"
"""Folder of TOML files to copy."""

_RETURNS: Final[dict[str, tuple[type, str]]] = {
    "make_config": (parsl.Config, "a parsl.Config is needed"),
    "check": (Check, "findings are apps.tasks.checkup.Check"),
    "block_states": (Mapping, "a mapping of job ids to states is needed"),
}
"""The functions that a site may have, and what each one returns."""

_Settings = TypeVar("_Settings", bound=Strict)


class LocalSettings(Strict):
    """Options of the sites on this machine.

    Attributes:
        cores_per_task: cores, and intra-op threads, of a task.
    """

    cores_per_task: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True)
class Site:
    """A place where tasks can run.

    Attributes:
        name: as the user gave it.
        settings: the site's own options.
        make_config: makes the configuration.
        check: looks at what is needed on the driver's side before any block is asked for.
        block_states: asks the scheduler for the state of jobs.
    """

    name: str
    settings: Mapping[str, Any]
    make_config: MakeConfig
    check: CheckSite = check_addresses
    block_states: BlockStates = told_by_parsl

    @property
    def threads(self) -> int:
        """Intra-op threads of a task."""
        cores = self.settings.get("cores_per_task", 1)
        return cores if isinstance(cores, int) and cores > 0 else 1

    def config(
        self, run_dir: Path, workers: int | None, longest_task_s: float | None = None
    ) -> parsl.Config:
        """Return the site's configuration.

        Raises:
            UserError: an option is unknown or breaks a rule; or a factory of the user's own fails;
                or the site's jobs would not find `run_dir`.
        """
        options = SiteOptions(
            str(run_dir), workers, self.threads, longest_task_s, dict(self.settings)
        )
        config = self.make_config(options)
        check_folder(self.name, config, run_dir)
        return config

    def blocks(self, executor: Any) -> list[Block]:
        """Return the blocks of one of the site's executors."""
        return blocks(executor, self.block_states)


def find_site(reference: str, options: Sequence[str] = ()) -> Site:
    """Return a site: one of `SITES` by name, a TOML file of options, or a Python file.

    Args:
        reference: a name; PATH.toml with a table `[site]`, whose `name` is one of the others; or
            PATH.py with `make_config(options)` and, as it likes, `check(config)` and
            `block_states(jobs)`, see `Site`.
        options: `key=value` pairs that are added to the site's options, or replace them.

    Raises:
        UserError: there is no such site, its file cannot be used, or an option is no `key=value`.
    """
    given = dict(key_value(option, "--option", "site-option") for option in options)
    path = Path(reference)
    if path.suffix == ".toml":
        table = _table(path)
        name = str(table.pop("name"))
        below = path.parent / name if name.endswith(".py") else name
        return Site(reference, {**table, **given}, **_functions(str(below)))
    return Site(reference, given, **_functions(reference))


def checked_settings(site: str, model: type[_Settings], settings: Mapping[str, Any]) -> _Settings:
    """Return a site's options, checked.

    Raises:
        UserError: an option is unknown or breaks a rule; one line a breach.
    """
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        lines = [
            f"site {site}: {each.told('.'.join(map(str, each.place)))}" for each in breaches(error)
        ]
        raise UserError("\n".join(lines), code="site-option") from error


def interpreter_first_on_path() -> str:
    """Put this interpreter's own programs first on PATH, and return that PATH.

    Parsl starts its interchange and worker pools by name; from a virtual environment that is not
    activated they would not be found.
    """
    programs = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folders[0] != programs:
        os.environ["PATH"] = os.pathsep.join([programs, *folders])
    return os.environ["PATH"]


def _functions(reference: str) -> dict[str, Any]:
    """Return the functions of a site by name: make_config, and which others it has."""
    if reference in SITES:
        module = importlib.import_module(f"site_configs.{reference}")
        return {name: getattr(module, name) for name in _RETURNS if hasattr(module, name)}
    path = Path(reference)
    if path.suffix != ".py":
        raise UserError(
            f"site {reference!r} is not known: {did_you_mean(reference, SITES)}known are "
            f"{', '.join(SITES)}, a file of options, PATH.toml, and a file of your own, PATH.py, "
            "with make_config(options)",
            code="unknown-name",
        )
    module = _module(path)
    if not callable(getattr(module, "make_config", None)):
        raise UserError(
            f"site {str(path)!r} has no function make_config(options) that returns a parsl.Config; "
            "site_configs/local_threads.py is the shortest example",
            code="site-file",
        )
    return {
        name: _guarded(path, name, getattr(module, name))
        for name in _RETURNS
        if hasattr(module, name)
    }


def _guarded(path: Path, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a user's file that fails with the file's name."""

    def guarded(*arguments: Any) -> Any:
        try:
            made = function(*arguments)
            # A generator runs when it is asked.
            made = list(made) if name == "check" else made
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise UserError(
                f"site {str(path)!r}: {name} raised {type(error).__name__}: {error}",
                code="site-file",
            ) from error
        kind, what = _RETURNS[name]
        odd = [each for each in (made if name == "check" else [made]) if not isinstance(each, kind)]
        if odd:
            raise UserError(
                f"site {str(path)!r}: {name} returned a {type(odd[0]).__name__}, {what}",
                code="site-file",
            )
        return made

    return guarded


def _table(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(
            f"site {str(path)!r}: cannot be read: {error.strerror}", code="site-file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"site {str(path)!r}: not TOML: {error}", code="site-file") from error
    table = document.get("site")
    if set(document) != {"site"} or not isinstance(table, dict) or "name" not in table:
        raise UserError(
            f"site {str(path)!r}: a file of options has one table, [site], with the name of a "
            f"site ({', '.join(SITES)}, or PATH.py) and its options; {READY} has examples",
            code="site-file",
        )
    return table


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"site {str(path)!r}: there is no such file", code="site-file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"site {str(path)!r}: not a Python file", code="site-file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"site {str(path)!r} raised {type(error).__name__}: {error}", code="site-file"
        ) from error
    return module
