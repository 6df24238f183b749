"""The notebooks: stored bare, run on a real run, on stored results and on odd runs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from analysis.notebook import Table, Text
from apps.records.run_dir import RunDir
from tests.support.experiments import drive, load
from tests.support.notebooks import FOLDER, ROOT, parameters, played, read, text_of

STORED = sorted(path.name for path in (ROOT / "analysis" / "results").iterdir() if path.is_dir())


PICTURES = {
    "0_inspect_a_run": 1,
    "1_compare_arms": 1,
    "2_species_and_distances": 3,
    "3_the_poster": 2,
}
"""How many figures each notebook has, of a run that lacks nothing."""


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """A small run, trained and recorded."""
    root = tmp_path_factory.mktemp("recorded") / "tiny"
    experiment = load(tmp_path_factory.mktemp("file"), trials=3)
    run = RunDir(root)
    run.tables.mkdir(parents=True)
    for name, table in drive(experiment, root).tables.items():
        table.to_parquet(run.table(name))
    return root


@pytest.fixture
def jupyter(tmp_path, monkeypatch):
    """Keep Jupyter and IPython out of the user's folders."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HETEROSIS_RUN", raising=False)


def _execute(book):
    client = NotebookClient(book, timeout=120, resources={"metadata": {"path": str(FOLDER)}})
    return client.execute()


# -------------------------------------------------------------------------------------- as stored
def test_these_are_the_notebooks():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_is_stored_bare_and_valid(name):
    book = read(name)
    nbformat.validate(book)
    assert set(book.metadata) == {"kernelspec", "language_info"}
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_is_short_tells_before_it_shows_and_only_calls_functions(name):
    cells = read(name).cells
    assert len(cells) <= 16
    assert all(one.cell_type == "markdown" for one in cells[::2])
    assert all(one.cell_type == "code" for one in cells[1::2])
    for cell in cells[1::2]:
        tree = ast.parse(cell.source)
        kinds = ast.Import | ast.ImportFrom | ast.Assign | ast.Expr
        assert all(isinstance(statement, kinds) for statement in tree.body)
        assert len(tree.body) <= 4


@pytest.mark.parametrize("name", PICTURES)
def test_the_run_of_a_fresh_clone_is_the_default(name, monkeypatch):
    space = {}
    monkeypatch.delenv("HETEROSIS_RUN", raising=False)
    exec(parameters(read(name)).source, space)
    assert space["RUN"] == "runs/quick"
    monkeypatch.setenv("HETEROSIS_RUN", "elsewhere")
    exec(parameters(read(name)).source, space)
    assert space["RUN"] == "elsewhere"


# ------------------------------------------------------------------------------------ in a kernel
@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_runs_on_a_recorded_run(name, recorded, jupyter):
    book = read(name)
    after = book.cells.index(parameters(book)) + 1
    book.cells.insert(after, nbformat.v4.new_code_cell(f"RUN = {str(recorded)!r}"))
    shown = [output for cell in _execute(book).cells for output in cell.get("outputs", ())]
    assert {output.output_type for output in shown} == {"execute_result"}
    assert sum("image/svg+xml" in output.data for output in shown) == PICTURES[name]
    assert len(shown) == len([c for c in book.cells if c.cell_type == "code"]) - 2
    assert "3 trials" in shown[0].data["text/html"]


@pytest.mark.slow
def test_a_run_that_is_not_there_is_one_line(jupyter, monkeypatch):
    monkeypatch.setenv("HETEROSIS_RUN", "no/such/run")
    with pytest.raises(CellExecutionError):
        _execute(book := read("0_inspect_a_run"))
    (told,) = [output for cell in book.cells for output in cell.get("outputs", ())]
    (line,) = told.traceback
    assert line.startswith("error: there is no folder 'no/such/run' in ")
    assert "\n" not in line
    assert "HETEROSIS_RUN" in line


# ------------------------------------------------------------------------------- without a kernel
@pytest.mark.slow
@pytest.mark.parametrize("folder", STORED)
@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_runs_on_stored_results(name, folder, monkeypatch):
    monkeypatch.chdir(FOLDER)
    text = text_of(played(name, f"analysis/results/{folder}"))
    assert text.startswith(f"<p>{folder}")
    assert "Traceback" not in text


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_survives_odd_runs(name, lacking_tables, run_of):
    shown = played(name, run_of(lacking_tables).root)
    text = "\n".join(each._repr_html_() for each in shown if isinstance(each, Text | Table))
    assert "<b>" not in text
    text_of(shown)


# ------------------------------------------------------------------------------- make notebooks
def test_make_notebooks_opens_jupyter_lab_on_loopback():
    told = subprocess.run(
        ["make", "--dry-run", "notebooks"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"jupyter-lab --ip=127\.0\.0\.1 [^;]* analysis/notebooks\n", told)
    assert '".[dev,notebooks]"' in told


def test_the_notebooks_need_no_more_than_the_project():
    imported = {
        name.split(".")[0]
        for name in re.findall(
            r"^(?:import|from) (\S+)",
            "\n".join(
                cell.source
                for book in map(read, PICTURES)
                for cell in book.cells
                if cell.cell_type == "code"
            ),
            flags=re.MULTILINE,
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"heterosis"}
