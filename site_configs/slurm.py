"""A cluster with Slurm: blocks of nodes by sbatch, worker pools by srun."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

from parsl.config import Config
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

from apps.tasks.checkup import Check
from site_configs.cluster import ClusterSettings, cluster_config
from site_configs.options import SiteOptions, checked_settings
from site_configs.scheduler import ask, check_addresses, check_commands


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


def check(config: Config) -> Iterator[Check]:
    """Look for Slurm's commands, its controller and the partition, and at the driver's address."""
    for executor in config.executors:
        if isinstance(provider := getattr(executor, "provider", None), SlurmProvider):
            yield from _check_partition(provider)
    nodes = ask("sinfo", "-h", "-N", "-o", "%o") if shutil.which("sinfo") else None
    addresses = {line.strip() for line in (nodes or "").splitlines()}
    yield from check_addresses(config, one_machine=addresses == {"127.0.0.1"})


def block_states(jobs: Sequence[str]) -> dict[str, str]:
    """Return the state of jobs, with Slurm's reason for it where it tells one."""
    said = ask("squeue", "-h", "-t", "all", "-j", ",".join(jobs), "-o", "%i %T %r")
    states = {}
    for line in (said or "").splitlines():
        job, state, reason = (*line.split(maxsplit=2), "", "")[:3]
        states[job] = state.lower() if reason in ("", "None") else f"{state.lower()} ({reason})"
    return states


def _check_partition(provider: SlurmProvider) -> Iterator[Check]:
    yield (commands := check_commands("Slurm", "sbatch", "squeue", "scancel", "sinfo"))
    if not commands.ok:
        return
    known = ask("sinfo", "-h", "-o", "%R %a %l")
    if known is None:
        yield Check(
            "Slurm's controller",
            False,
            "sinfo gives no answer",
            "try `sinfo` in this shell; the controller may be down, or SLURM_CONF be wrong",
        )
        return
    partitions = {line.split()[0]: line.split()[1:] for line in known.splitlines() if line}
    name = provider.partition
    if name is None:
        yield Check("partition", True, f"Slurm's default, among {', '.join(partitions)}")
    elif name not in partitions:
        yield Check(
            "partition",
            False,
            f"there is no {name!r}",
            f"choose one of {', '.join(partitions)} with --option partition=...",
        )
    else:
        state, limit = partitions[name][:2]
        yield Check(
            "partition",
            state == "up",
            f"{name} is {state}, its longest walltime is {limit}",
            "wait for it, or choose another with --option partition=...",
        )
