"""The site of processes on one machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from site_configs import local_processes
from tests.support.sites import options


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_processes_are_as_many_as_asked_even_with_fewer_cores(workers: int) -> None:
    (executor,) = local_processes.make_config(options(workers=workers)).executors
    assert executor.max_workers_per_node == workers
    # How Parsl's pool counts: as many as its cores allow, but no more than the limit.
    assert min(executor.max_workers_per_node, int(1 / executor.cores_per_worker)) == workers


def test_the_interchange_ends_with_its_driver() -> None:
    (executor,) = local_processes.make_config(options()).executors
    command = executor.interchange_launch_cmd
    assert command[:2] == [sys.executable, "-P"]
    assert command[-1] == str(os.getpid())
    other = subprocess.Popen([*command[:-1], str(os.getpid() + 1)], stdin=subprocess.PIPE)
    with other:
        assert other.wait(60) == 1


def test_processes_listen_on_this_machine_only() -> None:
    (executor,) = local_processes.make_config(options()).executors
    assert executor.address == "127.0.0.1"
    assert executor.loopback_address == "127.0.0.1"


def test_processes_are_one_block_with_one_intra_op_thread_a_task() -> None:
    (executor,) = local_processes.make_config(options(threads=2)).executors
    provider = executor.provider
    assert (provider.init_blocks, provider.min_blocks, provider.max_blocks) == (1, 1, 1)
    assert "OMP_NUM_THREADS=2" in provider.worker_init


def test_the_workers_shell_finds_the_programs_of_this_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when the virtual environment is not activated, and with a PATH that has blanks."""
    monkeypatch.setenv("PATH", "/a folder with blanks:/usr/bin:/bin")
    (executor,) = local_processes.make_config(options()).executors
    found = subprocess.run(
        ["/bin/sh", "-c", f"{executor.provider.worker_init}\ncommand -v process_worker_pool.py"],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    programs = Path(sys.executable).parent
    assert Path(found.stdout.strip()) == programs / "process_worker_pool.py"
    assert shutil.which("interchange.py") == str(programs / "interchange.py")


@pytest.mark.parametrize(("hangs", "reaped"), [(True, True), (True, False), (False, True)])
def test_a_worker_pool_cannot_stay_behind_when_its_driver_is_gone(
    hangs: bool, reaped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ends by itself ends its block, with its exit code; one that hangs is ended.

    A driver whose parent does not wait for it, as in some containers, stays as a zombie.
    """
    (executor,) = local_processes.make_config(options()).executors
    pool = tmp_path / "process_worker_pool.py"
    pool.write_text(f"#!/bin/sh\ntrap '' TERM\n{'exec sleep 60' if hangs else 'exit 3'}\n")
    pool.chmod(0o755)
    executor.launch_cmd, executor.logconf_path = str(pool), None
    driver = subprocess.Popen(["sleep", "60"])
    with monkeypatch.context() as here:
        here.setattr(local_processes, "_HEARTBEAT_S", 0)
        here.setattr(os, "getpid", lambda: driver.pid)
        command = executor._get_launch_command("0")
    with driver, subprocess.Popen(["bash", "-c", command]) as block:
        if hangs:
            with pytest.raises(subprocess.TimeoutExpired):
                block.wait(3)
            driver.kill()
            if reaped:
                driver.wait()
        ended = block.wait(30)
        driver.kill()
    assert ended == (128 + signal.SIGKILL if hangs else 3)
