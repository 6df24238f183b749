"""What is built and installed is whole: it runs where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("heterosis", "workflow", "apps", "site_configs", "analysis")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

pytestmark = pytest.mark.slow


def python(*arguments: str | Path, folder: Path, path: Path | None = None) -> str:
    """Run Python in a folder, with another one ahead of all that is installed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(path or ""), "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed: it is built of a copy, which building may litter."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for room in ROOMS:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / room, source / room, ignore=ignored)
    build = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    python(*build, "--wheel-dir", folder, source, folder=folder)
    (wheel,) = folder.glob("*.whl")
    shutil.rmtree(source)
    install = ("-m", "pip", "install", "--quiet", "--no-deps")
    python(*install, "--target", folder / "site", wheel, folder=folder)
    return folder / "site"


def test_it_holds_what_the_rooms_hold_and_no_test(installed: Path) -> None:
    left_out = {ROOT / "apps" / "datasets" / "data" / "make_sample.py"}  # run by hand, once
    kinds = {".py", ".typed", ".toml", ".gz", ".j2", ".css", ".txt", ".mplstyle", ".ipynb"}
    ours = {
        path.relative_to(ROOT)
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix in kinds and path not in left_out and "results" not in path.parts
    }
    assert {path for path in ours if not (installed / path).is_file()} == set()
    assert {path.parent.name for path in ours if path.name == "py.typed"} == set(ROOMS)
    assert {path.name for path in installed.iterdir() if path.is_dir()} >= set(ROOMS)
    assert not (installed / "tests").exists()


def test_it_runs_outside_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = "import heterosis, workflow; print(heterosis.__version__, *workflow.__path__)"
    version, place = python("-c", where, folder=tmp_path, path=installed).split()
    assert version == PROJECT["version"]
    assert Path(place) == installed / "workflow"
    out = python(installed / "bin" / "heterosis", "run", "smoke", folder=tmp_path, path=installed)
    report = tmp_path / "runs" / "smoke" / "report" / "index.html"
    assert report.is_file()
    assert str(report.relative_to(tmp_path)) in out.replace("\n", "")
    assert len([*(report.parent / "figures").glob("*.svg")]) > 8


def test_it_writes_a_project_and_plans_it(installed: Path, tmp_path: Path) -> None:
    python("-m", "heterosis", "new", "mine", folder=tmp_path, path=installed)
    plan = ("-m", "heterosis", "plan", ".", "--no-measure")
    told = python(*plan, folder=tmp_path / "mine", path=installed)
    assert told.startswith("experiment mine: 3 trials x 3 arms x 4 networks x 8 epochs")


def test_it_says_what_it_is_and_what_it_needs(installed: Path) -> None:
    (found,) = distributions(name="heterosis", path=[str(installed)])
    about = found.metadata
    assert found.version == PROJECT["version"]
    assert set(about.get_all("Provides-Extra") or ()) == set(PROJECT["optional-dependencies"])
    assert {"monitoring", "notebooks", "tensorboard"} <= set(PROJECT["optional-dependencies"])
    assert about["Requires-Python"] == "<3.14,>=3.11"
    offered = [each for each in about.get_all("Classifier") or () if ":: 3." in each]
    assert [each.rpartition(".")[2] for each in offered] == ["11", "12", "13"]
    assert set(about.get_all("License-File") or ()) == set(PROJECT["license-files"])
    (script,) = found.entry_points
    assert (script.name, script.value) == ("heterosis", "heterosis.__main__:main")
