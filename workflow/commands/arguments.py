"""Arguments and options that commands share, and how a shell completes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

_RUN_FOLDERS: Final = ("*", "*/*")


def experiments(incomplete: str) -> list[str]:
    """Return the experiments whose name or path begins as typed."""
    from workflow.experiment.file import READY

    ready = sorted(file.stem for file in READY.glob("*.toml"))
    return [*_begun(ready, incomplete), *_files(incomplete, ".toml")]


def sites(incomplete: str) -> list[str]:
    """Return the sites whose name or path begins as typed."""
    from site_configs.options import SITES

    return [*_begun(SITES, incomplete), *_files(incomplete, ".toml", ".py")]


def runs(incomplete: str) -> list[str]:
    """Return the run directories whose path begins as typed."""
    from apps.records.run_dir import RunDir

    return [
        str(path)
        for pattern in _RUN_FOLDERS
        for path in _matching(incomplete, pattern)
        if RunDir(path).experiment_toml.is_file() and RunDir(path).lock.exists()
    ]


def samples(incomplete: str) -> list[str]:
    """Return the files of samples whose path begins as typed, and `test`."""
    from workflow.runs.predictions import ENDINGS, TEST

    return [*_begun([TEST], incomplete), *_files(incomplete, *ENDINGS)]


def _begun(names: Iterator[str] | list[str] | dict[str, str], incomplete: str) -> Iterator[str]:
    return (name for name in names if name.startswith(incomplete))


def _files(incomplete: str, *endings: str) -> Iterator[str]:
    for pattern in ("*", "*/*"):
        for path in _matching(incomplete, pattern):
            if path.suffix in endings and path.is_file():
                yield str(path)


def _matching(incomplete: str, pattern: str) -> Iterator[Path]:
    """Yield what lies in the folder that was typed so far, and begins as typed."""
    folder, slash, begun = incomplete.rpartition("/")
    base = Path(f"{folder}{slash}" or ".")
    for path in sorted(base.glob(pattern)):
        if path.relative_to(base).parts[0].startswith(begun) and not _is_hidden(path, base):
            yield path


def _is_hidden(path: Path, base: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(base).parts)


Experiment = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="a ready one (quick, poster, ...), PATH.toml, or a folder with an experiment.toml  "
        "[default: the current folder's]",
        autocompletion=experiments,
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="replace a value of the file: training.epochs=10, arms.mean.parents=3",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="tasks at a time  [default: one per core]", show_default=False),
]
Site = Annotated[
    str,
    typer.Option(
        help="a site: local_threads, slurm, PATH.toml, PATH.py, ... (`heterosis sites` lists them)",
        autocompletion=sites,
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="an option of the site"),
]
Runs = Annotated[Path, typer.Option(help="folder of the run directories")]
RunsFolder = Annotated[
    Path, typer.Argument(metavar="RUNS", help="a folder of run directories", show_default=True)
]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="a run directory", autocompletion=runs)
]
