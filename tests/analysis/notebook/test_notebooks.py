"""The notebooks: stored bare, run on a real run, on stored results and on odd runs."""

from __future__ import annotations

import ast
import html
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from analysis import notebook
from analysis.notebook import Picture, Table, Text
from analysis.statistics.overview import overview
from apps.records.run_dir import RunDir
from tests.support.experiments import drive, load

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "analysis" / "notebooks"
STORED = sorted(path.name for path in (ROOT / "analysis" / "results").iterdir() if path.is_dir())

PICTURES = {
    "0_inspect_a_run": 1,
    "1_compare_arms": 1,
    "2_species_and_distances": 3,
    "3_the_poster": 2,
}
"""How many figures each notebook has, of a run that lacks nothing."""

POSTER = ("control", "mean", "random")


def _read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def _parameters(book):
    found = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())]
    assert len(found) == 1
    return found[0]


def _played(name, run):
    """Return what the cells would show, without a kernel."""
    book, space, shown = _read(name), {}, []
    for cell in book.cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, name, "exec"), space)
            if cell is _parameters(book):
                space["RUN"] = str(run)
            if last is not None:
                shown.append(eval(ast.unparse(last), space))
    return shown


def _text(shown):
    """Return all that a user would read, as Jupyter would ask for it."""
    for each in shown:
        if isinstance(each, Picture):
            assert each._repr_svg_().rstrip().endswith("</svg>")
    texts = [each._repr_html_() for each in shown if not isinstance(each, Picture)]
    return html.unescape("\n".join(texts))


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
    book = _read(name)
    nbformat.validate(book)
    assert set(book.metadata) == {"kernelspec", "language_info"}
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_is_short_tells_before_it_shows_and_only_calls_functions(name):
    cells = _read(name).cells
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
    exec(_parameters(_read(name)).source, space)
    assert space["RUN"] == "runs/quick"
    monkeypatch.setenv("HETEROSIS_RUN", "elsewhere")
    exec(_parameters(_read(name)).source, space)
    assert space["RUN"] == "elsewhere"


# ------------------------------------------------------------------------------------ in a kernel
@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_runs_on_a_recorded_run(name, recorded, jupyter):
    book = _read(name)
    after = book.cells.index(_parameters(book)) + 1
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
        _execute(book := _read("0_inspect_a_run"))
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
    text = _text(_played(name, f"analysis/results/{folder}"))
    assert text.startswith(f"<p>{folder}")
    assert "Traceback" not in text


def test_stored_results_show_what_they_have_and_name_what_they_lack(monkeypatch):
    monkeypatch.chdir(FOLDER)
    compared = _played("1_compare_arms", "analysis/results/relatives")
    assert sum(isinstance(each, Picture) for each in compared) == 1
    assert "aligned-harvest-swa" in _text(compared)
    merged = _played("2_species_and_distances", "analysis/results/strangers")
    assert "strangers-512" in _text(merged)
    assert sum(isinstance(each, Picture) for each in merged) == 1
    assert "would stand in tables/species.parquet" in _text(merged)
    poster = _text(_played("3_the_poster", "analysis/results/relatives"))
    assert "relatives has no mean and no random: take a run of quick or poster" in poster


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_survives_odd_runs(name, odd_tables, run_of):
    shown = _played(name, run_of(odd_tables).root)
    text = "\n".join(each._repr_html_() for each in shown if isinstance(each, Text | Table))
    assert "<b>" not in text
    _text(shown)


def test_stored_trials_give_the_numbers_of_their_run(tables, tmp_path):
    run = RunDir(tmp_path / "run")
    run.tables.mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(run.table(name))
    whole = notebook.open_run(run.root)
    stored = tmp_path / "stored"
    stored.mkdir()
    tables["trials"].to_csv(stored / "trials.csv", index=False)
    whole.numbers.summary.to_csv(stored / "statistics.csv", index=False)
    kept = notebook.open_run(stored)
    pd.testing.assert_frame_equal(notebook.statistics(kept).frame, notebook.statistics(whole).frame)
    ours, theirs = notebook.poster(kept).frame, notebook.poster(whole).frame
    pd.testing.assert_frame_equal(ours.iloc[:-2], theirs.iloc[:-2])
    assert ours.iloc[-1].eq("no distances are stored (cannot be told)").all()
    half = "the control is reached in less than half the time"
    assert ours.loc[half, "training loss"] == theirs.loc[half, "training loss"]
    assert ours.loc[half, "training loss"] == "mean never; random never (disagrees)"
    early = "mean 0.17 K in 8 of 8; random 0.17 K in 8 of 8"
    assert ours.loc[half, "held-out loss"] == f"{early} (cannot be told)"
    assert theirs.loc[half, "held-out loss"] == f"{early}; the control itself 0.17 K (disagrees)"


def test_a_folder_of_stored_results_may_be_a_run_directory(tables, run_of):
    run = run_of(tables)
    (run.root / "versus.csv").write_text("against,arm\n")
    opened = notebook.open_run(run.root)
    pd.testing.assert_frame_equal(opened.tables["members"], tables["members"])
    assert opened.stored == {}


@pytest.mark.parametrize("name", ["trials.csv", "damage.csv"])
@pytest.mark.parametrize("content", ["", "trial,arm\n0,control\n", "\0\0", 'a,"b\n1,2'])
def test_stored_tables_that_cannot_be_read_are_one_line(content, name, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(notebook.NotebookError) as told:
        notebook.open_run(tmp_path)
    (line,) = told.value._render_traceback_()
    assert "\n" not in line
    assert f"{tmp_path / name}: " in line


def test_a_folder_of_something_else_is_one_line(tmp_path):
    with pytest.raises(notebook.NotebookError, match="neither a run directory"):
        notebook.open_run(tmp_path)


# ------------------------------------------------------------------------------------ the poster
def _judged(tables, run_of, kind="held-out loss"):
    cells = notebook.poster(notebook.open_run(run_of(tables).root)).frame[kind]
    return {claim: re.search(r"\(([a-z ]+)\)$", cell)[1] for claim, cell in cells.items()}


def test_a_run_like_the_poster_agrees_with_it(tables_of, run_of):
    made = {"mean": (0.02, 0.09), "random": (0.02, 0.06)}
    judged = _judged(tables_of(trials=10, gains=made, arms=POSTER), run_of)
    assert [verdict for claim, verdict in judged.items() if "half" not in claim] == [
        *["agrees"] * 5,
        "cannot be told",
    ]


def test_a_run_that_ruins_its_networks_disagrees(tables_of, run_of):
    made = {"mean": (-3.0, -0.9), "random": (-3.0, -0.5)}
    judged = _judged(tables_of(trials=10, gains=made, arms=POSTER), run_of)
    assert list(judged.values()) == [*["disagrees"] * 6, "cannot be told"]


def test_one_trial_tells_hardly_anything(tables_of, run_of):
    judged = _judged(tables_of(trials=1, arms=POSTER), run_of)
    assert list(judged.values())[:4] == ["cannot be told"] * 4
    assert judged["similar parents do better"] == "cannot be told"


@pytest.mark.parametrize(("slope", "verdict"), [(-1, "agrees"), (1, "disagrees")])
def test_similar_parents_are_judged_by_the_order_of_the_trials(slope, verdict, tables_of, run_of):
    tables = dict(tables_of(trials=8, arms=POSTER))
    gains = overview(tables).paired.query("kind == 'val_loss'")
    gains = gains.set_index(["trial", "arm"])["improvement"]
    matings = tables["matings"].copy()
    pairs = zip(matings["trial"], matings["arm"], strict=True)
    matings["distance_raw"] = [1 + slope * gains[pair] for pair in pairs]
    told = _judged({**tables, "matings": matings}, run_of)
    assert told["similar parents do better"] == verdict


# ------------------------------------------------------------------------------- make notebooks
def test_make_notebooks_opens_jupyter_lab_on_loopback():
    told = subprocess.run(
        ["make", "--dry-run", "notebooks"],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.search(r"jupyter-lab --ip=127\.0\.0\.1 [^;]* analysis/notebooks\n", told)
    assert '".[dev,notebooks]"' in told


def test_the_notebooks_need_no_more_than_the_project():
    imported = {
        name.split(".")[0]
        for name in re.findall(r"^(?:import|from) (\S+)", "\n".join(
            cell.source for book in map(_read, PICTURES) for cell in book.cells
            if cell.cell_type == "code"
        ), flags=re.MULTILINE)
    }  # fmt: skip
    assert imported - set(sys.stdlib_module_names) == {"analysis"}
