"""A cluster with Slurm: blocks of nodes by sbatch, worker pools by srun."""

from __future__ import annotations

from parsl.config import Config
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

from site_configs.cluster import ClusterSettings, cluster_config
from site_configs.options import SiteOptions, checked_settings


class SlurmSettings(ClusterSettings):
    """Options of the site `slurm`.

    Attributes:
        partition: where jobs are queued; Slurm's default if left out.
        qos: quality of service.
        constraint: features that nodes must have.
        exclusive: whether nodes are had alone (and paid for whole).
        command_timeout_s: how long sbatch, squeue and scancel may take.
    """

    partition: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclusive: bool = False
    command_timeout_s: int = 30


class PolledSlurmProvider(SlurmProvider):
    """Parsl's provider, which asks Slurm for the state of blocks as often as a site says."""

    poll_s = 30.0

    @property
    def status_polling_interval(self) -> float:
        """Seconds between two questions."""
        return self.poll_s


def make_config(options: SiteOptions) -> Config:
    """Return a configuration whose workers are got from Slurm.

    Raises:
        UserError: an option is unknown or breaks a rule.
    """
    settings = checked_settings("slurm", SlurmSettings, options.settings)
    provider = PolledSlurmProvider(
        partition=settings.partition,
        account=settings.account,
        qos=settings.qos,
        constraint=settings.constraint,
        exclusive=settings.exclusive,
        cores_per_node=settings.cores,
        mem_per_node=settings.memory_gb,
        gpus_per_node=settings.gpus_per_node or None,
        walltime=settings.walltime,
        scheduler_options=settings.scheduler_options,
        worker_init=settings.shell_init(),
        cmd_timeout=settings.command_timeout_s,
        # Since Slurm 22.05 srun does not take the cores of the job by itself.
        launcher=SrunLauncher(overrides=f"--cpus-per-task={settings.cores}"),
        **settings.blocks_kept(),
    )
    provider.poll_s = float(settings.poll_s)
    return cluster_config(settings, options, "slurm", provider)
