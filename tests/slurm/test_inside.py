"""The driver inside the allocation, as docs/clusters.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.experiments import assert_same, read_tables
from tests.support.gated import Bench
from tests.support.processes import HETEROSIS

DOCS = Path(__file__).parents[2] / "docs" / "clusters.md"


@pytest.mark.timeout(600)
def test_one_job_with_driver_and_workers(bench: Bench, runs: Path, tmp_path: Path) -> None:
    text = DOCS.read_text()
    (site,) = re.findall(r"```python\n(.*?)```", text, re.S)
    script = re.search(r"(    #!/bin/bash\n(?:    .*\n)+)", text)
    assert script is not None
    # This cluster's interface, and two nodes of two cores.
    site = site.replace('"ib0"', '"lo"').replace("=32", "=2")
    job = "\n".join(line[4:] for line in script[1].splitlines()) + "\n"
    job = job.replace("=32", "=2").replace("--time=02:00:00", "--time=00:10:00")
    job = job.replace("source /path/to/venv/bin/activate", f"export PATH={HETEROSIS.parent}:$PATH")
    job = job.replace("run poster", f"run {bench.file}").replace("/shared/folder", str(runs))
    (tmp_path / "inside.py").write_text(site)
    (tmp_path / "job.sh").write_text(job)
    output = tmp_path / "job.out"
    number = bench.cluster.run(
        "sbatch",
        "--parsable",
        f"--chdir={tmp_path}",
        f"--output={output}",
        str(tmp_path / "job.sh"),
    )
    bench.wait(lambda: bench.cluster.state(number) not in ("PENDING", "RUNNING", "COMPLETING"))
    told = output.read_text()
    assert bench.cluster.state(number) == "COMPLETED", told
    assert "report: " in told
    assert_same(read_tables(runs / "tiny"), bench.expected)
    # A pool on each of the two nodes.
    assert len(list((runs / "tiny" / "parsl").rglob("manager.log"))) == 2
