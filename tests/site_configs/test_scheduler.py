"""What a scheduler says, asked of programs that stand in for Slurm's and PBS's."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from parsl.jobs.states import JobState, JobStatus

from apps.errors import UserError
from site_configs.options import find_site
from site_configs.scheduler import blocks, told_by_parsl
from site_configs.slurm import block_states

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
    place = find_site(site, ["cores_per_node=1", *options])
    return {check.what: check for check in place.check(place.config(Path("here"), None))}


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
    threads, processes = find_site("local_threads"), find_site("local_processes")
    assert list(threads.check(threads.config(Path("here"), None))) == []
    (check,) = processes.check(processes.config(Path("here"), None))
    assert check.ok


# --------------------------------------------------------------------------------------- blocks
def executor(tmp_path: Path, state: JobState, message: str | None) -> Any:
    stderr = tmp_path / "block.stderr"
    stderr.write_text("first\n" * 1000 + "\nlast but one\nlast words\n")
    return SimpleNamespace(
        label="cluster",
        status_facade={"0": JobStatus(state, message, stderr_path=str(stderr))},
        blocks_to_job_id={"0": 17},
    )


def test_a_block_is_told_with_its_job_and_its_last_words(tmp_path: Path) -> None:
    (block,) = blocks(executor(tmp_path, JobState.FAILED, "no such\n node"), told_by_parsl)
    assert str(block).startswith("block 0 (job 17) of cluster: failed (no such node); its stderr")
    assert str(block).endswith("last but one | last words")
    assert str(block).count("first") == 3


def test_slurm_itself_is_asked_for_the_state_and_its_reason(tmp_path: Path, programs: Path) -> None:
    slurm(programs)
    site = find_site("slurm", ["cores_per_node=1"])
    pending = executor(tmp_path, JobState.PENDING, None)
    program(programs, "squeue", 'test "$5" = 17 && echo "17 PENDING Resources"')
    assert site.blocks(pending)[0].state == "pending (Resources)"
    program(programs, "squeue", "echo '17 RUNNING None'")
    assert site.blocks(pending)[0].state == "running"
    program(programs, "squeue", "exit 1")  # it has forgotten the job
    assert site.blocks(pending)[0].state == "pending"


def test_slurm_is_asked_for_all_jobs_at_once(programs: Path) -> None:
    slurm(programs)
    lines = "17 RUNNING None\n18 PENDING Job held by user"
    program(programs, "squeue", f'test "$5" = 17,18,19 && echo "{lines}"')
    states = {"17": "running", "18": "pending (Job held by user)"}
    assert block_states(["17", "18", "19"]) == states


def test_threads_have_no_blocks() -> None:
    (threads,) = find_site("local_threads").config(Path("here"), None).executors
    assert blocks(threads, told_by_parsl) == []


def test_a_block_without_output_is_told_without(tmp_path: Path) -> None:
    silent = executor(tmp_path, JobState.PENDING, None)
    (tmp_path / "block.stderr").unlink()
    assert str(blocks(silent, told_by_parsl)[0]) == "block 0 (job 17) of cluster: pending"


# ---------------------------------------------------------------------------- a site of one's own
OWN = """
from parsl.config import Config
from parsl.executors import ThreadPoolExecutor

from apps.tasks.checkup import Check


def make_config(options):
    return Config(executors=[ThreadPoolExecutor(label="own")])
"""


def own_site(folder: Path, functions: str) -> Any:
    (folder / "own.py").write_text(OWN + functions)
    return find_site(str(folder / "own.py"))


def test_a_site_of_ones_own_brings_its_check_and_its_states(tmp_path: Path) -> None:
    site = own_site(
        tmp_path,
        """
def check(config):
    yield Check("licence", False, f"none for {config.executors[0].label}", "ask for one")


def block_states(jobs):
    return {job: "waits for a licence" for job in jobs}
""",
    )
    (found,) = site.check(site.config(tmp_path, None))
    assert (found.what, found.ok, found.found) == ("licence", False, "none for own")
    (block,) = site.blocks(executor(tmp_path, JobState.PENDING, None))
    assert block.state == "waits for a licence"


def test_a_site_of_ones_own_may_have_those_of_slurm(tmp_path: Path) -> None:
    site = own_site(tmp_path, "from site_configs.slurm import block_states, check\n")
    assert list(site.check(site.config(tmp_path, None))) == []


@pytest.mark.parametrize(
    ("functions", "told"),
    [
        ("def check(config):\n    yield 1 / 0", "check raised ZeroDivisionError"),
        ("def check(config):\n    return ['bad']", "check returned a str, findings are"),
        ("def check(config):\n    pass", "check raised TypeError"),
        ("check = 5", "check raised TypeError"),
        ("def block_states(jobs):\n    raise OSError('down')", "block_states raised OSError: down"),
        ("def block_states(jobs):\n    return None", "block_states returned a NoneType, a mapping"),
    ],
)
def test_a_function_of_a_site_that_fails_is_told_by_its_file(
    functions: str, told: str, tmp_path: Path
) -> None:
    site = own_site(tmp_path, functions)

    def ask() -> None:
        list(site.check(site.config(tmp_path, None)))
        site.blocks(executor(tmp_path, JobState.PENDING, None))

    with pytest.raises(UserError, match=told) as caught:
        ask()
    assert "own.py" in str(caught.value)
