"""A shell completes experiments, sites and run directories, at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from apps.records.run_dir import RunDir
from tests.support.experiments import TINY, write
from workflow.commands import arguments


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, TINY, "mine.toml")
    write(tmp_path / "project", TINY, "experiment.toml")
    (tmp_path / "site.py").write_text("")
    (tmp_path / ".hidden").mkdir()
    write(tmp_path / ".hidden", TINY, "experiment.toml")
    for name in ("one", "other"):
        write(tmp_path / "runs" / name, TINY, "experiment.toml")
        RunDir(tmp_path / "runs" / name).lock.touch()


def test_experiments_are_ready_ones_and_files() -> None:
    assert {"quick", "smoke", "mine.toml", "project/experiment.toml"} <= {
        *arguments.experiments("")
    }
    assert arguments.experiments("qui") == ["quick"]
    assert arguments.experiments("mi") == ["mine.toml"]
    assert arguments.experiments("project/") == ["project/experiment.toml"]


def test_sites_are_known_ones_and_files() -> None:
    assert arguments.sites("loc") == ["local_threads", "local_processes"]
    assert arguments.sites("si") == ["site.py"]


def test_runs_are_run_directories(tmp_path: Path) -> None:
    assert arguments.runs("") == ["runs/one", "runs/other"]
    assert arguments.runs("runs/ot") == ["runs/other"]
    assert arguments.runs(f"{tmp_path}/runs/on") == [f"{tmp_path}/runs/one"]
    assert arguments.runs("nowhere/") == []


def test_samples_are_files_of_their_kinds(tmp_path: Path) -> None:
    (tmp_path / "table.csv").touch()
    assert arguments.samples("t") == ["test", "table.csv"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [("run smo", "smoke"), ("run quick --site slu", "slurm"), ("status ru", "runs/one")],
)
def test_a_shell_is_answered_without_tensorflow(typed: str, found: str) -> None:
    program = (
        "import sys\n"
        "from workflow.cli import main\n"
        "sys.argv = ['heterosis']\n"
        "try:\n    main()\n"
        "finally:\n    print(*sorted({'tensorflow', 'matplotlib'} & set(sys.modules)))"
    )
    words = {"COMP_WORDS": f"heterosis {typed}", "COMP_CWORD": str(len(typed.split()))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ
        | {"_HETEROSIS_COMPLETE": "complete_bash", "PYTHONPATH": str(Path(__file__).parents[3])}
        | words,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found in done.stdout.split(), done.stderr
    assert not {"tensorflow", "matplotlib"} & {*done.stdout.split()}
