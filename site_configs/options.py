"""What a site is told, and how a site is found by its name or file."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import parsl

from apps.errors import UserError


@dataclass(frozen=True)
class SiteOptions:
    """What every site is told.

    Attributes:
        run_dir: folder for Parsl's own files, one a run.
        workers: tasks at a time; None for one a core that this process may use.
        threads: intra-op threads of a task.
    """

    run_dir: str
    workers: int | None = None
    threads: int = 1

    @property
    def workers_here(self) -> int:
        """Workers on this machine: as asked, or as many as fill its cores."""
        return self.workers or max(1, len(os.sched_getaffinity(0)) // self.threads)


MakeConfig = Callable[[SiteOptions], parsl.Config]

SITES: Final = {
    "local_threads": "threads of this process (the default): quick to start, one machine",
    "local_processes": "worker processes on this machine through Parsl's HighThroughputExecutor",
}
"""The sites that come with the project, with a line on each."""


def find_site(reference: str) -> MakeConfig:
    """Return a site's factory: one of `SITES` by name, or `make_config` of a Python file.

    Raises:
        UserError: there is no such site, or its file has no `make_config`. A factory of the user's
            own raises it when it fails or returns something else than a `parsl.Config`.
    """
    if reference in SITES:
        module = importlib.import_module(f"site_configs.{reference}")
        found: MakeConfig = module.make_config
        return found
    path = Path(reference)
    if path.suffix != ".py":
        nearest = get_close_matches(reference, SITES, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise UserError(
            f"site {reference!r} is not known: {hint}known are {', '.join(SITES)}, "
            "and a file of your own, PATH.py, with make_config(options)"
        )
    return _from_file(path)


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


def _from_file(path: Path) -> MakeConfig:
    if not path.is_file():
        raise UserError(f"site {str(path)!r}: there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"site {str(path)!r}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"site {str(path)!r} raised {type(error).__name__}: {error}") from error
    make_config = getattr(module, "make_config", None)
    if not callable(make_config):
        raise UserError(
            f"site {str(path)!r} has no function make_config(options) that returns a parsl.Config; "
            "site_configs/local_threads.py is the shortest example"
        )

    def checked(options: SiteOptions) -> parsl.Config:
        try:
            config = make_config(options)
        except (Exception, SystemExit) as error:
            raise UserError(
                f"site {str(path)!r}: make_config raised {type(error).__name__}: {error}"
            ) from error
        if not isinstance(config, parsl.Config):
            raise UserError(
                f"site {str(path)!r}: make_config returned a {type(config).__name__}, "
                "a parsl.Config is needed"
            )
        return config

    return checked
