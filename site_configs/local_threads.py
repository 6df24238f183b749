"""This machine, threads of the driver's process: the default site."""

from __future__ import annotations

from parsl.config import Config
from parsl.executors import ThreadPoolExecutor

from site_configs.options import SiteOptions


def make_config(options: SiteOptions) -> Config:
    """Return a configuration with one thread a task."""
    return Config(
        executors=[ThreadPoolExecutor(label="threads", max_threads=options.workers_here)],
        run_dir=options.run_dir,
        strategy="none",
        usage_tracking=0,
    )
