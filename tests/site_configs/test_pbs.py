"""What the site of PBS asks for."""

from __future__ import annotations

from tests.support.sites import made


def test_pbs_is_asked_for_what_the_options_say() -> None:
    (executor,) = made(
        "pbs",
        "queue=debug",
        "account=mine",
        "gpus_per_node=4",
        "memory_gb=8",
        "select_options=system=polaris",
        "nodes=2",
    ).executors
    provider = executor.provider
    assert (provider.queue, provider.account) == ("debug", "mine")
    assert provider.select_options == "system=polaris:ngpus=4:mem=8gb"
    assert "mpiexec -n 2 --ppn 1 --depth=4" in provider.launcher("pool", 1, 2)
    (executor,) = made("pbs").executors
    assert executor.provider.launcher("pool", 1, 1) == "pool"
