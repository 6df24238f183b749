"""The sites for one machine: what they ask Parsl for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import parsl
import pytest

from site_configs import local_processes, local_threads
from site_configs.options import SITES, SiteOptions, find_site


@pytest.fixture(autouse=True)
def _path_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])


def options(**changes: Any) -> SiteOptions:
    return SiteOptions(**({"run_dir": "runs/x/parsl", "workers": 3, "threads": 2} | changes))


@pytest.mark.parametrize("name", SITES)
def test_every_site_keeps_to_the_house(name: str) -> None:
    config = find_site(name)(options())
    assert isinstance(config, parsl.Config)
    assert config.run_dir == "runs/x/parsl"
    assert config.usage_tracking == 0
    assert len(config.executors) == 1


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_threads_are_as_many_as_asked(workers: int) -> None:
    (executor,) = local_threads.make_config(options(workers=workers)).executors
    assert executor.max_threads == workers


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_processes_are_as_many_as_asked_even_with_fewer_cores(workers: int) -> None:
    (executor,) = local_processes.make_config(options(workers=workers)).executors
    assert executor.max_workers_per_node == workers
    # How Parsl's pool counts: as many as its cores allow, but no more than the limit.
    assert min(executor.max_workers_per_node, int(1 / executor.cores_per_worker)) == workers


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


def test_making_a_configuration_starts_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in SITES:
        find_site(name)(options(run_dir=str(tmp_path / "parsl")))
    assert list(tmp_path.iterdir()) == []
