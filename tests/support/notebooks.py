"""Notebooks, played without a kernel."""

from __future__ import annotations

import ast
import html
from pathlib import Path

import nbformat

from analysis.notebook import Picture

ROOT = Path(__file__).parents[2]


FOLDER = ROOT / "analysis" / "notebooks"


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def parameters(book):
    found = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())]
    assert len(found) == 1
    return found[0]


def played(name, run):
    """Return what the cells would show, without a kernel."""
    book, space, shown = read(name), {}, []
    for cell in book.cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, name, "exec"), space)
            if cell is parameters(book):
                space["RUN"] = str(run)
            if last is not None:
                shown.append(eval(ast.unparse(last), space))
    return shown


def text_of(shown):
    """Return all that a user would read, as Jupyter would ask for it."""
    for each in shown:
        if isinstance(each, Picture):
            assert each._repr_svg_().rstrip().endswith("</svg>")
    texts = [each._repr_html_() for each in shown if not isinstance(each, Picture)]
    return html.unescape("\n".join(texts))
