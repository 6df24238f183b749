"""What is there, and how it stands.

`list`, `status`, `watch`, `report`, `compare`, `versus`, `merging`, `data`, `sites`, `doctor`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.commands import arguments
from workflow.commands.arguments import Options, RunFolder, Runs, RunsFolder, Site
from workflow.commands.printing import bare_table, wide

if TYPE_CHECKING:
    from rich.console import Console

    from apps.records.run_dir import RunDir
    from workflow.runs.listing import Listed


def list_(
    runs: RunsFolder = Path("runs"),
    tag: Annotated[
        str | None, typer.Option(metavar="TAG", help="only runs that have this tag")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON, with all digits")] = False,
) -> None:
    """List the runs of a folder: state, finished trials, best loss, size, age, tags.

    The most recently changed run comes first.
    """
    from json import dumps

    from workflow.runs.listing import list_runs

    found = list_runs(runs, tag)
    if json:
        print(dumps([each.plain() for each in found], indent=2))
    elif found:
        _print_runs(found)
    else:
        print(f"no runs in {runs}" if tag is None else f"no runs with the tag {tag} in {runs}")


def status(run: RunFolder) -> None:
    """Show a run's state (running, stopped, finished) and progress, once."""
    from rich.console import Console

    from workflow.runs.opening import existing_run
    from workflow.watching.picture import show_once

    show_once(existing_run(run), Console())


def watch(
    run: RunFolder,
    every: Annotated[
        float, typer.Option(min=0.5, metavar="SECONDS", help="time between two updates")
    ] = 3.0,
    once: Annotated[
        bool, typer.Option("--once", help="show it once, like `heterosis status`")
    ] = False,
    html: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="show it as a page too, to browsers on this machine: http://127.0.0.1:PORT; 0 "
            "takes a free port",
        ),
    ] = None,
) -> None:
    """Show a run's state and progress until it ends; from any terminal, or over ssh.

    Progress, losses so far, the best members, workers, failures and warnings: all of it is read
    from files, so that the run is not disturbed. Exit code 0 when the run has finished, 1 when it
    was stopped or broke off.

    The page of --html renews itself, and needs no other program. From elsewhere:
    `ssh -L PORT:127.0.0.1:PORT HOST`.
    """
    from rich.console import Console

    from workflow.runs.opening import existing_run
    from workflow.watching import picture

    if once:
        return status(run)
    directory, console = existing_run(run), Console()
    try:
        if html is None:
            finished = picture.watch(directory, console, every)
        else:
            finished = _watch_page(directory, console, every, html)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if not finished:
        raise typer.Exit(1)


def report(
    run: RunFolder,
    png: Annotated[bool, typer.Option("--png", help="write every figure as PNG, too")] = False,
) -> None:
    """Write a run's report again; of an unfinished run, report what is finished.

    Arms are compared by the trials that are complete, the losses of all are shown, and what is
    missing is said on top. A driver at work is not disturbed: the page is in RUN/report-so-far
    until the run ends and has its report.
    """
    from apps.runtime import collecting_later
    from workflow.runs.opening import existing_run
    from workflow.runs.run import report_of

    with collecting_later():
        print(report_of(existing_run(run), png))


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="two run directories or more", autocompletion=arguments.runs
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder to write the page and its tables to")] = Path(
        "comparison"
    ),
    margin: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="PERCENT",
            help="how much higher a loss may be and still count as not worse  [default: 2]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Put several runs side by side on one page: arms, cost, and the settings that differ."""
    from analysis.report.comparison_page import write_comparison
    from analysis.report.findings import MARGIN
    from workflow.runs.opening import existing_run

    allowed = MARGIN if margin is None else margin / 100
    print(write_comparison([existing_run(run) for run in runs], out, allowed))


def versus(
    run: RunFolder,
    arms: Annotated[
        list[str],
        typer.Argument(metavar="ARM...", help="arms that take the control's place, one by one"),
    ],
    of: Annotated[str | None, typer.Option(metavar="ARM", help="compare this arm alone")] = None,
) -> None:
    """Compare a run's arms with other arms than the control: paired statistics, as CSV."""
    from analysis.statistics.scale import Zero, lowest_loss, without_sole_unit
    from analysis.statistics.versus import versus as compared
    from analysis.tables import loss_names, read_tables
    from workflow.runs.opening import existing_run

    directory = existing_run(run)
    tables = read_tables(directory)
    zero = Zero(lowest_loss(tables), loss_names(directory))
    table = compared(tables["trials"], arms, of, zero=zero)
    print(without_sole_unit(table).round(6).to_csv(index=False), end="")


def merging(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="run directories", autocompletion=arguments.runs),
    ],
) -> None:
    """Measure what merging does to networks, and how much of it alignment repairs, as CSV.

    A row a run, crossover, alignment and halt: losses of the parents and of the child before it
    trains, loss barriers, distances.
    """
    from analysis.statistics.merging import damage_of_runs
    from workflow.runs.opening import existing_run

    table = damage_of_runs([existing_run(run) for run in runs])
    print(table.round(5).to_csv(index=False), end="")


def sites() -> None:
    """List the sites that come with heterosis, and how to write one."""
    from site_configs.options import READY, SITES

    for site, line in SITES.items():
        print(f"{site:16} {line}")
    print(f"PATH.toml        a table [site] with a name and options; copy one from {READY}")
    print(
        "PATH.py          a file of your own with make_config(options) -> parsl.Config; "
        "options has run_dir, workers, threads, longest_task_s, settings; it may also have "
        "check(config), for `heterosis doctor`, and block_states(jobs)"
    )


def doctor(
    site: Site = "local_threads",
    options: Options = None,
    runs: Runs = Path("runs"),
    data: Annotated[
        str, typer.Option(help="data set that the workers must find")
    ] = "fashion_mnist",
    patience: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="how long to wait for a worker")
    ] = 120.0,
) -> None:
    """Check a site with one tiny task, and say what a run there would fail on."""
    import shutil

    from apps.messages.specs import DataSpec
    from site_configs.options import find_site
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
        place.check,
        place.blocks,
        patience,
        print,
    )
    if [check for check in checks if not tell(check, print)]:
        raise typer.Exit(1)
    shutil.rmtree(folder)


def data(
    name: Annotated[
        str, typer.Argument(help="name of a data set, or PATH.toml of an experiment that has data")
    ] = "fashion_mnist",
    folder: Annotated[str | None, typer.Option(help="the only folder to look in")] = None,
) -> None:
    """Find or fetch a data set; of data of your own, show how they are read and what looks odd."""
    from apps.datasets.load import describe, prepare
    from apps.messages.specs import DataSpec
    from workflow.experiment.file import load_experiment

    path = Path(name)
    if path.suffix == ".toml":
        settings = [] if folder is None else [f"data.folder={folder}"]
        experiment = load_experiment(path, settings)
        spec, seed, here = experiment.data, experiment.seed, path.resolve().parent
    else:
        spec, seed, here = DataSpec(name=name, folder=folder, validation=0), 0, Path.cwd()
    prepare(spec, str(here))
    print(describe(spec, str(here), seed))


def _watch_page(directory: RunDir, console: Console, every_s: float, port: int) -> bool:
    """Watch a run in the terminal and on a page; return whether it finished."""
    from workflow.watching import picture
    from workflow.watching.page import served

    with served(port, every_s) as (address, show):
        console.print(f"page: {address}", highlight=False, soft_wrap=True)
        return picture.watch(directory, console, every_s, show)


def _print_runs(found: list[Listed]) -> None:
    import time

    from rich.console import Console
    from rich.filesize import decimal

    from analysis.numerals import duration
    from workflow.driver.progress import four_digits

    table = bare_table()
    for name in ("run", "state", "trials", "best", "size", "age", "tags", "note"):
        table.add_column(name, overflow="fold", no_wrap=name not in ("tags", "note"))
    for each in found:
        best = f"{each.fitness} {four_digits(each.best)}" if each.best == each.best else ""
        table.add_row(
            each.name,
            each.state,
            f"{each.trials_done}/{each.trials}",
            best,
            decimal(each.size_bytes),
            duration(max(0.0, time.time() - each.changed_unix_s)),
            ", ".join(each.tags),
            each.note,
        )
    wide(Console()).print(table, markup=False, highlight=False)
