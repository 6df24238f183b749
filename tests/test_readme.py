"""What the README and its fellows tell a user to do works."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

import heterosis
from apps.datasets.sources.readers import READERS
from workflow.cli import app
from workflow.experiment.arms import Arm
from workflow.experiment.file import load_experiment, read_experiment
from workflow.experiment.halts import Halt
from workflow.experiment.new_project import write_project

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/clusters.md",
    "docs/coming-from.md",
    "docs/errors.md",
    "docs/index.md",
    "docs/tutorial.md",
    "docs/what-you-bring.md",
    "docs/when-not.md",
)
README = (ROOT / "README.md").read_text()

FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', README, flags=re.M | re.S))
"""The files that the README shows, by name."""


def shell_lines() -> list[str]:
    blocks = [
        block
        for name in DOCUMENTS
        for block in re.findall(r"^```sh\n(.*?)^```$", (ROOT / name).read_text(), flags=re.M | re.S)
    ]
    return [line.partition("#")[0].strip() for line in "\n".join(blocks).splitlines() if line]


def first_column(title: str) -> list[str]:
    """Return the names in the first column of the README's table that begins with a title."""
    rows = README.partition(f"| {title} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", rows, flags=re.M)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert set(FILES) == {"my_network.py", "my_data.py", "mine.toml"}
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.slow
def test_the_example_of_an_own_network_and_data_runs(folder: Path) -> None:
    shorter = ["--set", "trials=2", "--set", "training.epochs=4"]
    done = subprocess.run(
        [sys.executable, "-m", "heterosis", "run", "mine.toml", *shorter],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "aligned-mean" in done.stdout
    report = folder / "runs" / "mine" / "report" / "index.html"
    assert report.is_file()
    assert str(report) in done.stdout


def test_the_example_loads_as_it_stands(folder: Path) -> None:
    experiment = load_experiment(folder / "mine.toml")
    assert [halt.at for halt in experiment.arms[2].halts] == [3, 6, 9]


def test_the_search_for_users_of_other_projects_loads_at_equal_budgets(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "coming-from.md").read_text()
    (file,) = re.findall(r"^```toml\n(.*?)^```$", text, flags=re.M | re.S)
    (network,) = [each for each in python_blocks("docs/coming-from.md") if "def build" in each]
    (tmp_path / "network.py").write_text(network)
    (tmp_path / "experiment.toml").write_text(file)
    experiment = load_experiment(tmp_path)
    spent = {arm.name: arm.spent(experiment.training.epochs) for arm in experiment.arms}
    # Whole networks, beside the passes of its teachers, do not add up to all of it.
    assert 60 <= spent.pop("taught") <= 64
    assert set(spent.values()) == {64}


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("heterosis")])
def test_commands_of_the_documents_are_understood(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    group.commands[name].make_context(name, arguments)


def test_make_targets_of_the_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    said = "\n".join((ROOT / name).read_text() for name in (*DOCUMENTS, ".ci/run", "Makefile"))
    named = set(re.findall(r"(?:`|^|#   )make ([a-z-]+)", said, flags=re.M))
    assert {"run", "test", "bench"} <= named <= targets


def test_ci_runs_the_documented_command() -> None:
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert last == "make test"
    assert last in [line.strip() for line in shell_lines()]


def test_the_table_of_settings_names_real_ones() -> None:
    known = {*Arm.model_fields, *Halt.known_keys(), "recipe"}
    keys = first_column("key")
    assert len(keys) > 8
    assert set(keys) <= known


def test_the_table_of_data_names_real_readers_and_settings() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", README, flags=re.M)
    settings = {name: re.findall(r"`(\w+)", said) for name, said in rows if name in READERS}
    assert [*settings] == first_column("`data.name`")
    for name, keys in settings.items():
        assert {*keys} <= {*READERS[name].known_keys()}


# The site's front page leads to pages that are made with it; its build fails where one is missing.
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "docs/index.md"])
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for link in re.findall(r"\]\(([^)#\s]+)\)", document.read_text()):
        if not link.startswith("http"):
            assert (document.parent / link).exists(), link


def test_the_version_is_that_of_the_changelog_and_of_the_wheel() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
    for name in ("README.md", "docs/tutorial.md", "docs/index.md"):
        wheels = re.findall(r"heterosis-(\d[\w.]*)-py3-none-any\.whl", (ROOT / name).read_text())
        assert set(wheels) == {version}, name


def python_blocks(name: str) -> list[str]:
    """Return the examples in Python of a document; of a notebook, its cells."""
    text = (ROOT / name).read_text()
    if name.endswith(".ipynb"):
        return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    return re.findall(r"^```python[^\n]*\n(.*?)^```$", text, flags=re.M | re.S)


@pytest.mark.parametrize(
    "name",
    [*DOCUMENTS, *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("**/[0-9]*.ipynb"))],
)
def test_what_users_import_is_public(name: str) -> None:
    said = "\n".join(python_blocks(name))
    assert not re.search(r"^\s*(?:from|import) (?:workflow|apps|analysis)\b", said, flags=re.M)
    for names in re.findall(r"^from heterosis import (.+)$", said, flags=re.M):
        assert set(names.split(", ")) <= set(heterosis.__all__)


def test_the_experiment_in_python_is_that_of_the_file(tmp_path: Path) -> None:
    (code,) = [each for each in python_blocks("docs/tutorial.md") if "Experiment(" in each]
    known: dict[str, object] = {}
    exec(code.partition("done = run")[0], known)
    write_project(tmp_path / "spirals", "")
    file = tmp_path / "spirals" / "experiment.toml"
    assert known["experiment"] == read_experiment(file)
