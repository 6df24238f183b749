"""Bit for bit the same, with oneDNN on: in threads, in another process, halted, under load."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from apps.messages.fingerprints import from_json, to_json
from apps.messages.results import TrainResult
from apps.messages.specs import DataSpec, NetworkSpec
from apps.messages.tasks import Continue, TrainTask, Workplace
from apps.tasks.train import train_member
from tests.support.small import ADAM, training

ROOT: Final = Path(__file__).parents[3]
NETWORKS: Final = {"residual": "graph", "wide": "graph"}
"""Convolutions and a large product, which oneDNN computes, and what trains them."""

THREADS: Final = 2


@contextmanager
def load() -> Iterator[None]:
    """Keep the cores busy meanwhile that the threads leave idle."""
    burning = [
        subprocess.Popen([sys.executable, "-c", "while True: sum(range(10000))"])
        for _ in range(max(1, (os.cpu_count() or 1) - THREADS))
    ]
    try:
        yield
    finally:
        for each in burning:
            each.kill()
            each.wait()


def numbers(result: TrainResult) -> Any:
    return result.final, [record.metrics for record in result.epochs], result.checkpoint.sha256


@pytest.fixture(params=NETWORKS)
def task(request: pytest.FixtureRequest) -> TrainTask:
    return training(
        data=DataSpec("fashion_mnist_sample", validation=100, train_limit=150),
        network=NetworkSpec(f"tests.benchmarks.networks:{request.param}"),
        training=replace(ADAM, batch_size=64),
        last_epoch=2,
    )


@pytest.mark.slow
def test_convolutions_and_large_products_repeat_everywhere(task: TrainTask, tmp_path: Path) -> None:
    place = Workplace(str(tmp_path))
    alone = train_member(task, place)
    assert alone.engine == NETWORKS[task.network.builder.partition(":")[2]]
    assert alone.log == ()

    (tmp_path / "process").mkdir()
    command = [sys.executable, "-m", "tests.support.elsewhere", str(tmp_path / "process")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        load(),
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        tasks = [replace(task, folder=f"thread-{number}") for number in range(THREADS)]
        running = [pool.submit(train_member, each, place) for each in tasks]
        printed, _ = process.communicate(to_json(task))
        beside = [each.result() for each in running]
    assert [numbers(each) for each in beside] == [numbers(alone)] * THREADS
    assert process.returncode == 0
    elsewhere = from_json(TrainResult, printed.split(b"\n", 1)[1])
    assert numbers(elsewhere) == numbers(alone)

    first = train_member(replace(task, last_epoch=1, folder="first"), place)
    rest = replace(task, first_epoch=1, start=Continue(first.checkpoint), folder="rest")
    halted = train_member(rest, place)
    assert (halted.final, halted.checkpoint.sha256) == (alone.final, alone.checkpoint.sha256)
