"""What the scheduler behind a site says: its commands and queues, and the state of its blocks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider, PBSProProvider, SlurmProvider

from apps.tasks.checkup import Check

_TAIL_BYTES: Final = 4000
_TAIL_LINES: Final = 5
_ASK_S: Final = 30.0


@dataclass(frozen=True)
class Block:
    """A job of the scheduler that brings workers.

    Attributes:
        executor: label of its executor.
        number: Parsl's.
        job: the scheduler's id; "" when it took none.
        state: in words, with the scheduler's reason where it tells one.
        stderr: the last lines that its shell and its worker pool wrote.
    """

    executor: str
    number: str
    job: str
    state: str
    stderr: tuple[str, ...]

    def __str__(self) -> str:
        """Return the block in one line."""
        job = f" (job {self.job})" if self.job else ""
        tail = f"; its stderr ends: {' | '.join(self.stderr)}" if self.stderr else ""
        return f"block {self.number}{job} of {self.executor}: {self.state}{tail}"


def blocks(executor: Any) -> list[Block]:
    """Return the blocks of an executor as the scheduler sees them; none for threads."""
    provider = getattr(executor, "provider", None)
    found = []
    for number, status in sorted(dict(getattr(executor, "status_facade", {})).items()):
        job = str(getattr(executor, "blocks_to_job_id", {}).get(number, ""))
        state = status.state.name.lower()
        if status.message:
            state += f" ({' '.join(status.message.split())})"
        if isinstance(provider, SlurmProvider) and job:
            state = _slurm_state(job) or state
        found.append(Block(executor.label, number, job, state, _tail(status.stderr_path)))
    return found


def check_scheduler(config: Config) -> Iterator[Check]:
    """Look at what a site needs on the driver's side before any block is asked for."""
    for executor in config.executors:
        provider = getattr(executor, "provider", None)
        if isinstance(provider, SlurmProvider):
            yield from _check_slurm(provider)
        elif isinstance(provider, PBSProProvider):
            yield from _check_pbs(provider)
        if isinstance(executor, HighThroughputExecutor):
            yield _check_address(executor)


def _check_slurm(provider: SlurmProvider) -> Iterator[Check]:
    yield (commands := _commands("Slurm", "sbatch", "squeue", "scancel", "sinfo"))
    if not commands.ok:
        return
    known = _ask("sinfo", "-h", "-o", "%R %a %l")
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


def _check_pbs(provider: PBSProProvider) -> Iterator[Check]:
    yield (commands := _commands("PBS", "qsub", "qstat", "qdel"))
    if not commands.ok or not provider.queue:
        return
    yield Check(
        "queue",
        _ask("qstat", "-Q", str(provider.queue)) is not None,
        str(provider.queue),
        "`qstat -Q` lists the queues; choose one with --option queue=...",
    )


def _check_address(executor: HighThroughputExecutor) -> Check:
    local = isinstance(executor.provider, LocalProvider)
    loopback = str(executor.address).startswith("127.")
    return Check(
        f"address of the driver ({executor.label})",
        executor.address is not None and (local or not loopback or _one_machine()),
        f"workers are told {executor.address}",
        "workers on other nodes cannot reach that: give --option interface=..., as `ip addr` "
        "lists them",
    )


def _one_machine() -> bool:
    """Whether all of Slurm's nodes are this machine, as in a test."""
    nodes = _ask("sinfo", "-h", "-N", "-o", "%o") if shutil.which("sinfo") else None
    return bool(nodes) and {line.strip() for line in str(nodes).splitlines()} <= {"127.0.0.1"}


def _commands(scheduler: str, *names: str) -> Check:
    missing = [name for name in names if shutil.which(name) is None]
    found = ", ".join(names) if not missing else f"there is no {', '.join(missing)}"
    return Check(
        f"commands of {scheduler}",
        not missing,
        found,
        f"run heterosis where jobs of {scheduler} are submitted, or load its module first",
    )


def _slurm_state(job: str) -> str | None:
    said = _ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T %r")
    if not said:
        return None
    state, _, reason = said.splitlines()[0].partition(" ")
    return state.lower() if reason in ("", "None") else f"{state.lower()} ({reason})"


def _ask(*command: str) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _tail(path: str | None) -> tuple[str, ...]:
    if not path:
        return ()
    try:
        with Path(path).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(line.strip() for line in text.splitlines() if line.strip())[-_TAIL_LINES:]
