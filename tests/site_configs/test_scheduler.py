"""What a scheduler says, asked of programs that stand in for Slurm's and PBS's."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from parsl.jobs.states import JobState, JobStatus

from site_configs.options import find_site
from site_configs.scheduler import blocks, check_scheduler

SINFO = """case "$*" in
*%R*) echo 'main up infinite'; echo 'old down 1:00:00' ;;
*%o*) echo 10.0.0.2 ;;
esac"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, the only one on PATH beside the system's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")
    return folder


def program(folder: Path, name: str, text: str = "exit 0") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def slurm(folder: Path, sinfo: str = SINFO) -> None:
    for name in ("sbatch", "squeue", "scancel"):
        program(folder, name)
    program(folder, "sinfo", sinfo)


def checked(site: str, *options: str) -> dict[str, Any]:
    config = find_site(site, ["cores_per_node=1", *options]).config(Path("here"), None)
    return {check.what: check for check in check_scheduler(config)}


def test_without_slurm_its_commands_are_missed(programs: Path) -> None:
    if any((Path("/bin") / name).exists() for name in ("sbatch", "sinfo")):
        for name in ("sbatch", "squeue", "scancel", "sinfo"):
            (programs / name).unlink(missing_ok=True)
        os.environ["PATH"] = str(programs)
    checks = checked("slurm", "address=10.0.0.1")
    assert not checks["commands of Slurm"].ok
    assert "sbatch" in checks["commands of Slurm"].found
    assert "partition" not in checks


@pytest.mark.parametrize(
    ("partition", "ok", "told"),
    [
        ("main", True, "main is up, its longest walltime is infinite"),
        ("old", False, "old is down"),
        ("nope", False, "there is no 'nope'"),
    ],
)
def test_the_partition_must_be_there_and_up(
    partition: str, ok: bool, told: str, programs: Path
) -> None:
    slurm(programs)
    check = checked("slurm", f"partition={partition}", "address=10.0.0.1")["partition"]
    assert check.ok == ok
    assert told in check.found


def test_a_controller_that_is_down_is_told(programs: Path) -> None:
    slurm(programs, "echo down >&2; exit 1")
    assert not checked("slurm", "address=10.0.0.1")["Slurm's controller"].ok


@pytest.mark.parametrize(("address", "ok"), [("10.0.0.1", True), ("127.0.0.1", False)])
def test_a_loopback_address_reaches_no_other_node(address: str, ok: bool, programs: Path) -> None:
    slurm(programs)
    check = checked("slurm", f"address={address}")["address of the driver (slurm)"]
    assert check.ok == ok
    assert address in check.found


def test_a_queue_of_pbs_must_be_there(programs: Path) -> None:
    for name in ("qsub", "qdel"):
        program(programs, name)
    program(programs, "qstat", 'test "$2" = debug')
    assert checked("pbs", "queue=debug", "address=10.0.0.1")["queue"].ok
    check = checked("pbs", "queue=nope", "address=10.0.0.1")["queue"]
    assert not check.ok
    assert "qstat -Q" in check.next_step


def test_local_sites_need_no_scheduler() -> None:
    assert list(check_scheduler(find_site("local_threads").config(Path("here"), None))) == []
    (check,) = check_scheduler(find_site("local_processes").config(Path("here"), None))
    assert check.ok


# --------------------------------------------------------------------------------------- blocks
def executor(tmp_path: Path, state: JobState, message: str | None, provider: Any = None) -> Any:
    stderr = tmp_path / "block.stderr"
    stderr.write_text("first\n" * 1000 + "\nlast but one\nlast words\n")
    return SimpleNamespace(
        label="cluster",
        provider=provider,
        status_facade={"0": JobStatus(state, message, stderr_path=str(stderr))},
        blocks_to_job_id={"0": 17},
    )


def test_a_block_is_told_with_its_job_and_its_last_words(tmp_path: Path) -> None:
    (block,) = blocks(executor(tmp_path, JobState.FAILED, "no such\n node"))
    assert str(block).startswith("block 0 (job 17) of cluster: failed (no such node); its stderr")
    assert str(block).endswith("last but one | last words")
    assert str(block).count("first") == 3


def test_slurm_itself_is_asked_for_the_state_and_its_reason(tmp_path: Path, programs: Path) -> None:
    slurm(programs)
    provider = find_site("slurm", ["cores_per_node=1"]).config(tmp_path, None).executors[0].provider
    pending = executor(tmp_path, JobState.PENDING, None, provider)
    program(programs, "squeue", "echo 'PENDING Resources'")
    assert blocks(pending)[0].state == "pending (Resources)"
    program(programs, "squeue", "echo 'RUNNING None'")
    assert blocks(pending)[0].state == "running"
    program(programs, "squeue", "exit 1")  # it has forgotten the job
    assert blocks(pending)[0].state == "pending"


def test_threads_have_no_blocks() -> None:
    (threads,) = find_site("local_threads").config(Path("here"), None).executors
    assert blocks(threads) == []


def test_a_block_without_output_is_told_without(tmp_path: Path) -> None:
    silent = executor(tmp_path, JobState.PENDING, None)
    (tmp_path / "block.stderr").unlink()
    assert str(blocks(silent)[0]) == "block 0 (job 17) of cluster: pending"
