"""What is written down about where a run was computed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workflow.runs import environment


def test_an_installed_heterosis_has_no_commit_of_the_project_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ("git", "-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run([*git, "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-qm", "mine", "--allow-empty"], cwd=tmp_path, check=True)
    folder = tmp_path / "workflow" / "runs"
    folder.mkdir(parents=True)
    monkeypatch.setattr(environment, "__file__", str(folder / "environment.py"))
    assert environment._commit(), "its own checkout has one"
    folder = tmp_path / "venv" / "site-packages" / "workflow" / "runs"
    folder.mkdir(parents=True)
    monkeypatch.setattr(environment, "__file__", str(folder / "environment.py"))
    assert environment._commit() == ""
