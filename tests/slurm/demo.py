"""Watch the experiment `smoke` on a real Slurm: `make slurm-demo`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from tests.support.gated import SITE
from tests.support.processes import HETEROSIS
from tests.support.slurm_cluster import NoSlurm, running_cluster

EVERY_S = 3.0


def main() -> int:
    """Return the exit code of the run."""
    try:
        with running_cluster() as cluster, tempfile.TemporaryDirectory() as runs:
            print(cluster.run("sinfo"), flush=True)
            options = [f"--option={key}={value}" for key, value in SITE.items()]
            command = ["run", "smoke", "--site", "slurm", *options, "--runs", runs]
            print("heterosis", *command, flush=True)
            process = subprocess.Popen([str(HETEROSIS), *command], env=cluster.environment)
            while process.poll() is None:
                time.sleep(EVERY_S)
                print(cluster.run("squeue"), flush=True)
            return process.returncode
    except NoSlurm as error:
        print(f"there can be no Slurm here: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
