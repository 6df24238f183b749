"""Runs on a real Slurm: the numbers of any other site, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.experiments import assert_same, read_tables, write
from tests.support.gated import Bench
from tests.support.searches import SEARCH

pytestmark = pytest.mark.timeout(900)


def resident_pages(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1])


def test_slurm_gives_the_numbers_of_threads(bench: Bench, runs: Path) -> None:
    tables, _ = bench.run(runs)
    assert_same(tables, bench.expected)
    # The blocks are given back at the end.
    bench.wait(lambda: bench.cluster.run("squeue", "-h") == "")


@pytest.mark.parametrize("count", [1, 2])
def test_cancelled_blocks_cost_no_result(bench: Bench, runs: Path, count: int) -> None:
    def cancel() -> None:
        jobs = bench.cluster.jobs()
        assert len(jobs) == 2
        for job in jobs[:count]:
            bench.cluster.run("scancel", job)

    tables, _ = bench.run(runs, cancel)
    assert_same(tables, bench.expected)


@pytest.mark.parametrize("mark", ["multiprocessing.spawn", "process_worker_pool.py"])
def test_a_killed_worker_or_pool_costs_no_result(bench: Bench, runs: Path, mark: str) -> None:
    def kill() -> None:
        # The largest, as the kernel would choose when memory runs out: it has TensorFlow loaded.
        os.kill(max(bench.processes(mark), key=resident_pages), signal.SIGKILL)

    tables, _ = bench.run(runs, kill)
    assert_same(tables, bench.expected)


def test_walltime_in_the_middle_of_a_segment_costs_no_result(bench: Bench, runs: Path) -> None:
    def expire() -> None:
        first = set(bench.cluster.jobs())
        assert first
        for job in first:
            # Slurm counts in minutes, but for this; it looks twice a minute.
            assert bench.cluster.run("squeue", "-h", "-j", job, "-o", "%l") == "1:00"
            bench.cluster.run("scontrol", "update", f"JobId={job}", "EndTime=now+2seconds")
        bench.wait(lambda: {bench.cluster.state(job) for job in first} == {"TIMEOUT"})

    tables, _ = bench.run(runs, expire, walltime_min=1)
    assert_same(tables, bench.expected)


def test_a_search_that_loses_a_block_has_the_numbers_of_the_serial_run(
    bench: Bench, runs: Path, searched: Path
) -> None:
    file = write(runs, SEARCH, "search.toml")
    there = bench.start("run", file, "--runs", runs / "slurm")
    try:
        bench.wait(lambda: len([*(runs / "slurm").rglob("result.json")]) >= 6)
        bench.cluster.run("scancel", bench.cluster.jobs()[0])
        out, err = there.communicate(timeout=600)
    finally:
        there.kill()
    assert there.returncode == 0, (out, err)
    assert_same(read_tables(runs / "slurm" / "search"), read_tables(searched))
