"""A new project runs as it stands, and nothing is overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from apps.errors import UserError
from site_configs.options import find_site
from tests.workflow.conftest import Heterosis
from workflow.experiment.file import read_experiment
from workflow.experiment.new_project import write_project

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_new_project_runs_without_an_argument(tmp_path: Path, heterosis: Heterosis) -> None:
    folder = tmp_path / "my project"
    ended = heterosis("new", folder)
    assert (ended.code, ended.err) == (0, "")
    assert f"cd '{folder}'; heterosis run" in ended.out
    done = subprocess.run(
        [sys.executable, "-m", "heterosis", "run", "--set", "trials=1"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "runs" / "my-project" / "report" / "index.html").is_file()


def test_the_site_is_one_to_fill_in(tmp_path: Path, heterosis: Heterosis) -> None:
    heterosis("new", tmp_path / "project")
    path = tmp_path / "project" / "site.toml"
    site = find_site(str(path))
    assert site.settings["partition"] == "CHANGE_ME"
    assert "--site site.toml" in path.read_text()


def test_every_line_of_the_experiment_that_decides_is_explained(tmp_path: Path) -> None:
    write_project(tmp_path / "project", "")
    path = tmp_path / "project" / "experiment.toml"
    experiment = read_experiment(path)
    assert experiment.name == "project"
    assert [arm.name for arm in experiment.arms] == ["control", "clone", "mean"]
    assert {"data", "network", "training", "arms"} <= tomllib.loads(path.read_text()).keys()


@pytest.mark.parametrize("name", ["experiment.toml", "network.py", "data.py", "site.toml"])
def test_nothing_is_overwritten(name: str, tmp_path: Path, heterosis: Heterosis) -> None:
    (tmp_path / name).write_text("mine")
    ended = heterosis("new", tmp_path)
    assert ended.code == 2
    assert f"has {name} already" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written: Not a directory"):
        write_project(tmp_path / "file" / "project", "")


@pytest.mark.parametrize(
    ("folder", "name"), [("a b", "a-b"), ("_x", "x"), ("ü", "experiment"), ("x" * 70, "x" * 60)]
)
def test_the_folders_name_becomes_a_plain_one(folder: str, name: str, tmp_path: Path) -> None:
    write_project(tmp_path / folder, "")
    assert read_experiment(tmp_path / folder / "experiment.toml").name == name
