"""What sites tell of themselves: whether what they need is there, and the state of their blocks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

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


BlockStates = Callable[[Sequence[str]], Mapping[str, str]]
"""Ids of jobs -> the state of each in words, as far as the scheduler tells one."""


def told_by_parsl(jobs: Sequence[str]) -> dict[str, str]:
    """Tell no states beyond those that Parsl knows."""
    return {}


def blocks(executor: Any, block_states: BlockStates) -> list[Block]:
    """Return the blocks of an executor; none for threads.

    Args:
        executor: Parsl's.
        block_states: asks the scheduler; where it says nothing, Parsl's word is told.
    """
    ids = dict(getattr(executor, "blocks_to_job_id", {}))
    states = block_states([str(job) for job in ids.values()]) if ids else {}
    found = []
    for number, status in sorted(dict(getattr(executor, "status_facade", {})).items()):
        job = str(ids.get(number, ""))
        state = status.state.name.lower()
        if status.message:
            state += f" ({' '.join(status.message.split())})"
        state = states.get(job, state)
        found.append(Block(executor.label, number, job, state, _tail(status.stderr_path)))
    return found


def check_addresses(config: Config, one_machine: bool = False) -> Iterator[Check]:
    """Look whether workers on other nodes can reach the driver where they are told to.

    Args:
        config: of the site.
        one_machine: whether all nodes are this machine, as in a test.
    """
    for executor in config.executors:
        if not isinstance(executor, HighThroughputExecutor):
            continue
        local = one_machine or isinstance(executor.provider, LocalProvider)
        loopback = str(executor.address).startswith("127.")
        yield Check(
            f"address of the driver ({executor.label})",
            executor.address is not None and (local or not loopback),
            f"workers are told {executor.address}",
            "workers on other nodes cannot reach that: give --option interface=..., as `ip addr` "
            "lists them",
        )


def check_commands(scheduler: str, *names: str) -> Check:
    """Look whether the commands of a scheduler are there."""
    missing = [name for name in names if shutil.which(name) is None]
    found = ", ".join(names) if not missing else f"there is no {', '.join(missing)}"
    return Check(
        f"commands of {scheduler}",
        not missing,
        found,
        f"run heterosis where jobs of {scheduler} are submitted, or load its module first",
    )


def ask(*command: str) -> str | None:
    """Return what a command prints; None if it fails or takes too long."""
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
