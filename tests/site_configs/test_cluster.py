"""What the sites of clusters have in common."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.errors import UserError
from apps.runtime import GPU_MEMORY_VARIABLE
from site_configs.options import READY, find_site
from tests.support.sites import CLUSTERS, made


@pytest.mark.parametrize("file", sorted(READY.glob("*.toml")), ids=lambda file: file.stem)
def test_the_files_to_copy_are_good(file: Path) -> None:
    config = find_site(str(file), ["interface=lo"]).config(Path("here"), None)
    (executor,) = config.executors
    assert executor.address == "127.0.0.1"
    assert executor.encrypted


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize(
    ("given", "workers", "cores"),
    [
        (["cores_per_node=8"], 8, 8),
        (["cores_per_node=9", "cores_per_task=2"], 4, 9),
        (["workers_per_node=3", "cores_per_task=2"], 3, 6),
        (["gpus_per_node=4"], 4, 4),
        (["gpus_per_node=2", "workers_per_node=6"], 6, 6),
        (["gpus_per_node=4", "tasks_per_gpu=3"], 12, 12),
    ],
)
def test_workers_fill_what_is_asked_for(
    name: str, given: list[str], workers: int, cores: int
) -> None:
    (executor,) = find_site(name, given).config(Path("here"), None).executors
    provider = executor.provider
    assert executor.max_workers_per_node == workers
    assert cores in (getattr(provider, "cores_per_node", 0), getattr(provider, "cpus_per_node", 0))


@pytest.mark.parametrize("shared", ["tasks_per_gpu=3", "workers_per_node=6"])
def test_tasks_that_share_gpus_are_as_many_as_asked_for(shared: str) -> None:
    (executor,) = find_site("slurm", ["gpus_per_node=2", shared]).config(Path("x"), None).executors
    # Parsl starts as many workers as it has names, and makes of name n GPU n // 3.
    assert executor.workers_per_node == 6
    assert list(executor.available_accelerators) == list("012345")


def test_a_site_limits_what_a_task_takes_of_its_gpu() -> None:
    given = ["gpus_per_node=2", "tasks_per_gpu=2", "gpu_memory_mb=4000"]
    (executor,) = find_site("slurm", given).config(Path("x"), None).executors
    assert f"export {GPU_MEMORY_VARIABLE}=4000\n" in executor.provider.worker_init


@pytest.mark.parametrize(
    "given",
    [
        ["cores_per_node=4", "tasks_per_gpu=2"],
        ["cores_per_node=4", "gpu_memory_mb=100"],
        ["gpus_per_node=2", "workers_per_node=5"],
        ["gpus_per_node=2", "workers_per_node=4", "tasks_per_gpu=2"],
    ],
)
def test_gpus_that_cannot_be_shared_so_are_refused(given: list[str]) -> None:
    with pytest.raises(UserError, match=r"gpus_per_node|tasks_per_gpu"):
        find_site("slurm", given).config(Path("x"), None)


@pytest.mark.parametrize("name", CLUSTERS)
def test_blocks_are_kept_through_a_halt(name: str) -> None:
    config = made(name, "blocks=3", "nodes=2", "walltime_min=90")
    provider = config.executors[0].provider
    assert (provider.init_blocks, provider.min_blocks, provider.max_blocks) == (3, 3, 3)
    assert provider.nodes_per_block == 2
    assert config.max_idletime == 90 * 60
    assert provider.walltime == "01:30:00"


@pytest.mark.parametrize("name", CLUSTERS)
def test_what_goes_over_the_network_is_encrypted_and_its_address_given(name: str) -> None:
    (executor,) = made(name, "address=127.0.0.1").executors
    assert executor.encrypted
    assert executor.address == "127.0.0.1"
    (executor,) = made(name, "interface=lo").executors
    assert executor.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("walltime", "longest", "given", "drain"),
    [
        (60, None, None, 58 * 60),  # nothing known: less the start-up
        (60, 600.0, None, 48 * 60),
        (60, 600.0, 20, 38 * 60),  # what the user says comes first
        (60, 50 * 60.0, None, None),  # it would leave most of the block idle
        (2, None, None, None),
    ],
)
def test_no_task_is_begun_that_a_block_cannot_finish(
    walltime: int, longest: float | None, given: int | None, drain: int | None
) -> None:
    options = ["cores_per_node=1", f"walltime_min={walltime}"]
    options += [f"longest_task_min={given}"] if given else []
    (executor,) = find_site("slurm", options).config(Path("here"), None, longest).executors
    assert executor.drain_period == drain


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["cores_per_node=0"], "cores_per_node = 0: Input should be greater than or equal to 1"),
        (["walltime_min=01:00:00"], "walltime_min = '01:00:00': Input should be a valid integer"),
        (["workers_per_node=9"], "9 workers of 1 cores each do not fit on cores_per_node = 4"),
        (["interface=lo", "address=127.0.0.1"], "give one"),
        (["interface=none0"], "interface 'none0' has no address"),
    ],
)
def test_options_that_break_a_rule_are_refused(name: str, given: list[str], told: str) -> None:
    with pytest.raises(UserError, match=re.escape(told)):
        made(name, *given)


def test_a_cluster_wants_to_know_how_many_tasks_fit_on_a_node() -> None:
    with pytest.raises(UserError, match="how many tasks fit on a node"):
        find_site("slurm").config(Path("here"), None)


def test_workers_are_an_option_of_a_cluster_not_of_the_command() -> None:
    with pytest.raises(UserError, match="--option workers_per_node"):
        find_site("slurm", ["cores_per_node=4"]).config(Path("here"), 3)
