"""The layout of a run directory: every path of a run is a property or a method of `RunDir`.

What messages and results name is relative to the run directory: the folder of a task, such as
`trial-000/mean/segment-1/member-00`, and a file in it. Names of folders and files are part of what
older runs have on disk and in their records: never rename.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RESULT: Final = "result.json"
"""In a task's folder: its record, written last."""

CHECKPOINT: Final = "checkpoint.safetensors"
"""In a task's folder: the network's state."""

PARTIAL: Final = "partial.safetensors"
"""In the folder of a member part of the way through a segment: its state."""

PARTIAL_RECORD: Final = "partial.json"
"""Beside `PARTIAL`: what was recorded until then."""

LESSONS: Final = "lesson-*.safetensors"
"""In the folder of a halt's teachers: their predictions, a file for each group of teachers."""

LOST: Final = "lost.txt"
"""In a child's folder: which layers and units of its parents it does not have."""

ERROR_LOG: Final = "error.txt"
"""In a task's folder: the traceback of its failure."""

FAILURE: Final = "failure.json"
"""In a task's folder: the record of a failure that another attempt would repeat."""

MEMORY_NOTE: Final = "memory.json"
"""In the folder of a task that a worker process computes: the most memory it held so far."""

CHAMPION: Final = "champion.keras"
"""In the folder of the champion: the network as a Keras file."""

_SEGMENT: Final = "segment-"


@dataclass(frozen=True)
class RunDir:
    """One run's directory. Nothing is created by naming a path."""

    root: Path

    @property
    def experiment_toml(self) -> Path:
        """The completed experiment, every default written out."""
        return self.root / "experiment.toml"

    @property
    def environment_json(self) -> Path:
        """Versions, host, command and commit of the newest start."""
        return self.root / "environment.json"

    @property
    def data_json(self) -> Path:
        """What became of the data, and what looks odd of them."""
        return self.root / "data.json"

    @property
    def events_jsonl(self) -> Path:
        """The events of the run, a line each: what `heterosis status` reads."""
        return self.root / "events.jsonl"

    @property
    def log(self) -> Path:
        """The driver's log."""
        return self.root / "heterosis.log"

    @property
    def lock(self) -> Path:
        """The lock file of the driver that works on the run."""
        return self.root / "driver.lock"

    @property
    def workers(self) -> Path:
        """Folder of what each worker does, as long as a driver is at work."""
        return self.root / "workers"

    @property
    def parsl(self) -> Path:
        """Parsl's own run directory."""
        return self.root / "parsl"

    @property
    def monitoring_db(self) -> Path:
        """Parsl's own monitoring, where it was asked for: a database of SQLite."""
        return self.root / "monitoring.db"

    @property
    def tensorboard(self) -> Path:
        """What `tensorboard --logdir` is given: event files, in a folder for each task."""
        return self.root / "tensorboard"

    @property
    def replay(self) -> Path:
        """Folder in which the champion's line of descent is trained again."""
        return self.root / "replay"

    def results(self, arm: str | None = None) -> Iterator[Path]:
        """The records of the tasks that have finished, as they are found: all, or an arm's own."""
        within = "trial-*" if arm is None else f"trial-*/{arm}"
        return self.root.glob(f"{within}/**/{RESULT}")

    def trials(self) -> Iterator[Path]:
        """The folders of the trials that were begun, as they are found."""
        return self.root.glob("trial-*")

    @staticmethod
    def is_kept_for_folders(arm: str) -> bool:
        """Whether an arm's folder could not be told from one of a segment that arms share."""
        return arm.startswith(_SEGMENT)

    @staticmethod
    def arm_folder(trial: int, arm: str | None) -> str:
        """Return an arm's folder in a trial; that of all arms, for what they share, for None."""
        return f"trial-{trial:03d}" if arm is None else f"trial-{trial:03d}/{arm}"

    @staticmethod
    def member_folder(within: str, segment: int, member: int) -> str:
        """Return the folder of a member's task in a segment; `within` is as `arm_folder` says."""
        return f"{within}/{_SEGMENT}{segment}/member-{member:02d}"

    @staticmethod
    def halt_folder(trial: int, arm: str, halt: int) -> str:
        """Return the folder of the mating at a halt."""
        return f"{RunDir.arm_folder(trial, arm)}/halt-{halt}"

    @staticmethod
    def teachers_folder(trial: int, arm: str, halt: int) -> str:
        """Return the folder of the teachers at a halt."""
        return f"{RunDir.arm_folder(trial, arm)}/teachers-{halt}"

    @staticmethod
    def lesson_file(folder: str, number: int) -> str:
        """Return the file of one group's predictions in a folder of teachers."""
        return f"{folder}/{LESSONS.replace('*', str(number))}"

    @staticmethod
    def harvest_folder(trial: int, arm: str) -> str:
        """Return the folder of an arm's harvest."""
        return f"{RunDir.arm_folder(trial, arm)}/harvest"

    @property
    def tables(self) -> Path:
        """Folder of the result tables."""
        return self.root / "tables"

    def table(self, name: str) -> Path:
        """One result table, named as in `apps.records.tables_schema.TABLES`."""
        return self.tables / f"{name}.parquet"

    @property
    def csv(self) -> Path:
        """Folder of the tables as CSV, where no other is asked for."""
        return self.root / "csv"

    @property
    def champion(self) -> Path:
        """Folder of the run's best network."""
        return self.root / "champion"

    @property
    def champion_keras(self) -> Path:
        """The best network as a Keras file."""
        return self.champion / CHAMPION

    @property
    def card_json(self) -> Path:
        """What the champion is."""
        return self.champion / "card.json"

    @property
    def pedigree_json(self) -> Path:
        """The champion's line of descent."""
        return self.champion / "pedigree.json"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "report"

    @property
    def report_html(self) -> Path:
        """The report's page."""
        return ReportDir(self.report).html

    @property
    def report_so_far(self) -> Path:
        """Folder of the report on a run that is not finished; the last one takes it away."""
        return self.root / "report-so-far"


@dataclass(frozen=True)
class ReportDir:
    """The folder of a report. Nothing is created by naming a path."""

    root: Path

    @property
    def html(self) -> Path:
        """The page."""
        return self.root / "index.html"

    def csv(self, name: str) -> Path:
        """One table of the report's numbers."""
        return self.root / f"{name}.csv"

    def figure(self, name: str, ending: str) -> Path:
        """One figure; `ending` is "svg" or "png"."""
        return self.root / "figures" / f"{name}.{ending}"
