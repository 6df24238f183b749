"""Folders with odd names: quoted where we start the shell, refused where Parsl does."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from parsl.jobs.states import JobState

from apps.errors import UserError
from site_configs.options import find_site
from site_configs.shell import LastingExecutor, QuotingExecutor, QuotingProvider

ODD = [
    "with space",
    "quote's",
    "dollar $HOME",
    "percent %s 50%",
    "Ünï-cödé 数",
    "brace {x}",
    "semi;colon",
    "back\\slash",
    'double"quote',
    "star*",
    "new (2) & co",
    "-dash",
    "new\nline",
    "`tick`",
]


@pytest.mark.parametrize("name", ODD)
def test_a_block_starts_in_any_folder_and_leaves_nothing_beside_it(
    name: str, tmp_path: Path
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    provider = QuotingProvider(worker_init=f"export THERE={shlex.quote(str(folder))}")
    provider.script_dir = str(folder)
    job = provider.submit('echo "$THERE" > "$THERE/said"', 1)
    deadline = time.monotonic() + 60
    while provider.status([job])[0].state is JobState.RUNNING and time.monotonic() < deadline:
        time.sleep(0.05)
    assert provider.status([job])[0].state is JobState.COMPLETED
    assert (folder / "said").read_text() == f"{folder}\n"
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ODD)
def test_workers_are_given_their_folder_as_it_is(name: str, tmp_path: Path) -> None:
    provider = QuotingProvider()
    executor = QuotingExecutor(label="processes", address="127.0.0.1", provider=provider)
    executor.run_dir = str(tmp_path / name)
    executor.logconf_path = None
    executor.initialize_scaling()
    words = shlex.split(executor._get_launch_command("7"))
    assert f"--logdir={tmp_path / name}/processes" in words
    assert "--block_id=7" in words


OWN = """
from parsl.config import Config
from parsl.executors import HighThroughputExecutor

def make_config(options):
    return Config(executors=[HighThroughputExecutor(address="127.0.0.1")], run_dir=options.run_dir)
"""


@pytest.mark.parametrize("site", ["slurm", "pbs", "own"])
def test_a_site_whose_scripts_are_not_ours_refuses_a_folder_at_once(
    site: str, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    given = [] if site == "own" else ["cores_per_node=4", "address=127.0.0.1"]
    where = find_site(str(tmp_path / "own.py") if site == "own" else site, given)
    where.config(tmp_path / "plain-1" / "parsl", None)
    with pytest.raises(UserError, match=r"do not bear ' \$' in a path.*choose a folder") as caught:
        where.config(tmp_path / "a $b" / "parsl", None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("site", ["local_processes", "local_threads"])
def test_this_machine_takes_every_folder(site: str, tmp_path: Path) -> None:
    find_site(site).config(tmp_path / "a $b" / "parsl", 1)


def test_an_interchange_ends_when_its_driver_says_so_and_not_with_its_job() -> None:
    code = """if True:
        import sys, time
        from site_configs.interchange import _hold_on
        _hold_on(int(sys.argv[1]))
        print("ready", flush=True)
        time.sleep(300)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(os.getpid())], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    subprocess.run(["bash", "-c", f"kill -TERM {process.pid}"], check=True)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


def test_workers_are_released_without_an_interchange() -> None:
    class Ended:
        def poll(self) -> int:
            return -9

    executor: Any = LastingExecutor(address="127.0.0.1", provider=QuotingProvider())
    executor.interchange_proc = Ended()
    assert executor.connected_managers() == []
    assert executor.connected_blocks() == []
