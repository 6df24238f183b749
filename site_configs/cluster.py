"""What all clusters have in common, whatever their scheduler: options, sizes, blocks."""

from __future__ import annotations

import shlex
import socket
from typing import Annotated, Any, Final, Literal, Self

import psutil
from parsl.config import Config
from parsl.providers.base import ExecutionProvider
from pydantic import Field, model_validator

from apps.errors import UserError
from apps.runtime import GPU_MEMORY_VARIABLE
from apps.strict import Strict
from site_configs.interchange import launch_command
from site_configs.options import SiteOptions, interpreter_first_on_path
from site_configs.shell import LastingExecutor

Count = Annotated[int, Field(ge=1)]

_START_UP_MIN: Final = 2.0
"""Time from the start of a block to its first task."""

_LEAST_USE: Final = 0.25
"""A block that would stop taking tasks before this share of its walltime takes them to its end."""


class ClusterSettings(Strict):
    """Options of a site that gets its workers from a scheduler, in blocks of nodes.

    Attributes:
        account: what the time is charged to.
        nodes: nodes of a block (one job of the scheduler).
        blocks: jobs at a time.
        cores_per_node: cores asked for on each node; as many as its workers need if left out.
        workers_per_node: tasks at a time on a node; as many as its cores, or its GPUs, hold if
            left out. With GPUs a multiple of their number, or fewer.
        cores_per_task: cores, and intra-op threads, of a task.
        gpus_per_node: GPUs asked for on each node; a worker sees one of them.
        tasks_per_gpu: tasks at a time that share a GPU, one of NVIDIA's, where workers_per_node is
            left out.
        gpu_memory_mb: most that a task takes of its GPU's memory; it takes what it needs if left
            out.
        memory_gb: memory asked for on each node, in GB.
        walltime_min: how long a block lasts, in minutes.
        longest_task_min: no task is begun when less than this is left of a block; left out, the
            driver estimates the longest segment.
        interface: network interface of the driver that the workers reach, such as "ib0".
        address: the driver's address itself, in place of an interface; without either, the one that
            its host name has.
        worker_init: shell commands before the workers start, such as "module load python".
        scheduler_options: further lines for the scheduler, such as "#SBATCH --mail-type=END".
        cpu_affinity: how workers are bound to cores.
        poll_s: seconds between two questions to the scheduler about the state of the blocks.
        heartbeat_s: seconds between two signs of life; a worker that is silent for four times as
            long counts as lost.
    """

    account: str | None = None
    nodes: Count = 1
    blocks: Count = 1
    cores_per_node: Count | None = None
    workers_per_node: Count | None = None
    cores_per_task: Count = 1
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    tasks_per_gpu: Count = 1
    gpu_memory_mb: Count | None = None
    memory_gb: Count | None = None
    walltime_min: Count = 60
    longest_task_min: Annotated[float | int, Field(gt=0)] | None = None
    interface: str | None = None
    address: str | None = None
    worker_init: str = ""
    scheduler_options: str = ""
    cpu_affinity: Literal["none", "block", "block-reverse", "alternating"] = "none"
    poll_s: Annotated[float | int, Field(gt=0)] = 30
    heartbeat_s: Count = 30

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.interface and self.address:
            raise ValueError("interface and address are two ways to say one thing: give one")
        if not (self.workers_per_node or self.cores_per_node or self.gpus_per_node):
            raise ValueError(
                "how many tasks fit on a node? give cores_per_node, gpus_per_node or "
                "workers_per_node"
            )
        sharing = self.tasks_per_gpu > 1 or self.gpu_memory_mb is not None
        if sharing and not self.gpus_per_node:
            raise ValueError("tasks_per_gpu and gpu_memory_mb are of GPUs: give gpus_per_node")
        gpus = self.gpus_per_node
        if gpus and self.workers > gpus and self.workers % gpus:
            raise ValueError(
                f"workers_per_node = {self.workers} on {gpus} GPUs: Parsl shares GPUs evenly, so "
                "give a multiple of gpus_per_node, or tasks_per_gpu"
            )
        if self.tasks_per_gpu > 1 and self.workers_per_node:
            raise ValueError(
                "workers_per_node and tasks_per_gpu are two ways to say one thing: give one"
            )
        if self.cores_per_node and self.workers * self.cores_per_task > self.cores_per_node:
            raise ValueError(
                f"{self.workers} workers of {self.cores_per_task} cores each do not fit on "
                f"cores_per_node = {self.cores_per_node}"
            )
        return self

    @property
    def workers(self) -> int:
        """Tasks at a time on a node."""
        if self.workers_per_node:
            return self.workers_per_node
        if self.gpus_per_node:
            return self.gpus_per_node * self.tasks_per_gpu
        return max(1, (self.cores_per_node or 0) // self.cores_per_task)

    @property
    def cores(self) -> int:
        """Cores asked for on a node."""
        return self.cores_per_node or self.workers * self.cores_per_task

    @property
    def walltime(self) -> str:
        """The walltime as schedulers read it: HH:MM:SS."""
        return f"{self.walltime_min // 60:02d}:{self.walltime_min % 60:02d}:00"

    def driver_address(self) -> str:
        """Return the address at which workers find the driver.

        Raises:
            UserError: there is no such interface, or the host's name has no address.
        """
        if self.address:
            return self.address
        if self.interface:
            known = psutil.net_if_addrs()
            for entry in known.get(self.interface, []):
                if entry.family == socket.AF_INET:
                    return str(entry.address)
            raise UserError(
                f"site: interface {self.interface!r} has no address; this host has "
                f"{', '.join(sorted(known))}",
                code="site-address",
            )
        try:
            return socket.gethostbyname(socket.gethostname())
        except OSError as error:
            raise UserError(
                f"site: this host's name {socket.gethostname()!r} has no address ({error}); give "
                "interface, as `ip addr` lists them, or address",
                code="site-address",
            ) from error

    def drain_s(self, longest_task_s: float | None) -> int | None:
        """Return after how many seconds a block takes no more tasks; None for never.

        Walltime, less the start-up, less the longest task: what is begun can be finished. Where
        that would leave most of a block idle, tasks are begun until its end: one that is cut off
        continues in the next block from its partial checkpoint.
        """
        longest_min = self.longest_task_min
        if longest_min is None:
            longest_min = (longest_task_s or 0.0) / 60
        left_min = self.walltime_min - _START_UP_MIN - longest_min
        if left_min < _LEAST_USE * self.walltime_min:
            return None
        return int(left_min * 60)

    def blocks_kept(self) -> dict[str, Any]:
        """Return a provider's settings of blocks: as many as asked for, kept through every halt."""
        return {
            "nodes_per_block": self.nodes,
            "init_blocks": self.blocks,
            "min_blocks": self.blocks,
            "max_blocks": self.blocks,
        }

    def shell_init(self) -> str:
        """Return the commands that come before a worker pool starts."""
        path = shlex.quote(interpreter_first_on_path())
        limited = self.gpu_memory_mb is not None
        limit = [f"export {GPU_MEMORY_VARIABLE}={self.gpu_memory_mb}"] if limited else []
        return "\n".join(
            [
                f"export PATH={path} OMP_NUM_THREADS={self.cores_per_task}",
                # A pool that is killed leaves no folder in the node's own /tmp.
                'export TMPDIR="${TMPDIR:-/tmp}"',
                *limit,
                self.worker_init,
            ]
        )


def cluster_config(
    settings: ClusterSettings, options: SiteOptions, label: str, provider: ExecutionProvider
) -> Config:
    """Return the configuration of a cluster whose nodes come from `provider`.

    Raises:
        UserError: `--workers` was given, or the driver's address cannot be told.
    """
    if options.workers is not None:
        raise UserError(
            f"site {label}: --workers is for local sites; give --option workers_per_node=..., "
            "nodes=... and blocks=...",
            code="site-option",
        )
    return Config(
        executors=[
            LastingExecutor(
                label=label,
                interchange_launch_cmd=launch_command(),
                address=settings.driver_address(),
                max_workers_per_node=settings.workers,
                cores_per_worker=settings.cores_per_task,
                # Parsl starts no more workers than it has names, and shares NVIDIA's GPUs among
                # the names evenly where there are more.
                available_accelerators=settings.workers if settings.gpus_per_node else 0,
                cpu_affinity=settings.cpu_affinity,
                drain_period=settings.drain_s(options.longest_task_s),
                heartbeat_period=settings.heartbeat_s,
                heartbeat_threshold=4 * settings.heartbeat_s,
                encrypted=True,
                provider=provider,
            )
        ],
        run_dir=options.run_dir,
        strategy="simple",
        # The first block is asked for at the first tick.
        strategy_period=1,
        # No block is given back while a population waits for its slowest member.
        max_idletime=settings.walltime_min * 60.0,
        usage_tracking=0,
    )
