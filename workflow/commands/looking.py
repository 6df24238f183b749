"""`status`, `report`, `compare`, `data`, `sites`, `doctor`: what is there, and how it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow.commands import arguments
from workflow.commands.arguments import Options, RunFolder, Runs, Site


def status(run: RunFolder) -> None:
    """Show where a run stands: running, stopped or finished."""
    from rich.console import Console

    from workflow.runs.opening import existing_run
    from workflow.runs.status import show_status

    show_status(existing_run(run), Console())


def report(run: RunFolder) -> None:
    """Write the report of a run again from its tables."""
    from analysis.report.write import ReportError, write_report
    from apps.errors import UserError
    from workflow.runs.opening import existing_run

    try:
        print(write_report(existing_run(run)))
    except ReportError as error:
        raise UserError(str(error), code="report") from error


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="two run directories or more", autocompletion=arguments.runs
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder of the page and its tables")] = Path(
        "comparison"
    ),
    margin: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="PERCENT",
            help="how much higher a loss still counts as none the worse  [default: 2]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Put several runs side by side on one page: arms, cost, and the settings that differ."""
    from analysis.report.comparison_page import write_comparison
    from analysis.report.findings import MARGIN
    from analysis.tables import ReportError
    from apps.errors import UserError
    from workflow.runs.opening import existing_run

    allowed = MARGIN if margin is None else margin / 100
    try:
        print(write_comparison([existing_run(run) for run in runs], out, allowed))
    except ReportError as error:
        raise UserError(str(error), code="report") from error


def sites() -> None:
    """List the sites that come with heterosis, and how to write one."""
    from site_configs.options import READY, SITES

    for site, line in SITES.items():
        print(f"{site:16} {line}")
    print(f"PATH.toml        a table [site] with a name and options; copy one from {READY}")
    print(
        "PATH.py          a file of your own with make_config(options) -> parsl.Config; "
        "options has run_dir, workers, threads, longest_task_s, settings"
    )


def doctor(
    site: Site = "local_threads",
    options: Options = None,
    runs: Runs = Path("runs"),
    data: Annotated[str, typer.Option(help="data that the workers must find")] = "fashion_mnist",
    patience: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="how long to wait for a worker")
    ] = 120.0,
) -> None:
    """Try a site with one tiny task, and say what a run would trip over."""
    import shutil

    from apps.messages.specs import DataSpec
    from site_configs.options import find_site
    from site_configs.scheduler import blocks, check_scheduler
    from workflow.preflight.doctor import Patient, diagnose, tell

    place = find_site(site, options or [])
    folder = (runs / ".doctor").absolute()
    checks = diagnose(
        Patient(
            config=place.config(folder / "parsl", None),
            folder=folder,
            data=DataSpec(name=data, validation=0),
            cores=place.threads,
            gpus=bool(place.settings.get("gpus_per_node")),
        ),
        check_scheduler,
        blocks,
        patience,
        print,
    )
    if [check for check in checks if not tell(check, print)]:
        raise typer.Exit(1)
    shutil.rmtree(folder)


def data(
    name: Annotated[
        str, typer.Argument(help="name of the data set, or PATH.toml of an experiment: its data")
    ] = "fashion_mnist",
    folder: Annotated[str | None, typer.Option(help="look here and nowhere else")] = None,
) -> None:
    """Say where the data are, or fetch them."""
    from apps.datasets.load import describe, prepare
    from apps.messages.specs import DataSpec
    from workflow.experiment.file import load_experiment

    path = Path(name)
    if path.suffix == ".toml":
        settings = [] if folder is None else [f"data.folder={folder}"]
        spec, here = load_experiment(path, settings).data, path.resolve().parent
    else:
        spec, here = DataSpec(name=name, folder=folder, validation=0), Path.cwd()
    prepare(spec, str(here))
    print(describe(spec, str(here)))
