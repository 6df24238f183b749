"""A run as an object: its tables, its arms, its report, its champion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pandas as pd

from analysis.tables import loss_names, read_tables, training_of
from apps.champion import Asked, Champion, load_champion
from apps.datasets.arrays import Named
from apps.datasets.preparation import Preparation
from apps.errors import HeterosisError, ReportError, first_line
from apps.files import DamagedFile
from apps.messages.fingerprints import from_json
from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.records.json_records import AGAIN, not_written_by_a_run, read_record
from apps.records.labels import Labels, read_labels
from apps.records.run_dir import RunDir
from workflow.experiment.config import Experiment, Training
from workflow.experiment.file import recorded_experiment
from workflow.runs.opening import existing_run
from workflow.runs.predictions import read_asked

if TYPE_CHECKING:
    from workflow.driver.progress import Tally
    from workflow.runs.status import State

_CARD: Final = RunDir(Path()).card_json.name
_KERAS: Final = RunDir(Path()).champion_keras.name


@dataclass(frozen=True)
class FailedArm:
    """An arm that has no champion in a trial; `log` is a file below the run directory, or ""."""

    trial: int
    arm: str
    reason: str
    log: str = ""


@dataclass(frozen=True)
class Run:
    """A run: its tables, report and champion, or how far it is.

    Attributes:
        directory: the run directory.
        failed: the arms without a champion, trial by trial.
        no_champion: why there is no champion; "" if there is one.
        no_report: why there is no report; "" if there is one.
    """

    directory: RunDir
    failed: tuple[FailedArm, ...] = ()
    no_champion: str = ""
    no_report: str = ""

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a run.

        One that is not finished, under way or broken off, has `progress` and a `report` on what is
        whole; its tables and its champion come with its end.

        Raises:
            UserError: `path` is no run directory, or its tables are damaged.
        """
        directory = existing_run(Path(path))
        if not _is_finished(directory):
            return cls(directory, no_champion="the run is not finished")
        trials = read_tables(directory)["trials"]
        failed = trials[trials["status"] != "done"]
        return cls(
            directory,
            tuple(
                FailedArm(int(trial), str(arm), str(reason))
                for trial, arm, reason in zip(
                    failed["trial"], failed["arm"], failed["reason"], strict=True
                )
            ),
            "" if directory.champion_keras.is_file() else f"{directory.champion_keras} is missing",
            "" if directory.report_html.is_file() else f"{directory.report_html} is missing",
        )

    @property
    def folder(self) -> Path:
        """The run directory's path."""
        return self.directory.root

    @property
    def progress(self) -> Tally:
        """How far the run is, now: what `heterosis status` shows."""
        from workflow.runs.status import standing  # late: it knows all that a run goes through

        return standing(self.directory).tally

    @property
    def labels(self) -> Labels:
        """The run's note and tags."""
        return read_labels(self.directory)

    @property
    def state(self) -> State:
        """How the run stands, now: running, finished, stopped, failed or not begun."""
        from workflow.runs.status import standing

        return standing(self.directory).state

    @cached_property
    def experiment(self) -> Experiment:
        """The completed experiment, as it was run."""
        return recorded_experiment(self.directory)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The result tables by name, with the columns and units of `apps.records.tables_schema`.

        Raises:
            UserError: one is missing or cannot be read.
        """
        return read_tables(self.directory)

    @property
    def arms(self) -> pd.DataFrame:
        """The arms as `heterosis run` prints them: one row an arm, all cells text.

        Raises:
            ReportError: the tables are missing or damaged.
        """
        from analysis.report.write import arms_table  # late: it loads what draws figures

        return arms_table(self.tables, loss_names(self.directory), training_of(self.directory))

    @property
    def report(self) -> Path:
        """The report's page; of a run that is not finished, one of what it has, written now.

        Raises:
            HeterosisError: there is none.
        """
        if not _is_finished(self.directory):
            return report_of(self.directory)
        if self.no_report:
            raise HeterosisError(
                f"there is no report: {self.no_report.rstrip('.')}; all is computed and stored, "
                f"`heterosis report {self.folder}` tries again",
                code="report",
            )
        return self.directory.report_html

    def champion(self) -> Any:
        """Return the best network of the run: a `keras.Model`, compiled.

        What other projects call the best model.

        Raises:
            HeterosisError: there is no champion, or its file differs from its record.
            UserError: Keras cannot open it here, for example because the network's own classes are
                missing.
        """
        return self.trained_champion.model

    @cached_property
    def trained_champion(self) -> Champion:
        """The champion with how samples become its inputs; see `champion` for the errors."""
        if self.no_champion:
            raise HeterosisError(
                f"{self.folder}: there is no champion: {self.no_champion}; {AGAIN}",
                code="champion",
            )
        experiment = self.experiment
        return _opened(
            self.directory.champion,
            (experiment.data, experiment.network, experiment.training.spec),
            self.place,
        )

    def predict(self, inputs: Asked) -> Named:
        """Return the champion's outputs for inputs as the data set has them, not yet scaled.

        Args:
            inputs: samples [n, ...], or several arrays by the names of the network's inputs.

        Returns:
            The network's outputs [n, ...], likewise.

        Raises:
            UserError: the inputs are not of the network's shape, or not numbers.
            HeterosisError: as `champion`.
        """
        return self.trained_champion.predict(inputs)

    def samples(self, path: Path | str, unknown: bool = False) -> Named:
        """Return the samples of a file as `predict` takes them.

        Args:
            path: `.npy`; `.npz` with an array `x`, the only one, or one for each input by name;
                `.csv` or `.parquet`, whose columns are the features in order. Of a run on a table
                the columns are found by their names, and made to features as in the training; of a
                run on pictures a picture, or a folder of them.
            unknown: whether a value of a column of categories that no training row had is taken as
                none of them; else it is refused.

        Raises:
            UserError: there is no such file, it is of another kind, or holds something else.
        """
        return read_asked(Path(path), self.trained_champion.preparation, unknown).x

    @property
    def card(self) -> dict[str, Any]:
        """What the champion is: `champion/card.json`.

        Raises:
            UserError: it is missing or damaged.
        """
        return read_record(self.directory.card_json)

    @property
    def origin(self) -> tuple[int, str]:
        """The trial and the arm that the champion comes from.

        Raises:
            UserError: as `card`.
        """
        card = self.card
        trial, arm = card.get("trial"), card.get("arm")
        if not isinstance(trial, int) or not isinstance(arm, str):
            raise not_written_by_a_run(self.directory.card_json, "it names no trial and arm")
        return trial, arm

    @property
    def place(self) -> Workplace:
        """The workplace for tasks of the run that are performed again in this process.

        Plug-ins are looked for where the run found them, or in the current folder if that folder
        does not exist here.
        """
        recorded = read_record(self.directory.environment_json)
        folder = recorded.get("folder")
        there = isinstance(folder, str) and Path(folder).is_dir()
        threads = recorded.get("threads", 1)
        return Workplace(
            root=str(self.folder.absolute()),
            search_path=folder if there else str(Path.cwd()),
            threads=threads if isinstance(threads, int) else 1,
        )


def report_of(directory: RunDir, png: bool = False) -> Path:
    """Write the report of a run again and return its page; if it is not finished, of what it has.

    Args:
        directory: of the run.
        png: write each figure as PNG, too.

    Raises:
        ReportError: nothing of it is finished, or its tables are damaged.
        NotWritten: it can't be written.
    """
    from analysis.report.so_far import SoFar as ReportSoFar  # late: they load what draws figures
    from analysis.report.write import write_report

    if _is_finished(directory):
        return write_report(directory, png=png)
    from workflow.runs.so_far import SoFar, told
    from workflow.runs.status import standing

    stands = standing(directory)
    found = SoFar(directory).look(stands.tally.failures)
    if found.is_nothing:
        other = next(directory.results(), None) is not None
        why = "its results are of another version: they are computed anew" if other else stands.told
        raise ReportError(f"{directory.root}: nothing is finished yet to report on; {why}")
    return write_report(directory, ReportSoFar(found.tables, told(stands, found)), png)


def _is_finished(directory: RunDir) -> bool:
    return directory.table("trials").is_file()  # the last one that a run writes


def champion_at(path: Path) -> Champion:
    """Open the champion of a run, or the folder `champion` of one that was taken elsewhere.

    Raises:
        UserError: there is none, or Keras does not open it here.
        HeterosisError: as `Run.champion`.
    """
    card = path / _CARD
    if RunDir(path).experiment_toml.exists() or not card.is_file():
        return Run.open(path).trained_champion
    recorded = read_record(card)
    try:
        data = from_json(DataSpec, _encoded(recorded["data"]))
        network = from_json(NetworkSpec, _encoded(recorded["network"]))
        training = from_json(Training, _encoded(recorded["training"]))
    except (KeyError, DamagedFile) as error:
        raise not_written_by_a_run(card, first_line(error)) from error
    place = Workplace(root=str(path.absolute()), search_path=str(Path.cwd()))
    return _opened(path, (data, network, training.spec), place)


def _opened(
    folder: Path, specs: tuple[DataSpec, NetworkSpec, TrainingSpec], place: Workplace
) -> Champion:
    """Open a champion by what its card says."""
    card = read_record(folder / _CARD)
    try:
        stored = card.get("preparation")  # a card that is older has none
        preparation = None if stored is None else Preparation.from_json(stored)
        digest, seed = card["sha256"], card["seed"]
    except (KeyError, TypeError) as error:
        raise not_written_by_a_run(folder / _CARD, first_line(error)) from error
    return load_champion(folder / _KERAS, digest, specs, seed, place, preparation)


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()
