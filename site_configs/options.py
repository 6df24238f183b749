"""What a site is told, and how a site is found by its name or file."""

from __future__ import annotations

import importlib.util
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, TypeVar

import parsl
from pydantic import Field, ValidationError

from apps.errors import UserError
from apps.strict import Strict


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

SITES: Final = {
    "local_threads": "threads of this process (the default): quick to start, one machine",
    "local_processes": "worker processes on this machine through Parsl's HighThroughputExecutor",
    "slurm": "nodes of a cluster with Slurm; needs options, see its file",
    "pbs": "nodes of a cluster with PBS Pro or OpenPBS; needs options, see its file",
}
"""The sites that come with the project, each with a description."""

READY: Final = Path(__file__).parent / "ready"
"""Folder of TOML files to copy."""

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
        make_config: makes the configuration.
        settings: the site's own options.
    """

    name: str
    make_config: MakeConfig
    settings: Mapping[str, Any]

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
            UserError: an option is unknown or breaks a rule; or a factory of the user's own fails.
        """
        options = SiteOptions(
            str(run_dir), workers, self.threads, longest_task_s, dict(self.settings)
        )
        return self.make_config(options)


def find_site(reference: str, options: Sequence[str] = ()) -> Site:
    """Return a site: one of `SITES` by name, a TOML file of options, or a Python file.

    Args:
        reference: a name; PATH.toml with a table `[site]`, whose `name` is one of the others; or
            PATH.py with `make_config(options)`.
        options: `key=value` pairs that are added to the site's options, or replace them.

    Raises:
        UserError: there is no such site, its file cannot be used, or an option is no `key=value`.
    """
    given = dict(_option(option) for option in options)
    path = Path(reference)
    if path.suffix == ".toml":
        table = _table(path)
        name = str(table.pop("name"))
        below = path.parent / name if name.endswith(".py") else name
        return Site(reference, _factory(str(below)), {**table, **given})
    return Site(reference, _factory(reference), given)


def checked_settings(site: str, model: type[_Settings], settings: Mapping[str, Any]) -> _Settings:
    """Return a site's options, checked.

    Raises:
        UserError: an option is unknown or breaks a rule; one line a breach.
    """
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        raise UserError("\n".join(_breaches(site, error)), code="site-option") from error


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


def _factory(reference: str) -> MakeConfig:
    if reference in SITES:
        module = importlib.import_module(f"site_configs.{reference}")
        found: MakeConfig = module.make_config
        return found
    path = Path(reference)
    if path.suffix != ".py":
        nearest = get_close_matches(reference, SITES, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise UserError(
            f"site {reference!r} is not known: {hint}known are {', '.join(SITES)}, a file of "
            "options, PATH.toml, and a file of your own, PATH.py, with make_config(options)",
            code="unknown-name",
        )
    return _from_file(path)


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--option {text!r}: an option has the form key=value", code="site-option")
    try:
        table = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key.strip(), value
    plain = len(table) == 1 and not isinstance(table["value"], date | time)
    return key.strip(), table["value"] if plain else value


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


def _breaches(site: str, error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ")
        shown = f" = {item['input']!r}" if where and item["type"] != "missing" else ""
        yield f"site {site}: {where}{shown}: {text}" if where else f"site {site}: {text}"


def _from_file(path: Path) -> MakeConfig:
    module = _module(path)
    make_config = getattr(module, "make_config", None)
    if not callable(make_config):
        raise UserError(
            f"site {str(path)!r} has no function make_config(options) that returns a parsl.Config; "
            "site_configs/local_threads.py is the shortest example",
            code="site-file",
        )

    def checked(options: SiteOptions) -> parsl.Config:
        try:
            config = make_config(options)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise UserError(
                f"site {str(path)!r}: make_config raised {type(error).__name__}: {error}",
                code="site-file",
            ) from error
        if not isinstance(config, parsl.Config):
            raise UserError(
                f"site {str(path)!r}: make_config returned a {type(config).__name__}, "
                "a parsl.Config is needed",
                code="site-file",
            )
        return config

    return checked


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
