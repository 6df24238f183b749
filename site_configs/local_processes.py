"""This machine, worker processes: Parsl's HighThroughputExecutor on the loopback address."""

from __future__ import annotations

import shlex

from parsl.config import Config

from site_configs.interchange import launch_command
from site_configs.options import (
    LocalSettings,
    SiteOptions,
    checked_settings,
    interpreter_first_on_path,
)
from site_configs.shell import QuotingExecutor, QuotingProvider


def make_config(options: SiteOptions) -> Config:
    """Return a configuration with a worker process for each task at a time, on 127.0.0.1 only.

    Raises:
        UserError: an option is unknown or breaks a rule.
    """
    checked_settings("local_processes", LocalSettings, options.settings)
    path = shlex.quote(interpreter_first_on_path())
    threads = options.threads
    return Config(
        executors=[
            QuotingExecutor(
                label="processes",
                interchange_launch_cmd=launch_command(),
                # Without an address Parsl asks a public service and listens on every interface.
                address="127.0.0.1",
                max_workers_per_node=options.workers_here,
                # The number of workers is as asked, be there fewer cores.
                cores_per_worker=0.001,
                heartbeat_period=5,
                heartbeat_threshold=30,
                provider=QuotingProvider(
                    init_blocks=1,
                    min_blocks=1,
                    max_blocks=1,
                    worker_init=f"export PATH={path} OMP_NUM_THREADS={threads}",
                ),
            )
        ],
        run_dir=options.run_dir,
        strategy="simple",
        strategy_period=1,
        usage_tracking=0,
    )
