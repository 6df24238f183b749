"""Parsl's own monitoring, set on the configuration of any site."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from parsl.config import Config
from parsl.monitoring import MonitoringHub

from apps.errors import UserError


def monitor(config: Config, database: Path, name: str) -> None:
    """Let Parsl write what becomes of its tasks into a database, in place of a site's own wish.

    What each task uses is not measured: for that Parsl forks the worker, which TensorFlow does not
    survive; the run's own tables have it. Messages take the ways that a site's executors have
    anyway, at its addresses, so nothing else listens.

    Args:
        config: the site's; changed.
        database: the file, of SQLite.
        name: of the workflow in the database.

    Raises:
        UserError: the packages for it are not installed.
    """
    if find_spec("sqlalchemy") is None:
        # Parsl itself notices only in the process that writes, and the run would wait for it.
        raise UserError(
            "--monitor needs the package sqlalchemy, which is not installed: "
            "pip install 'parsl[monitoring]'",
            code="package-missing",
        )
    config.monitoring = MonitoringHub(
        workflow_name=name,
        logging_endpoint=f"sqlite:///{database.absolute()}",
        resource_monitoring_enabled=True,
        resource_monitoring_interval=0,
    )
