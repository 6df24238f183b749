"""A figure as a page needs it: in two widths, with title, caption and alternative text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from matplotlib.figure import Figure

from analysis.figures import drawing

NARROW: Final = 4.4
"""Inches: a column of a page."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its name, title, caption, alternative text, wide and narrow form.

    `chapter` is where it stands: "result", "search", "population", "workflow" or "cost". A `folded`
    one is closed until the reader opens it.
    """

    name: str
    title: str
    caption: str
    alternative: str
    wide: Figure
    narrow: Figure
    chapter: str = "result"
    folded: bool = False

    @cached_property
    def documents(self) -> dict[str, str]:
        """The figure as SVG, by form."""
        return {"wide": drawing.svg(self.wide), "narrow": drawing.svg(self.narrow)}
