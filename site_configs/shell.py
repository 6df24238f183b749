"""Paths on their way through a shell: quoted on this machine, refused where Parsl does not quote.

Parsl writes its commands and scripts without quotes: a folder with a space or a `$` in its name
becomes other words there.
"""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import Any, Final

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.errors import (
    CommandClientBadError,
    CommandClientTimeoutError,
)
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.executors.status_handling import BlockProviderExecutor
from parsl.jobs.states import JobState, JobStatus
from parsl.providers import LocalProvider
from parsl.providers.errors import SubmitException
from parsl.utils import execute_wait

from apps.errors import UserError

_PLACES: Final = ("cert_dir", "logdir", "logconf")
_ANSWER_S: Final = 120.0
_ODD: Final = re.compile(r"[^\w@+=:,./-]")


class LastingExecutor(HighThroughputExecutor):
    """Parsl's executor, which is released also when its interchange has been killed."""

    def connected_managers(self) -> list[dict[str, Any]]:
        """Return what is known of each node's worker pool; nothing without an interchange."""
        found = self._asked("MANAGERS")
        return found if isinstance(found, list) else []

    def connected_blocks(self) -> list[str]:
        """Return the blocks whose workers are in touch; none without an interchange."""
        found = self._asked("CONNECTED_BLOCKS")
        return found if isinstance(found, list) else []

    def _asked(self, question: str) -> object:
        """Return the interchange's answer, or None; Parsl's own would wait for one for ever."""
        if self._is_gone():
            return None
        try:
            return self.command_client.run(question, timeout_s=_ANSWER_S)
        except (CommandClientTimeoutError, CommandClientBadError):
            if self._is_gone():
                return None
            raise

    def _is_gone(self) -> bool:
        process = self.interchange_proc
        return process is not None and process.poll() is not None


class QuotingExecutor(LastingExecutor):
    """Parsl's executor, whose workers are started with their folders in quotes."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Take what Parsl's executor takes, but for the command of the workers."""
        command = DEFAULT_LAUNCH_CMD
        for place in _PLACES:
            # Two formats follow: Parsl's of its settings, and that of a block.
            command = command.replace(f"{{{place}}}", f"{{{{{place}}}}}")
        super().__init__(*arguments, launch_cmd=command, **settings)

    def _get_launch_command(self, block_id: str) -> str:
        places = (self.cert_dir, self.worker_logdir, self.logconf_path)
        quoted = {
            name: shlex.quote(str(place)) for name, place in zip(_PLACES, places, strict=True)
        }
        return str(self.launch_cmd).format(block_id=block_id, **quoted)


class QuotingProvider(LocalProvider):
    """Parsl's provider of this machine, whose script may lie in any folder."""

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.local") -> str:
        """Start a block and return its id, as Parsl's own does.

        Raises:
            SubmitException: the shell did not start it.
        """
        name = f"{job_name}.{time.time()}"
        path = str(Path(self.script_dir, f"{name}.sh").absolute())
        launched = self.launcher(command, tasks_per_node, self.nodes_per_block, self.script_dir)
        Path(path).write_text(f"{self.worker_init}\nexport JOBNAME={name}\n{launched}\n")
        script, out, err, code = (
            shlex.quote(path + ending) for ending in ("", ".out", ".err", ".ec")
        )
        # As Parsl has it: "-" until the block has ended, then its exit code; nothing holds the
        # pipe that the id is read from.
        within = (
            f"echo - >{code} && {{ {{ bash {script} 1>{out} 2>{err} ; echo $? > {code} ; }} "
            '>/dev/null 2>&1 & echo "PID:$!" ; }'
        )
        ended, said, complaint = execute_wait(
            f"/bin/bash -c {shlex.quote(within)}", self.cmd_timeout
        )
        found = re.search(r"^PID:(\d+)", said, re.MULTILINE)
        if ended != 0 or found is None:
            raise SubmitException(name, f"the shell ended with {ended}", said, complaint)
        job = found[1]
        self.resources[job] = {
            "job_id": job,
            "status": JobStatus(JobState.RUNNING),
            "remote_pid": int(job),
            "script_path": path,
        }
        return job


def check_folder(site: str, config: Config, folder: Path) -> None:
    """Check that a site's jobs find their folder.

    Args:
        site: its name, for the message.
        config: of the site.
        folder: of Parsl's own files.

    Raises:
        UserError: a shell would read the folder's path otherwise.
    """
    odd = "".join(dict.fromkeys(_ODD.findall(str(folder))))
    for executor in config.executors:
        provider = getattr(executor, "provider", None)
        quoting = isinstance(executor, QuotingExecutor) and isinstance(provider, QuotingProvider)
        if odd and isinstance(executor, BlockProviderExecutor) and provider and not quoting:
            raise UserError(
                f"site {site}: its jobs are started by scripts that do not bear {odd!r} in a path, "
                f"and the run would be in {str(folder.parent)!r}: choose a folder of letters, "
                "digits, dots, underscores and dashes with --runs",
                code="run-folder",
            )
