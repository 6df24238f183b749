"""A run as an object: its tables, its arms, its report, its champion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import pandas as pd

from analysis.report.write import arms_table
from analysis.tables import ReportError, loss_names, read_tables
from apps.champion import Asked, Champion, load_champion
from apps.datasets.arrays import Named
from apps.datasets.sources.reader import Split
from apps.datasets.sources.readers import READERS, make_reader
from apps.datasets.sources.table import TABLES, Table
from apps.errors import HeterosisError, UserError
from apps.messages.tasks import Workplace
from apps.records.run_dir import RunDir
from workflow.experiment.config import Experiment
from workflow.experiment.file import read_experiment
from workflow.runs.opening import existing_run
from workflow.runs.predictions import read_samples

_AGAIN: Final = "start the same `heterosis run` again to have it written"


@dataclass(frozen=True)
class FailedArm:
    """An arm that has no champion in a trial; `log` is a file below the run directory, or ""."""

    trial: int
    arm: str
    reason: str
    log: str = ""


@dataclass(frozen=True)
class Run:
    """What a run left in its directory.

    Attributes:
        directory: where everything is.
        failed: the arms without a champion, trial by trial.
        no_champion: why there is no champion's file; "" when there is one.
        no_report: why there is no report; "" when there is one.
    """

    directory: RunDir
    failed: tuple[FailedArm, ...] = ()
    no_champion: str = ""
    no_report: str = ""

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a finished run.

        Raises:
            UserError: `path` is no run directory, or the run is not finished.
        """
        directory = existing_run(Path(path))
        trials = _tables(directory)["trials"]
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

    @cached_property
    def experiment(self) -> Experiment:
        """The completed experiment, as it was run."""
        return read_experiment(self.directory.experiment_toml)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The result tables by name, with the columns and units of `apps.records.tables_schema`.

        Raises:
            UserError: one is missing or cannot be read.
        """
        return _tables(self.directory)

    @property
    def arms(self) -> pd.DataFrame:
        """The arms as `heterosis run` prints them: one row an arm, all cells text.

        Raises:
            UserError: the tables hold too little to compare.
        """
        try:
            return arms_table(self.tables, loss_names(self.directory))
        except ReportError as error:
            raise UserError(str(error), code="report") from error

    @property
    def report(self) -> Path:
        """The report's page.

        Raises:
            HeterosisError: there is none.
        """
        if self.no_report:
            raise HeterosisError(
                f"there is no report: {self.no_report}; all is computed and stored, "
                f"`heterosis report {self.folder}` tries again",
                code="report",
            )
        return self.directory.report_html

    def champion(self) -> Any:
        """Return the best network of the run: a `keras.Model`, compiled.

        Raises:
            HeterosisError: there is none, or it is not what its record says.
            UserError: Keras does not open it here, for want of the network's own classes, say.
        """
        return self.trained_champion.model

    @cached_property
    def trained_champion(self) -> Champion:
        """The champion with what its inputs are multiplied by; see `champion` for the errors."""
        if self.no_champion:
            raise HeterosisError(
                f"{self.folder}: there is no champion: {self.no_champion}; {_AGAIN}",
                code="champion",
            )
        experiment = self.experiment
        return load_champion(
            self.directory.champion_keras,
            self.card["sha256"],
            (experiment.data, experiment.network, experiment.training.spec),
            experiment.seed,
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

    def samples(self, path: Path | str) -> Named:
        """Return the samples of a file as `predict` takes them.

        Args:
            path: `.npy`; `.npz` with an array `x`, the only one, or one for each input by name;
                `.csv` or `.parquet`, whose columns are the features in order. Of a run on a table
                the columns are found by their names, and made to features as in the training.

        Raises:
            UserError: there is no such file, it is of another kind, or holds something else.
        """
        data = self.experiment.data
        reader = make_reader(data.name, data.params) if data.name in READERS else None
        if isinstance(reader, Table) and Path(path).suffix in TABLES:
            folder = Path(self.place.search_path or ".").absolute()
            split = Split(self.experiment.seed, data.validation)
            return reader.asked(folder, split, Path(path))
        return read_samples(Path(path), self.trained_champion.inputs)

    @property
    def card(self) -> dict[str, Any]:
        """What the champion is: `champion/card.json`.

        Raises:
            UserError: it is missing or damaged.
        """
        return _json(self.directory.champion / "card.json")

    @property
    def place(self) -> Workplace:
        """Where the run's tasks work when they are performed again in this process.

        Plug-ins are looked for where the run found them, or in the current folder when that one is
        not here.
        """
        recorded = _json(self.directory.environment_json)
        folder = recorded.get("folder")
        there = isinstance(folder, str) and Path(folder).is_dir()
        threads = recorded.get("threads", 1)
        return Workplace(
            root=str(self.folder.absolute()),
            search_path=folder if there else str(Path.cwd()),
            threads=threads if isinstance(threads, int) else 1,
        )


def _tables(directory: RunDir) -> dict[str, pd.DataFrame]:
    try:
        return read_tables(directory)
    except ReportError as error:
        raise UserError(str(error), code="report") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: is needed here and cannot be read: {error.strerror}; {_AGAIN}",
            code="run-damaged",
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}; {_AGAIN}", code="run-damaged") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a table is needed here; {_AGAIN}", code="run-damaged")
    return content
