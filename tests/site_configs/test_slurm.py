"""What the site of Slurm asks for."""

from __future__ import annotations

from pathlib import Path

from site_configs.options import find_site
from tests.support.sites import made


def test_every_worker_of_a_gpu_node_sees_one_gpu() -> None:
    (executor,) = find_site("slurm", ["gpus_per_node=2"]).config(Path("here"), None).executors
    assert list(executor.available_accelerators) == ["0", "1"]
    assert "#SBATCH --gpus-per-node=2" in executor.provider.scheduler_options


def test_slurm_is_asked_for_what_the_options_say() -> None:
    (executor,) = made(
        "slurm",
        "partition=fast",
        "account=mine",
        "qos=high",
        "constraint=skylake",
        "memory_gb=32",
        "scheduler_options=#SBATCH --mail-type=END",
        "poll_s=7",
    ).executors
    provider = executor.provider
    lines = provider.scheduler_options.splitlines()
    for line in ("partition=fast", "account=mine", "qos=high", "constraint=skylake"):
        assert f"#SBATCH --{line}" in lines
    assert "#SBATCH --mail-type=END" in lines
    assert "#SBATCH --exclusive" not in lines
    assert provider.mem_per_node == 32
    assert provider.status_polling_interval == 7
    (executor,) = made("slurm", "exclusive=true").executors
    assert "#SBATCH --exclusive" in executor.provider.scheduler_options
