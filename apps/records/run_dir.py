"""The layout of a run directory: every path of a run is a property or a method of `RunDir`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


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
        """What happened, a line each: the source of `heterosis status`."""
        return self.root / "events.jsonl"

    @property
    def log(self) -> Path:
        """The driver's log."""
        return self.root / "heterosis.log"

    @property
    def lock(self) -> Path:
        """Held by the one driver that works on the run."""
        return self.root / "driver.lock"

    @property
    def parsl(self) -> Path:
        """Parsl's own run directory."""
        return self.root / "parsl"

    @property
    def monitoring_db(self) -> Path:
        """Parsl's own monitoring, where it was asked for: a database of SQLite."""
        return self.root / "monitoring.db"

    @property
    def replay(self) -> Path:
        """Folder in which the champion's line of descent is trained again."""
        return self.root / "replay"

    def results(self) -> Iterator[Path]:
        """The records of the tasks that have finished, as they are found."""
        return self.root.glob("trial-*/**/result.json")

    @property
    def tables(self) -> Path:
        """Folder of the result tables."""
        return self.root / "tables"

    def table(self, name: str) -> Path:
        """One result table, named as in `apps.records.tables_schema.TABLES`."""
        return self.tables / f"{name}.parquet"

    @property
    def champion(self) -> Path:
        """Folder of the run's best network."""
        return self.root / "champion"

    @property
    def champion_keras(self) -> Path:
        """The best network as a Keras file."""
        return self.champion / "champion.keras"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "report"

    @property
    def report_html(self) -> Path:
        """The report's page."""
        return self.report / "index.html"
