"""A finished run -> a folder small enough to be published, that the report can be made of again.

`heterosis store RUN FOLDER` copies settings, environment and tables, and writes the report beside
them. Names of machines and paths stay behind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.report.write import write_report
from analysis.tables import read_tables
from apps.records.json_records import not_written_by_a_run, read_record
from apps.records.run_dir import RunDir

PRIVATE: Final = ("interpreter", "host", "system", "folder")
"""Keys of `environment.json` that say nothing about the result."""

PATHS: Final = ("--runs", "--site", "--name")
"""Options of the command whose values name places of one machine."""


def store(run: RunDir, stored: RunDir) -> Path:
    """Copy what a report is made of, and write the report.

    Args:
        run: a finished run.
        stored: where to; made where it is not there. Of an older copy, files are replaced.

    Returns:
        The report's page, which is not worth storing: it is made of what is.

    Raises:
        ReportError: the run has no tables.
        UserError: its `environment.json` is damaged.
        NotWritten: the report can't be written.
        OSError: something can't be read or written.
    """
    tables = read_tables(run)
    environment = _published(run.environment_json)
    experiment = run.experiment_toml.read_bytes()
    stored.tables.mkdir(parents=True, exist_ok=True)
    stored.experiment_toml.write_bytes(experiment)
    stored.environment_json.write_text(json.dumps(environment, indent=2) + "\n")
    for name, table in tables.items():
        _nameless(table).to_parquet(stored.table(name), index=False, compression="zstd")
    return write_report(stored, png=True)


def _published(path: Path) -> dict[str, Any]:
    """Return an `environment.json` without what names one machine and its folders."""
    environment = read_record(path)
    words = environment.get("command")
    if not isinstance(words, list):
        raise not_written_by_a_run(path, "it has no command")
    command: list[str] = []
    for word in words:
        if command and command[-1] in PATHS:
            command.pop()
            continue
        command.append(word)
    kept = {key: value for key, value in environment.items() if key not in PRIVATE}
    return kept | {"command": command}


def _nameless(table: pd.DataFrame) -> pd.DataFrame:
    """Number the machines, and forget where their tasks' logs are."""
    if "host" not in table:
        return table
    numbers = {host: f"node {place + 1}" for place, host in enumerate(sorted(set(table["host"])))}
    return table.assign(host=table["host"].map(numbers), log="")
