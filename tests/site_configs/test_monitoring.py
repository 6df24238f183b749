"""Parsl's monitoring on any site: its own database, and no worker is forked."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from site_configs import monitoring
from site_configs.monitoring import monitor
from site_configs.options import find_site
from tests.support.experiments import TINY, events, write
from tests.support.processes import HETEROSIS, unactivated_path


def test_without_its_packages_one_line_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> Any:
        return None

    monkeypatch.setattr(monitoring, "find_spec", nothing)
    config = find_site("local_threads").config(tmp_path, 1)
    with pytest.raises(UserError, match=r"pip install 'parsl\[monitoring\]'"):
        monitor(config, tmp_path / "monitoring.db", "run")
    assert config.monitoring is None


@pytest.mark.parametrize(
    ("site", "options"),
    [("local_threads", []), ("local_processes", []), ("slurm", ["cores_per_node=2", "address=x"])],
)
def test_no_site_forks_its_workers(site: str, options: list[str], tmp_path: Path) -> None:
    config = find_site(site, options).config(tmp_path, None)
    monitor(config, tmp_path / "monitoring.db", "run")
    hub = config.monitoring
    assert hub.resource_monitoring_interval == 0
    assert hub.logging_endpoint == f"sqlite:///{tmp_path}/monitoring.db"
    assert not hub.monitoring_debug


@pytest.mark.slow
@pytest.mark.slow
def test_a_monitored_run_has_all_of_its_tasks_in_the_database(tmp_path: Path) -> None:
    table = TINY | {"trials": 1, "arms": TINY["arms"][:3]}
    done = subprocess.run(
        [HETEROSIS, "run", write(tmp_path, table), "--runs", tmp_path, "--monitor"],
        cwd=tmp_path,
        env={"PATH": unactivated_path(), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with sqlite3.connect(tmp_path / "tiny" / "monitoring.db") as database:
        rows = database.execute("select task_status_name from status").fetchall()
        ((name, failed),) = database.execute(
            "select workflow_name, tasks_failed_count from workflow"
        ).fetchall()
    database.close()
    states = Counter(name for (name,) in rows)
    tasks = [event for event in events(tmp_path / "tiny") if event["event"] == "task"]
    assert states["exec_done"] == len(tasks) + 1  # and the export of the champion
    assert (name, failed) == ("tiny", 0)
