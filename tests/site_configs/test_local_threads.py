"""The site of threads in the driver."""

from __future__ import annotations

import pytest

from site_configs import local_threads
from tests.support.sites import options


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_threads_are_as_many_as_asked(workers: int) -> None:
    (executor,) = local_threads.make_config(options(workers=workers)).executors
    assert executor.max_threads == workers
