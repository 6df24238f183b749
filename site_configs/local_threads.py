"""This machine, threads of the driver's process: the default site."""

from __future__ import annotations

from parsl.config import Config
from parsl.executors import ThreadPoolExecutor

from site_configs.options import LocalSettings, SiteOptions, checked_settings


def make_config(options: SiteOptions) -> Config:
    """Return a configuration with a thread for each task at a time.

    Raises:
        UserError: an option is unknown or breaks a rule.
    """
    checked_settings("local_threads", LocalSettings, options.settings)
    return Config(
        executors=[ThreadPoolExecutor(label="threads", max_threads=options.workers_here)],
        run_dir=options.run_dir,
        strategy="none",
        usage_tracking=0,
    )
