"""One run, from its experiment to its report: what `heterosis run` and `heterosis.run` do."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from math import inf
from pathlib import Path
from threading import Thread
from typing import Any, Final, Literal

from apps import runtime
from apps.datasets.load import prepare
from apps.errors import NotWritten, ReportError, UserError
from apps.files import write_atomic
from apps.messages.results import ExportResult, Failure
from apps.messages.tasks import Workplace
from apps.records.labels import Labels, read_labels, relabelled
from apps.records.run_dir import RunDir
from apps.tasks.perform import Outcome
from apps.training.tensorboard import check_installed
from apps.worker.stopping import Stopped, now, stopping
from site_configs.monitoring import monitor as monitored
from site_configs.options import Site, find_site
from workflow.driver.engine import MakeEngine, ParslEngine, SiteEngine, in_this_process
from workflow.driver.progress import Display, Journal, Tally
from workflow.driver.run import Outcomes, export_champion, run_experiment
from workflow.driver.stall import StallWatch
from workflow.driver.time_limit import TimeLimit, seconds
from workflow.experiment.config import Experiment
from workflow.experiment.file import find_experiment, load_experiment, with_plugins
from workflow.preflight.plan import longest_segment_s
from workflow.preflight.rehearse import Rehearse, rehearse_apart, rehearse_experiment
from workflow.runs.champion_card import write_papers
from workflow.runs.data_notes import noted_data
from workflow.runs.environment import describe as describe_environment
from workflow.runs.growth import added_arms, begun_experiment
from workflow.runs.opening import check_directory, check_sayable, grow, opened, run_directory
from workflow.runs.record import as_begun, described
from workflow.runs.run import FailedArm, Run
from workflow.runs.tables import write_tables

_OF_TASKS: Final = ("parsl", "concurrent.futures")
_LOGGERS: Final = ("workflow", "apps", *_OF_TASKS)


class RunInterrupted(KeyboardInterrupt):
    """A run was told to stop after it had begun."""


class Silent:
    """A display that shows nothing."""

    def show(self, tally: Tally) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""

    def close(self, tally: Tally) -> None:
        """Show nothing."""


def run(
    experiment: Experiment | Path | str,
    *,
    site: str = "local_threads",
    options: Sequence[str] = (),
    workers: int | None = None,
    settings: Sequence[str] = (),
    runs: Path | str = "runs",
    name: str | None = None,
    fresh: bool = False,
    keep: Literal["needed", "all"] = "needed",
    task_timeout: float = float("inf"),
    checkpoint_every: float = 600.0,
    monitor: bool = False,
    tensorboard: bool = False,
    other_versions: bool = False,
    time_limit: str | None = None,
    note: str | None = None,
    tags: Sequence[str] | None = None,
    folder: Path | str | None = None,
    display: Display | None = None,
    command: Sequence[str] = ("heterosis.run",),
    stuck: Callable[[], None] | None = None,
    engine: MakeEngine = ParslEngine,
    rehearse: Rehearse | None = None,
) -> Run:
    """Run an experiment or continue it: only what its directory lacks is computed.

    Nothing is printed, unless `display` does.

    Args:
        experiment: a ready one's name, the path of a file or of its folder, or an `Experiment`.
        site: where tasks run: a site's name, PATH.toml or PATH.py.
        options: `key=value` pairs for the site.
        workers: tasks at a time; one a core if left out.
        settings: `key=value` pairs that replace what a file says; keys are dotted.
        runs: folder of the run directories.
        name: of the run directory; the experiment's if left out.
        fresh: start over; an older run is moved aside.
        keep: which checkpoints stay: those that can still be needed, or all.
        task_timeout: seconds after which a task is tried again.
        checkpoint_every: seconds between partial checkpoints of a long segment.
        monitor: let Parsl write its own monitoring database into the run directory.
        tensorboard: let every member write its metrics for TensorBoard, below the run directory.
        other_versions: go on with other packages or variables than the run was begun with, where
            these make numbers.
        time_limit: how long it may take, as `2h` or `1:30:00`, this call's own beginning included:
            then workers end after their epoch and the run is stopped, to be continued.
        note: a line on the run, kept in its record; None keeps the one that it has.
        tags: words to find it by, in place of those that it has; None keeps them.
        folder: where an `Experiment`'s plug-ins are looked for, the current folder if left out; a
            file's are looked for beside it.
        display: shows the progress.
        command: recorded as the command that started the run.
        stuck: called when the user has stopped the run but a thread of this process is still in an
            epoch, which it must finish.
        engine: makes what runs the tasks; Parsl's if left out.
        rehearse: looks for mistakes in an experiment before it begins, on this machine: if left
            out in this process where its tasks run too, else in one that ends before they begin.

    Returns:
        The run. Arms that failed are in its `failed`; `no_champion` and `no_report` say why one is
        missing.

    Raises:
        UserError: a mistake in what was asked; nothing was computed.
        HeterosisError: the site can bring no workers.
        KeyboardInterrupt: the user or its time limit stopped the run; what was finished is stored.
    """
    limit_s = inf if time_limit is None else seconds(time_limit)
    ends_unix_s = now() + limit_s
    relabelled(Labels(), note, tags)
    runtime.prepare()
    asked = _ask(experiment, settings, folder)
    display = display or Silent()
    directory = run_directory(Path(runs), name, asked.experiment)
    check_sayable(asked.folder, "the experiment's folder")
    if not fresh:
        begun = as_begun(directory, asked.experiment, asked.folder, other_versions)
        asked = replace(asked, experiment=begun)
    where = find_site(site, options)
    place = Workplace(
        root=str(directory.root),
        search_path=str(asked.folder),
        threads=where.threads,
        checkpoint_every_s=checkpoint_every,
        task_timeout_s=task_timeout,
        tensorboard=tensorboard,
        stop_at_unix_s=ends_unix_s,
    )
    if tensorboard:
        check_installed()
    begins = check_directory(directory, asked.experiment, fresh)
    record = described(directory, asked.experiment, asked.folder, begins)
    prepare(asked.experiment.data, place.search_path)
    config = where.config(directory.parsl, workers, longest_segment_s(asked.experiment, place))
    if monitor:
        monitored(config, directory.monitoring_db, asked.experiment.name)
    remarks: Sequence[str] = ()
    if begins or added_arms(asked.experiment, begun_experiment(directory)):
        usual = rehearse_experiment if in_this_process(config) else rehearse_apart
        remarks = (rehearse or usual)(asked.source, asked.experiment, place) or ()
    with (
        opened(directory, asked.experiment, fresh, display.say),
        _logged_to(directory.log),
        _has_begun(),
    ):
        labels = relabelled(read_labels(directory), note, tags)
        environment = labels.written() | describe_environment(command, site, workers, place)
        environment |= record
        write_atomic(directory.environment_json, json.dumps(environment, indent=2).encode())
        noted = noted_data(directory, asked.experiment, place, begins, display.say, remarks)
        with _workers_noted(directory.workers), engine(config, place) as loaded:
            Thread(target=_load_what_comes_last, daemon=True).start()
            grow(directory, asked.experiment, display.say)
            limit = TimeLimit(limit_s, ends_unix_s, loaded.running, display.say)
            outcomes, exported = _drive(
                asked.experiment, loaded, limit, place, directory, display, keep == "all", stuck,
                where,
            )  # fmt: skip
        return _concluded(outcomes, exported, directory, noted["preparation"])


@dataclass(frozen=True)
class _Asked:
    experiment: Experiment
    source: Path | str
    folder: Path


def _ask(
    experiment: Experiment | Path | str, settings: Sequence[str], folder: Path | str | None
) -> _Asked:
    if isinstance(experiment, Experiment):
        if settings:
            raise UserError(
                f"settings {list(settings)}: they replace what a file says, and an Experiment was "
                "given: make it with other values, or give its file",
                code="experiment-object",
            )
        here = Path(folder or ".").resolve()
        source = f"experiment {experiment.name!r}"
        return _Asked(with_plugins(experiment, here, source), source, here)
    if folder is not None:
        raise UserError(
            f"folder {str(folder)!r}: it is for an Experiment; plug-ins of a file lie beside it",
            code="experiment-object",
        )
    path = find_experiment(str(experiment))
    return _Asked(load_experiment(path, settings), path, path.resolve().parent)


def _drive(
    experiment: Experiment,
    engine: SiteEngine,
    limit: TimeLimit,
    place: Workplace,
    directory: RunDir,
    display: Display,
    keep_all: bool,
    stuck: Callable[[], None] | None,
    site: Site,
) -> tuple[Outcomes, Outcome | None]:
    objective = experiment.training.objective
    journal = Journal(directory.events_jsonl, objective, display, engine.running)
    how = "broke off"
    try:
        stall = StallWatch(engine, lambda: engine.blocks(site.blocks), display.say)
        outcomes = run_experiment(experiment, engine, place, [journal, stall, limit], keep_all)
        exported = export_champion(outcomes, engine, directory.champion.name)
        how = "finished"
    except (KeyboardInterrupt, Stopped):
        how = "stopped at its time limit" if limit.reached else "stopped"
        try:
            if not limit.reached:
                display.say("stopping: tasks end their epoch; once more to leave at once")
            clean = engine.stop()
        except KeyboardInterrupt:
            clean = False
        finally:
            journal.close(how)
        if stuck is not None and not clean:
            stuck()
        raise KeyboardInterrupt from None
    except BaseException:
        engine.stop()
        raise
    finally:
        if not how.startswith("stopped"):
            journal.close(how)
    return outcomes, exported


def _load_what_comes_last() -> None:
    """Load the report's libraries while the tasks compute; what is wrong with them is told then."""
    with suppress(Exception):
        import_module("analysis.report.write")


def _concluded(
    outcomes: Outcomes,
    exported: Outcome | None,
    directory: RunDir,
    preparation: Mapping[str, Any],
) -> Run:
    write_tables(outcomes, directory)
    champion = outcomes.champion
    no_champion = "" if champion is not None else "every arm failed in every trial"
    if outcomes.diverged:
        no_champion += (
            ", since all networks diverged: lower the learning rate (training.optimizer_params), "
            "or bring the inputs and targets to the size of 1"
        )
    if isinstance(exported, Failure):
        no_champion = f"it could not be exported: {exported.reason}"
    if champion is not None and isinstance(exported, ExportResult):
        write_papers(outcomes, champion, exported, directory, preparation)
    from analysis.report.write import write_report

    no_report = ""
    try:
        with runtime.collecting_later():
            write_report(directory)
    except (NotWritten, ReportError) as error:
        no_report = str(error)
    failed = tuple(
        FailedArm(trial, arm, failure.reason, failure.log)
        for trial, arm, failure in outcomes.failed_arms
    )
    return Run(directory, failed, no_champion, no_report)


@contextmanager
def _has_begun() -> Iterator[None]:
    """Have an interrupt say that the run had begun: an older one is no longer in its place."""
    try:
        yield
    except KeyboardInterrupt:
        raise RunInterrupted from None


@contextmanager
def _workers_noted(folder: Path) -> Iterator[None]:
    """Have the workers of this start write down what they do, and nothing of an earlier one."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _QuietFile(logging.FileHandler):
    """A log file that stays silent on the terminal when the disk is full."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


def _says_something(record: logging.LogRecord) -> bool:
    """Return whether a record is no failure of a task that only was told to stop.

    Parsl counts such a task as failed, and one that it cannot start any more, too.
    """
    if record.levelno < logging.WARNING:
        return True
    if record.exc_info is not None and isinstance(record.exc_info[1], Stopped):
        return False
    return not (stopping.is_set() and record.name.startswith(_OF_TASKS))


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Write what the driver and Parsl log to a file, and nothing to the terminal."""
    handler = _QuietFile(path)
    handler.addFilter(_says_something)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()
