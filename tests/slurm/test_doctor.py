"""`heterosis doctor` on a real Slurm, well and unwell; and a run that can get no worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.gated import PATIENCE_S, Bench

pytestmark = pytest.mark.timeout(600)


def diagnose(bench: Bench, runs: Path, *more: str, **site: Any) -> tuple[int, str]:
    process = bench.start("doctor", "--runs", runs, *more, **({"blocks": 1} | site))
    out, err = process.communicate(timeout=PATIENCE_S)
    assert err == ""
    return process.returncode, out


def test_a_sound_site_passes_in_every_respect(bench: Bench, runs: Path) -> None:
    code, out = diagnose(bench, runs)
    assert code == 0, out
    for line in (
        "ok    commands of Slurm: sbatch, squeue, scancel, sinfo",
        "ok    partition: Slurm's default, among main",
        "ok    address of the driver (slurm): workers are told 127.0.0.1",
        "ok    a worker answers: process ",
        "ok    versions: the same on both sides",
        f"ok    run folder: {runs / '.doctor'}: read and written by both sides",
        "ok    data: found by the worker",
        "ok    cores: the worker may use ",
    ):
        assert f"\n{line}" in f"\n{out}"
    assert list(runs.iterdir()) == []


def test_a_partition_that_is_not_there_is_told_before_anything_is_submitted(
    bench: Bench, runs: Path
) -> None:
    code, out = diagnose(bench, runs, partition="nope")
    assert code == 1
    assert "FAIL  partition: there is no 'nope'" in out
    assert "next: choose one of main with --option partition=..." in out
    assert "a worker answers" not in out


def test_a_block_that_dies_at_once_is_told_with_its_last_words(bench: Bench, runs: Path) -> None:
    code, out = diagnose(bench, runs, worker_init="echo no such module >&2; exit 3")
    assert code == 1
    assert "FAIL  a worker answers: " in out
    assert "no such module" in out


def test_a_block_that_must_wait_is_told_while_it_waits(bench: Bench, runs: Path) -> None:
    busy = ("--parsable", "--nodes=2", "--cpus-per-task=4", "--output=/dev/null")
    holder = bench.cluster.run("sbatch", *busy, "--wrap=sleep 600")
    try:
        code, out = diagnose(bench, runs, "--patience", "8")
    finally:
        bench.cluster.run("scancel", holder)
    assert code == 1
    assert "pending (Resources)" in out
    assert "wait longer with --patience" in out


def test_a_run_without_workers_ends_and_says_why(bench: Bench, runs: Path) -> None:
    process = bench.start("run", bench.file, "--runs", runs, partition="nope")
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, (out, err)
    (line,) = err.splitlines()
    assert "invalid partition specified: nope" in line
    assert "heterosis doctor" in line
    # Nothing counts as failed that was never tried.
    assert "failed" not in out
