"""What a cell of a notebook shows: text, a table or a picture."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import drawing
from analysis.numerals import unbroken


@dataclass(frozen=True)
class Text:
    """Paragraphs; shown as they are, whatever signs a run's names have."""

    paragraphs: tuple[str, ...]

    def __repr__(self) -> str:
        """Return the paragraphs, a line each."""
        return "\n".join(self.paragraphs)

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in self.paragraphs)


@dataclass(frozen=True)
class Table:
    """A data frame that is shown whole."""

    frame: pd.DataFrame

    def __repr__(self) -> str:
        """Return the table as text."""
        return self.frame.to_string()

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            return unbroken(str(self.frame.to_html(border=0, na_rep="")))


@dataclass(frozen=True)
class Picture:
    """A figure, shown as SVG."""

    figure: Figure

    def _repr_svg_(self) -> str:
        return drawing.svg(self.figure)


Shown: TypeAlias = Text | Table | Picture
