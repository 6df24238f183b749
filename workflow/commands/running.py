"""`new`, `run`, `plan`: from nothing to a finished run."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workflow.commands.arguments import Experiment, Options, Runs, Settings, Site, Workers
from workflow.commands.printing import bare_table, wide

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from workflow.runs.run import Run


def new(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="folder of the project, made if it does not exist")
    ],
) -> None:
    """Write a small project to start from: an experiment, a network, data, a site to fill in."""
    from site_configs.options import READY
    from workflow.experiment.new_project import SITE_TOML, write_project

    site = (READY / "slurm-cpu.toml").read_text(encoding="utf-8")
    for path in write_project(folder, site.replace("my-cluster.toml", SITE_TOML)):
        print(path)
    print(f"try it: cd {shlex.quote(str(folder))}; heterosis run")


def run(
    context: typer.Context,
    experiment: Experiment = "experiment.toml",
    site: Site = "local_threads",
    options: Options = None,
    workers: Workers = None,
    settings: Settings = None,
    runs: Runs = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(
            help="name of the run directory  [default: the experiment's]", show_default=False
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
            help="time limit of a task, TensorFlow's loading included; it is then tried again",
        ),
    ] = float("inf"),
    checkpoint_every: Annotated[
        float,
        typer.Option(min=0.0, metavar="SECONDS", help="time between partial checkpoints"),
    ] = 600.0,
    time_limit: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="stop in an orderly way after this time: 90s, 45m, 2h, 1d, 1h30m or Slurm's "
            "1:30:00, 2-12:00:00; the same command continues the run",
        ),
    ] = None,
    monitor: Annotated[
        bool,
        typer.Option(
            "--monitor", help="write Parsl's own monitoring to monitoring.db in the run directory"
        ),
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="write members' metrics for TensorBoard to tensorboard/ in the run directory",
        ),
    ] = False,
    other_versions: Annotated[
        bool,
        typer.Option(
            "--other-versions",
            help="continue with other versions of packages than the run was begun with",
        ),
    ] = False,
    note: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="a line of text on the run, which `list`, `status` and the report show; a later "
            'one replaces it, and "" removes it',
        ),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="TAG",
            help="a word to find the run by; can be repeated, and replaced like the note",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="print one line of progress only")
    ] = False,
) -> None:
    """Run an experiment, or continue it.

    Every finished task is kept; the same command again computes only what is missing. Ends with
    the arms' improvement over the control, the champion, and a report.
    """
    from rich.console import Console

    from workflow import launch
    from workflow.driver.displays import LiveDisplay, PlainDisplay
    from workflow.driver.progress import Display

    console = Console()
    display: Display
    if console.is_terminal and not quiet:
        display = LiveDisplay(console)
    else:
        display = PlainDisplay(console, float("inf") if quiet else 10.0)
    try:
        done = (context.obj or launch.run)(
            experiment,
            site=site,
            options=options or (),
            workers=workers,
            settings=settings or (),
            runs=runs,
            name=name,
            fresh=fresh,
            keep=keep,
            task_timeout=task_timeout,
            checkpoint_every=checkpoint_every,
            time_limit=time_limit,
            monitor=monitor,
            tensorboard=tensorboard,
            other_versions=other_versions,
            note=note,
            tags=tags,
            display=display,
            command=["heterosis", *sys.argv[1:]],
            stuck=_leave_at_once,
        )
    except KeyboardInterrupt as error:
        _say_how_to_continue(isinstance(error, launch.RunInterrupted))
        raise typer.Exit(130) from None
    _tell(done, console)
    if done.failed or done.no_champion:
        raise typer.Exit(1)


def plan(
    experiment: Experiment = "experiment.toml",
    settings: Settings = None,
    workers: Workers = None,
    measure: Annotated[
        bool, typer.Option(help="train two epochs here, to estimate time and disk")
    ] = True,
) -> None:
    """Show what an experiment would compute, and its time and disk, without running it."""
    from analysis.statistics.power import visible_in_words
    from apps import runtime
    from apps.datasets.load import prepare, told
    from apps.messages.tasks import Workplace
    from site_configs.options import SiteOptions
    from workflow.experiment.file import find_experiment, load_experiment
    from workflow.preflight.plan import describe_plan
    from workflow.preflight.rehearse import rehearse_experiment

    path = find_experiment(experiment)
    runtime.prepare()
    loaded = load_experiment(path, settings or [])
    place = Workplace(root="", search_path=str(path.resolve().parent))
    remarks: tuple[str, ...] = ()
    if measure:
        prepare(loaded.data, place.search_path)
        remarks = (
            *told(loaded.data, loaded.seed, place.search_path, loaded.training.loss).remarks,
            *rehearse_experiment(path, loaded, place),
        )
    count = workers or SiteOptions(run_dir="").workers_here
    print(describe_plan(loaded, place, count, measure))
    for remark in remarks:
        print(f"note: {remark}")
    if len(loaded.arms) > 1:
        loss = loaded.training.loss
        losses = (loss,) if isinstance(loss, str) else tuple(loss.values())
        print(f"\n{visible_in_words(loaded.trials, len(loaded.arms) - 1, losses)}")


def _leave_at_once() -> None:
    # A thread in the middle of a long epoch cannot be ended otherwise.
    _say_how_to_continue(has_begun=True)
    os._exit(130)


def _say_how_to_continue(has_begun: bool) -> None:
    # Until it has begun, the older run is still in its place.
    words = [each for each in sys.argv[1:] if each != "--fresh" or not has_begun]
    again = shlex.join(["heterosis", *words])
    print(f"stopped; nothing finished is lost. Continue with: {again}", flush=True)


def _tell(done: Run, console: Console) -> None:
    if not done.no_report:
        _print_table(done.arms, console)
    if done.no_champion:
        print(f"no champion: {done.no_champion}", file=sys.stderr)
    else:
        print(f"champion: {done.directory.champion_keras}")
    if not done.no_report:
        print(f"report: {done.report}")
    for each in done.failed:
        log = f" (log: {done.folder / each.log})" if each.log else ""
        print(f"failed: trial {each.trial}, arm {each.arm}: {each.reason}{log}", file=sys.stderr)
    if done.no_report:
        _ = done.report  # raises what there is to say


def _print_table(data: pd.DataFrame, console: Console) -> None:
    table = bare_table()
    for number, name in enumerate(data.columns):
        table.add_column(
            name, justify="right" if number else "left", no_wrap=not number, overflow="fold"
        )
    for row in data.itertuples(index=False):
        table.add_row(*row)
    wide(console).print(table)
