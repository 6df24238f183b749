"""The command `heterosis`: the only place where experiment, site, run directory and report meet."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from analysis.comparison_page import write_comparison
from analysis.findings import MARGIN
from analysis.power import visible_in_words
from analysis.report import arms_table, write_report
from analysis.tables import ReportError, read_tables
from apps.datasets import describe as describe_data
from apps.datasets import prepare
from apps.errors import HeterosisError, UserError
from apps.files import write_atomic
from apps.messages import ExportResult, Failure, Workplace
from apps.specs import DataSpec
from apps.stopping import Stopped
from site_configs.options import READY, SITES, SiteOptions, find_site
from site_configs.scheduler import blocks as describe_blocks
from site_configs.scheduler import check_scheduler
from workflow.champion import write_papers
from workflow.config import Experiment, find_experiment, load_experiment
from workflow.displays import LiveDisplay, PlainDisplay
from workflow.doctor import Patient, diagnose, tell
from workflow.engine import ParslEngine
from workflow.environment import describe as describe_environment
from workflow.experiment import Outcomes, export_champion, run_experiment
from workflow.opening import check_directory, existing_run, opened, run_directory
from workflow.plan import describe_plan, longest_segment_s
from workflow.progress import Display, Journal
from workflow.rehearsing import rehearse_experiment
from workflow.run_dir import RunDir
from workflow.stall import StallWatch
from workflow.status import show_status
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
SiteName = Annotated[
    str, typer.Option(help="local_threads, slurm, PATH.toml, PATH.py, ...: `heterosis sites`")
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="an option of the site"),
]
Runs = Annotated[Path, typer.Option(help="folder of the run directories")]
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
    site: SiteName = "local_threads",
    options: Options = None,
    workers: Workers = None,
    settings: Settings = None,
    runs: Runs = Path("runs"),
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
    task_timeout: Annotated[
        float,
        typer.Option(
            min=1.0,
            metavar="SECONDS",
            help="a task that takes longer, TensorFlow's loading included, is tried again",
        ),
    ] = float("inf"),
    checkpoint_every: Annotated[
        float,
        typer.Option(min=0.0, metavar="SECONDS", help="partial checkpoint of a long segment"),
    ] = 600.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="one line of progress")] = False,
) -> None:
    """Run an experiment, or continue it.

    Every finished task is kept; the same command again computes only what is missing. Ends with
    the arms' improvement over the control, the champion, and a report.
    """
    console = Console()
    path = find_experiment(experiment)
    loaded = load_experiment(path, settings or [])
    run_dir = run_directory(runs, name, loaded)
    where = find_site(site, options or [])
    place = Workplace(
        root=str(run_dir.root),
        search_path=str(path.resolve().parent),
        threads=where.threads,
        checkpoint_every_s=checkpoint_every,
        task_timeout_s=task_timeout,
    )
    try:
        begins = check_directory(run_dir, loaded, fresh)
        prepare(loaded.data.spec, place.search_path)
        config = where.config(run_dir.parsl, workers, longest_segment_s(loaded, place))
        if begins:
            rehearse_experiment(path, loaded, place)
        with opened(run_dir, loaded, fresh):
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
        rehearse_experiment(path, loaded, place)
    count = workers or SiteOptions(run_dir="").workers_here
    print(describe_plan(loaded, place, count, measure))
    if len(loaded.arms) > 1:
        print(f"\n{visible_in_words(loaded.trials, len(loaded.arms) - 1)}")


@app.command()
def status(run: RunFolder) -> None:
    """Show where a run stands: running, stopped or finished."""
    show_status(existing_run(run), Console())


@app.command()
def report(run: RunFolder) -> None:
    """Write the report of a run again from its tables."""
    print(write_report(existing_run(run)))


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="two run directories or more")
    ],
    out: Annotated[Path, typer.Option(help="folder of the page and its tables")] = Path(
        "comparison"
    ),
    margin: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="PERCENT", help="how much higher a loss still counts as none the worse"
        ),
    ] = 100 * MARGIN,
) -> None:
    """Put several runs side by side on one page: arms, cost, and the settings that differ."""
    print(write_comparison([existing_run(run) for run in runs], out, margin / 100))


@app.command()
def sites() -> None:
    """List the sites that come with heterosis, and how to write one."""
    for site, line in SITES.items():
        print(f"{site:16} {line}")
    print(f"PATH.toml        a table [site] with a name and options; copy one from {READY}")
    print(
        "PATH.py          a file of your own with make_config(options) -> parsl.Config; "
        "options has run_dir, workers, threads, longest_task_s, settings"
    )


@app.command()
def doctor(
    site: SiteName = "local_threads",
    options: Options = None,
    runs: Runs = Path("runs"),
    data: Annotated[str, typer.Option(help="data that the workers must find")] = "fashion_mnist",
    patience: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="how long to wait for a worker")
    ] = 120.0,
) -> None:
    """Try a site with one tiny task, and say what a run would trip over."""
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
        describe_blocks,
        patience,
        print,
    )
    if [check for check in checks if not tell(check, print)]:
        raise typer.Exit(1)
    shutil.rmtree(folder)


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="name of the data set")] = "fashion_mnist",
    folder: Annotated[str | None, typer.Option(help="look here and nowhere else")] = None,
) -> None:
    """Say where the data are, or fetch them."""
    spec = DataSpec(name=name, folder=folder, validation=0)
    here = str(Path.cwd())
    prepare(spec, here)
    print(describe_data(spec, here))


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


class _QuietFile(logging.FileHandler):
    """A log that a full disk does not turn into tracebacks on the terminal."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


def _log_to(path: Path) -> None:
    handler = _QuietFile(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    for name in ("workflow", "apps", "parsl", "concurrent.futures"):
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
        stall = StallWatch(engine, lambda: engine.blocks(describe_blocks), display.say)
        outcomes = run_experiment(experiment, engine, place, [journal, stall], keep == "all")
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
    except BaseException:
        engine.stop()
        raise
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
    page: Path | None = None
    trouble: ReportError | None = None
    try:
        page = write_report(run_dir)
        _print_table(arms_table(read_tables(run_dir)), console)
    except ReportError as error:
        trouble = error
    if champion is not None and isinstance(exported, ExportResult):
        print(f"champion: {run_dir.root / exported.path}")
    elif exported is not None:
        print(f"the champion could not be exported: {exported.reason}", file=sys.stderr)
    if page is not None:
        print(f"report: {page}")
    for trial, arm, failure in outcomes.failed_arms:
        log = f" (log: {run_dir.root / failure.log})" if failure.log else ""
        print(f"failed: trial {trial}, arm {arm}: {failure.reason}{log}", file=sys.stderr)
    if trouble is not None:
        again = shlex.join(["heterosis", "report", str(run_dir.root)])
        raise HeterosisError(
            f"there is no report: {trouble}; all is computed and stored, `{again}` tries again"
        ) from trouble


def _print_table(data: pd.DataFrame, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for number, name in enumerate(data.columns):
        table.add_column(
            name, justify="right" if number else "left", no_wrap=not number, overflow="fold"
        )
    for row in data.itertuples(index=False):
        table.add_row(*row)
    # Where the output goes to a file there is no width to fit into.
    wide = console if console.is_terminal else Console(width=200)
    wide.print(table)
