"""This machine, worker processes: Parsl's HighThroughputExecutor on the loopback address."""

from __future__ import annotations

import os
import shlex
from typing import Final

from parsl.config import Config

from site_configs.interchange import launch_command
from site_configs.options import (
    LocalSettings,
    SiteOptions,
    checked_settings,
    interpreter_first_on_path,
)
from site_configs.shell import QuotingExecutor, QuotingProvider

_HEARTBEAT_S: Final = 30

# A pool whose driver was killed ends after its heartbeats, unless it hangs in sending one: Parsl's
# sends have no limit.
_WATCHED: Final = """{pool} & pool=$!
patience={patience}
while kill -0 $pool; do
  grep -qs '^State:[[:space:]]*[^ZX[:space:]]' /proc/{driver}/status || patience=$((patience - 1))
  if [ $patience -lt 0 ]; then kill -KILL $pool; fi
  sleep 1
done 2> /dev/null
wait $pool"""


class WatchedExecutor(QuotingExecutor):
    """Parsl's executor, whose worker pool cannot stay behind when its driver is gone."""

    def _get_launch_command(self, block_id: str) -> str:
        pool = super()._get_launch_command(block_id)
        return _WATCHED.format(pool=pool, driver=os.getpid(), patience=2 * _HEARTBEAT_S)


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
            WatchedExecutor(
                label="processes",
                interchange_launch_cmd=launch_command(),
                # Without an address Parsl asks a public service and listens on every interface.
                address="127.0.0.1",
                max_workers_per_node=options.workers_here,
                # The number of workers is as asked, be there fewer cores.
                cores_per_worker=0.001,
                heartbeat_period=5,
                heartbeat_threshold=_HEARTBEAT_S,
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
