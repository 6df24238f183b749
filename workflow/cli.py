"""The command `heterosis`: the only place where experiment, site, run directory and report meet."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from analysis.report import arms_table, write_report
from analysis.tables import ReportError, read_tables
from apps.datasets import describe as describe_data
from apps.datasets import prepare
from apps.errors import HeterosisError, UserError
from apps.files import write_atomic
from apps.messages import DataSpec, ExportResult, Failure, Workplace
from apps.stopping import Stopped
from site_configs.options import SITES, SiteOptions, find_site
from workflow.champion import write_papers
from workflow.config import (
    Experiment,
    differing_keys,
    find_experiment,
    load_experiment,
    read_experiment,
)
from workflow.engine import ParslEngine
from workflow.environment import describe as describe_environment
from workflow.experiment import Outcomes, export_champion, run_experiment
from workflow.lock import driver_at_work, only_driver
from workflow.plan import describe_plan
from workflow.progress import (
    Display,
    Journal,
    LiveDisplay,
    PlainDisplay,
    Tally,
    draw,
    read_tally,
)
from workflow.run_dir import RunDir
from workflow.tables import write_tables

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Train populations of neural networks on a cluster; halt, cross, mutate, train on.

An **experiment** (a TOML file) says what is run, a **site** where. Try `heterosis run quick`.
Running the same command again continues a run that was stopped.""",
)

ExperimentName = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="a ready one (quick, poster, ...) or PATH.toml")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="replace a value of the file, e.g. training.epochs=10 or arms.mean.parents=3",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="tasks at a time  [default: one a core]", show_default=False),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")]


@app.callback()
def _common(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of errors")] = False,
) -> None:
    context.obj = {"debug": debug}


@app.command()
def run(
    experiment: ExperimentName,
    site: Annotated[
        str, typer.Option(help="local_threads, slurm, PATH.toml, PATH.py, ...: `heterosis sites`")
    ] = "local_threads",
    options: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="an option of the site"),
    ] = None,
    workers: Workers = None,
    settings: Settings = None,
    runs: Annotated[Path, typer.Option(help="folder of the run directories")] = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(
            help="of the run directory  [default: the experiment's name]", show_default=False
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="start over; an older run is moved aside, not deleted")
    ] = False,
    keep: Annotated[
        Literal["needed", "all"], typer.Option(help="which checkpoints stay on disk")
    ] = "needed",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="one line of progress")] = False,
) -> None:
    """Run an experiment, or continue it.

    Every finished task is kept; the same command again computes only what is missing. Ends with
    the arms' improvement over the control, the champion, and a report.
    """
    console = Console()
    path = find_experiment(experiment)
    loaded = load_experiment(path, settings or [])
    run_dir = RunDir((runs / (name or loaded.name)).absolute())
    where = find_site(site, options or [])
    place = Workplace(
        root=str(run_dir.root), search_path=str(path.resolve().parent), threads=where.threads
    )
    prepare(loaded.data.spec, place.search_path)
    config = where.config(run_dir.parsl, workers)
    if fresh:
        _move_aside(run_dir)
    _open_run(run_dir, loaded)
    try:
        with only_driver(run_dir.lock):
            _log_to(run_dir.log)
            environment = describe_environment(["heterosis", *sys.argv[1:]], site, workers)
            write_atomic(run_dir.environment_json, json.dumps(environment, indent=2).encode())
            with ParslEngine(config, place) as engine:
                outcomes, exported = _drive(loaded, engine, place, run_dir, console, keep, quiet)
            _conclude(outcomes, exported, run_dir, console)
    except KeyboardInterrupt:
        _say_how_to_continue()
        raise typer.Exit(130) from None
    if outcomes.failed_arms or isinstance(exported, Failure):
        raise typer.Exit(1)


@app.command()
def plan(
    experiment: ExperimentName,
    settings: Settings = None,
    workers: Workers = None,
    measure: Annotated[
        bool, typer.Option(help="train two epochs here, to estimate time and disk")
    ] = True,
) -> None:
    """Say what an experiment would compute, store and take, without running it."""
    path = find_experiment(experiment)
    loaded = load_experiment(path, settings or [])
    place = Workplace(root="", search_path=str(path.resolve().parent))
    if measure:
        prepare(loaded.data.spec, place.search_path)
    count = workers or SiteOptions(run_dir="").workers_here
    print(describe_plan(loaded, place, count, measure))


@app.command()
def status(run: RunFolder) -> None:
    """Show where a run stands: running, stopped or finished."""
    run_dir = _existing(run)
    tally = read_tally(run_dir.events_jsonl) if run_dir.events_jsonl.exists() else Tally()
    if not tally.total:
        print(f"nothing was submitted yet; {_liveness(run_dir)}")
        return
    Console().print(draw(tally))
    state = tally.ended or _liveness(run_dir)
    last = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(tally.now_unix_s))
    print(f"{state}; last event {last}")
    for event in tally.failures[:20]:
        log = f" (log: {run_dir.root / event['log']})" if event["log"] else ""
        print(f"{event['folder']}: {event['status']}: {event['reason']}{log}")


@app.command()
def report(run: RunFolder) -> None:
    """Write the report of a run again from its tables."""
    print(write_report(_existing(run)))


@app.command()
def sites() -> None:
    """List the sites that come with heterosis, and how to write one."""
    for site, line in SITES.items():
        print(f"{site:16} {line}")
    print(
        "PATH.py          a file of your own with make_config(options) -> parsl.Config; "
        "options has run_dir, workers, threads"
    )


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="name of the data set")] = "fashion_mnist",
    folder: Annotated[str | None, typer.Option(help="look here and nowhere else")] = None,
) -> None:
    """Say where the data are, or fetch them."""
    spec = DataSpec(name=name, folder=folder, validation=0)
    prepare(spec)
    print(describe_data(spec))


def main() -> None:
    """Run the command; errors meant for the user become one line and exit code 2."""
    # A driver under Slurm is ended with SIGTERM: stop as for Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    debug = "--debug" in sys.argv
    try:
        app()
    except (UserError, ReportError) as error:
        _fail(error, 2, debug)
    except (HeterosisError, OSError) as error:
        _fail(error, 1, debug)


def _interrupt(*_: object) -> None:
    # Not by raising SIGINT: a shell's background job ignores that.
    raise KeyboardInterrupt


def _fail(error: Exception, code: int, debug: bool) -> None:
    if debug:
        raise error
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
    sys.exit(code)


def _open_run(run_dir: RunDir, experiment: Experiment) -> None:
    try:
        run_dir.root.mkdir(parents=True, exist_ok=True)
        if not run_dir.experiment_toml.exists():
            write_atomic(run_dir.experiment_toml, experiment.to_toml().encode())
            return
    except OSError as error:
        raise UserError(
            f"{error.filename or run_dir.root}: the run directory cannot be written: "
            f"{error.strerror}; choose another folder with --runs"
        ) from error
    # Read as an experiment, so that a setting that is younger than the run has its default.
    stored = read_experiment(run_dir.experiment_toml)
    differing = differing_keys(stored.completed(), experiment.completed())
    if differing:
        more = f"; and {len(differing) - 8} more" if len(differing) > 8 else ""
        raise UserError(
            f"{run_dir.root} belongs to another experiment, which differs in "
            f"{'; '.join(differing[:8])}{more}; choose another --name, or --fresh to move the old "
            "run aside"
        )


def _move_aside(run_dir: RunDir) -> None:
    if not run_dir.root.exists():
        return
    # The lock of a driver at work is respected before its files are moved.
    with only_driver(run_dir.lock):
        number = 1
        while (aside := run_dir.root.with_name(f"{run_dir.root.name}.{number}")).exists():
            number += 1
        run_dir.root.rename(aside)
    print(f"the older run is now {aside}")


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    for name in ("workflow", "apps", "parsl"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False


def _drive(
    experiment: Experiment,
    engine: ParslEngine,
    place: Workplace,
    run_dir: RunDir,
    console: Console,
    keep: str,
    quiet: bool,
) -> tuple[Outcomes, Any]:
    display: Display
    if console.is_terminal and not quiet:
        display = LiveDisplay(console)
    else:
        display = PlainDisplay(console, float("inf") if quiet else 10.0)
    journal = Journal(run_dir.events_jsonl, experiment.training.fitness, display, engine.running)
    how = "broke off"
    try:
        outcomes = run_experiment(experiment, engine, place, [journal], keep == "all")
        exported = export_champion(outcomes, engine, run_dir.champion.name)
        how = "finished"
    except (KeyboardInterrupt, Stopped):
        how = "stopped"
        clean = engine.stop()
        journal.close(how)
        _say_how_to_continue()
        if not clean:
            # A thread in the middle of a long epoch cannot be ended otherwise.
            os._exit(130)
        raise typer.Exit(130) from None
    finally:
        if how != "stopped":
            journal.close(how)
    return outcomes, exported


def _say_how_to_continue() -> None:
    again = shlex.join(["heterosis", *(each for each in sys.argv[1:] if each != "--fresh")])
    print(f"stopped; nothing finished is lost. Continue with: {again}", flush=True)


def _conclude(outcomes: Outcomes, exported: Any, run_dir: RunDir, console: Console) -> None:
    write_tables(outcomes, run_dir)
    champion = outcomes.champion
    if champion is not None and isinstance(exported, ExportResult):
        write_papers(outcomes, champion, exported, run_dir)
    page = write_report(run_dir)
    _print_table(arms_table(read_tables(run_dir)), console)
    if champion is not None and isinstance(exported, ExportResult):
        print(f"champion: {run_dir.root / exported.path}")
    elif exported is not None:
        print(f"the champion could not be exported: {exported.reason}", file=sys.stderr)
    print(f"report: {page}")
    for trial, arm, failure in outcomes.failed_arms:
        log = f" (log: {run_dir.root / failure.log})" if failure.log else ""
        print(f"failed: trial {trial}, arm {arm}: {failure.reason}{log}", file=sys.stderr)


def _print_table(data: pd.DataFrame, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for number, name in enumerate(data.columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=not number)
    for row in data.itertuples(index=False):
        table.add_row(*row)
    # Where the output goes to a file there is no width to fit into.
    wide = console if console.is_terminal else Console(width=200)
    wide.print(table)


def _existing(path: Path) -> RunDir:
    run_dir = RunDir(path)
    if not run_dir.experiment_toml.is_file():
        raise UserError(f"{path}: not a run directory: it has no experiment.toml")
    return run_dir


def _liveness(run_dir: RunDir) -> str:
    holder = driver_at_work(run_dir.lock)
    if holder is None:
        return "broke off without an end; run the same command again to continue"
    return f"running ({holder})"
