"""A project whose files have the names of our packages, on the nodes of a cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.experiments import read_tables
from tests.support.gated import SITE
from tests.support.names import NEAR, environment, project
from tests.support.slurm_cluster import Cluster


@pytest.mark.timeout(600)
def test_a_project_may_call_its_files_as_it_likes(cluster: Cluster, tmp_path: Path) -> None:
    folder = project(tmp_path)
    options = [f"--option={key}={value}" for key, value in SITE.items()]
    done = subprocess.run(
        [sys.executable, "-m", "heterosis", "run", "--site", "slurm", *options, "--quiet"],
        cwd=folder,
        env=cluster.environment | {"PYTHONPATH": environment(folder)["PYTHONPATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(read_tables(folder / "runs" / "names")["trials"]["status"]) == {"done"}
    seen = {path.name: path.read_text() for path in folder.glob("seen-*.txt")}
    assert seen == dict.fromkeys(("seen-data.txt", "seen-network.txt", "seen-mutation.txt"), NEAR)
