"""A cluster for all tests of this folder, and the numbers that every run on it must give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.experiments import read_tables, serial, write
from tests.support.gated import GATED, PAUSES, Bench
from tests.support.reports import without_pictures
from tests.support.searches import search_made_once
from tests.support.slurm_cluster import Cluster, missing, running_cluster
from workflow.launch import run


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes of Slurm on this machine; gone without a trace afterwards."""
    if reason := missing():
        pytest.skip(reason)
    with running_cluster() as running:
        yield running
    assert running.processes() == []
    assert not running.root.exists()


@pytest.fixture(scope="session")
def bench(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The experiment, and its tables from an undisturbed run in this process."""
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "pauses.py").write_text(PAUSES)
    gate = folder / "gate"
    gate.touch()
    file = write(folder, GATED(gate))
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        ran = run(file, runs=folder / "here", engine=serial)
    assert ran.failed == ()
    return Bench(cluster, ran.directory.root, file, gate, read_tables(ran.directory.root))


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_made_once(tmp_path_factory)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"
