"""An experiment that waits at a gate, so that something can happen to it in the middle."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.experiments import Tables, arms, begun, changed, read_tables
from tests.support.processes import HETEROSIS, unactivated_path
from tests.support.slurm_cluster import Cluster

PATIENCE_S: Final = 180.0

SITE: Final = {
    "address": "127.0.0.1",
    "workers_per_node": 1,
    "blocks": 2,
    "walltime_min": 10,
    "poll_s": 2,
    "heartbeat_s": 2,
}

PAUSES: Final = '''
import os
import time
from pathlib import Path

from apps.genetics.mutation import gaussian


def mutate(rng, weights, keep=frozenset(), gate=""):
    """Mutate as usual; on a worker, once the gate is open."""
    if "PARSL_WORKER_RANK" in os.environ and not Path(gate).exists():
        Path(gate + ".reached").touch()
        while not Path(gate).exists():
            time.sleep(0.05)
    return gaussian(rng, weights, 0.05, keep=keep)
'''


def GATED(gate: Path) -> dict[str, Any]:
    """Return the experiment; the children of its arm `mean` wait until the file is there."""
    (mean,) = arms("mean")
    mean["mutation"] = {"name": "pauses:mutate", "gate": str(gate)}
    return changed(arms=[*arms("control"), mean])


@dataclass(frozen=True)
class Bench:
    """What the tests on a cluster share.

    Attributes:
        whole: directory of an undisturbed run elsewhere.
        expected: its tables.
    """

    cluster: Cluster
    whole: Path
    file: Path
    gate: Path
    expected: Tables

    def start(self, *arguments: str | Path, **site: Any) -> subprocess.Popen[str]:
        """Start the command on the cluster, from a shell without the virtual environment."""
        options = [f"--option={key}={value}" for key, value in (SITE | site).items()]
        return subprocess.Popen(
            [str(HETEROSIS), *map(str, arguments), "--site", "slurm", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.cluster.environment
            | {"PATH": f"{unactivated_path()}{os.pathsep}{self.cluster.environment['PATH']}"},
            start_new_session=True,
        )

    def run(
        self, runs: Path, disturb: Callable[[], None] | None = None, **site: Any
    ) -> tuple[Tables, str]:
        """Run the experiment, begun already; when its children wait, disturb it, let them go on.

        Returns:
            The tables, and what was printed.
        """
        reached = Path(f"{self.gate}.reached")
        reached.unlink(missing_ok=True)
        if disturb is not None:
            self.gate.unlink()
        if disturb is not None:
            begun(self.whole, runs / "tiny")
        process = self.start("run", self.file, "--runs", runs, **site)
        try:
            if disturb is not None:
                self._wait(reached.exists, process)
                disturb()
                self.gate.touch()
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            self.gate.touch()
            process.kill()
        assert process.returncode == 0, (out, err)
        return read_tables(runs / "tiny"), out + err

    def processes(self, mark: str) -> list[int]:
        """Return the cluster's processes with `mark` in their command line or title."""
        found = []
        for process in self.cluster.processes():
            try:
                command = Path(f"/proc/{process}/cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in command:
                found.append(process)
        return found

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for something on the cluster."""
        self._wait(condition, None)

    def _wait(self, condition: Callable[[], bool], process: subprocess.Popen[str] | None) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert process is None or process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.05)
