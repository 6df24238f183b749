"""A cluster with PBS Pro or OpenPBS: blocks of nodes by qsub, worker pools by mpiexec."""

from __future__ import annotations

from collections.abc import Iterator

from parsl.config import Config
from parsl.launchers import SimpleLauncher, WrappedLauncher
from parsl.launchers.base import Launcher
from parsl.providers import PBSProProvider

from apps.tasks.checkup import Check
from site_configs.cluster import ClusterSettings, cluster_config
from site_configs.options import SiteOptions, checked_settings
from site_configs.scheduler import ask, check_addresses, check_commands


class PbsSettings(ClusterSettings):
    """Options of the site `pbs`.

    Attributes:
        queue: where jobs are queued; the default one if left out.
        select_options: added to the chunk that is asked for, such as "system=polaris".
        mpiexec_options: how mpiexec starts one worker pool a node when a block has several; the
            default suits Cray PALS and MPICH. {cores} stands for the cores of a node.
        command_timeout_s: how long qsub, qstat and qdel may take.
    """

    queue: str | None = None
    select_options: str = ""
    mpiexec_options: str = "--ppn 1 --depth={cores} --cpu-bind depth"
    command_timeout_s: int = 120


class PolledPbsProvider(PBSProProvider):
    """Parsl's provider, which asks PBS for the state of blocks as often as a site says."""

    poll_s = 30.0

    @property
    def status_polling_interval(self) -> float:
        """Seconds between two questions."""
        return self.poll_s


def make_config(options: SiteOptions) -> Config:
    """Return a configuration whose workers are got from PBS.

    Raises:
        UserError: an option is unknown or breaks a rule.
    """
    settings = checked_settings("pbs", PbsSettings, options.settings)
    chunk = [settings.select_options.strip(":")] if settings.select_options else []
    if settings.gpus_per_node:
        chunk.append(f"ngpus={settings.gpus_per_node}")
    if settings.memory_gb:
        chunk.append(f"mem={settings.memory_gb}gb")
    provider = PolledPbsProvider(
        account=settings.account,
        queue=settings.queue,
        cpus_per_node=settings.cores,
        select_options=":".join(chunk),
        scheduler_options=settings.scheduler_options,
        walltime=settings.walltime,
        worker_init=settings.shell_init(),
        cmd_timeout=settings.command_timeout_s,
        # One worker pool a node; within one node no MPI is needed.
        launcher=_launcher(settings),
        **settings.blocks_kept(),
    )
    provider.poll_s = float(settings.poll_s)
    return cluster_config(settings, options, "pbs", provider)


def check(config: Config) -> Iterator[Check]:
    """Look for PBS's commands and the queue, and at the driver's address."""
    for executor in config.executors:
        if isinstance(provider := getattr(executor, "provider", None), PBSProProvider):
            yield (commands := check_commands("PBS", "qsub", "qstat", "qdel"))
            if commands.ok and provider.queue:
                yield Check(
                    "queue",
                    ask("qstat", "-Q", str(provider.queue)) is not None,
                    str(provider.queue),
                    "`qstat -Q` lists the queues; choose one with --option queue=...",
                )
    yield from check_addresses(config)


def _launcher(settings: PbsSettings) -> Launcher:
    if settings.nodes == 1:
        return SimpleLauncher()
    options = settings.mpiexec_options.replace("{cores}", str(settings.cores))
    return WrappedLauncher(f"mpiexec -n {settings.nodes} {options}")
