"""What all figures share: the style, an arm's look, and figures as SVG and PNG files.

No pyplot: a figure is an object that belongs to its caller, and nothing global remembers it.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from analysis.tables import CONTROL

STYLE: Final = Path(__file__).with_name("style.mplstyle")

INK: Final = "#1b1f24"
PAPER: Final = "#ffffff"
FRAME: Final = "#8c959f"
GRID: Final = "#dfe3e8"

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours for the colour-blind, without yellow (unseen on white) and black."""

LINE_STYLES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS: Final = ("o", "s", "^", "D", "v", "<", "X")
"""With four line styles and six colours: 84 arms look different, and any 28 do in grey."""

DOTS: Final = 200
"""Dots an inch, of pictures as PNG."""


@dataclass(frozen=True)
class Look:
    """How an arm is drawn in every figure of a report."""

    colour: str
    line: Any
    marker: str


def looks(arms: Sequence[str]) -> dict[str, Look]:
    """Return the look of each arm: the control in the colour of text, the others by their order."""
    others = [arm for arm in arms if arm != CONTROL]
    look = {
        arm: Look(
            COLOURS[place % len(COLOURS)],
            LINE_STYLES[(place + 1) % len(LINE_STYLES)],
            MARKERS[place % len(MARKERS)],
        )
        for place, arm in enumerate(others)
    }
    return {CONTROL: Look(INK, "-", "none"), **look}


def shorten(name: str, longest: int = 26) -> str:
    """Return a name that fits beside a figure: blanks collapsed, cut with an ellipsis."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the project's style; characters that the font lacks become boxes, silently."""
    with matplotlib.style.context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        yield


def panels(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of `count` axes in `columns`; width and height of each in inches."""
    rows = -(-count // columns)
    layout = ConstrainedLayoutEngine(hspace=0.05 if rows > 1 else 0.0)
    figure = Figure(figsize=(width * columns, height * rows), layout=layout)
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = [grid[place // columns][place % columns] for place in range(rows * columns)]
    for empty in axes[count:]:
        empty.set_axis_off()
    return figure, axes[:count]


def stacked(width: float, height: float, ratios: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Return an empty figure, in inches, of axes one above the other with heights as `ratios`."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(hspace=0.05))
    return figure, list(figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0])


def settled(figure: Figure) -> Figure:
    """Fix the layout of a finished figure: all files made of it have the same.

    Nothing is drawn yet; texts are measured at `DOTS` dots an inch.
    """
    figure.set_dpi(DOTS)
    FigureCanvasAgg(figure)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
    figure.set_layout_engine("none")
    return figure


def legend_columns(labels: Sequence[str], width: float) -> int:
    """Return in how many even columns a legend of these labels fits into `width` inches."""
    widest = max(map(len, labels), default=0) + 8  # of a handle and the blanks around
    fitting = max(1, min(len(labels), int(11.5 * width) // widest))
    return max(1, -(-len(labels) // -(-len(labels) // fitting))) if labels else 1


def svg(figure: Figure) -> str:
    """Return a `settled` figure as an SVG document: the same text whenever the same is drawn."""
    drawn, buffer = figure.canvas, io.BytesIO()
    try:
        with styled():
            FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    finally:
        figure.set_canvas(drawn)
        figure.set_dpi(DOTS)
    return buffer.getvalue().decode("utf-8")


def png(figure: Figure) -> bytes:
    """Return a `settled` figure as a PNG file of `DOTS` dots an inch."""
    drawn, buffer = figure.canvas, io.BytesIO()
    assert isinstance(drawn, FigureCanvasAgg)
    with styled():
        drawn.draw()
    Image.fromarray(np.asarray(drawn.buffer_rgba())).convert("RGB").save(
        buffer, "png", dpi=(DOTS, DOTS)
    )
    return buffer.getvalue()


def inline(document: str, name: str, label: str) -> str:
    """Turn an SVG document into an element that can stand in a page beside others.

    Ids get the figure's name as prefix, the size is left to the page up to 1.65 px a point, and
    the colours become the page's own (`--ink`, `--hue-0` ...): a dark page has dark figures.

    Args:
        document: as `svg` returns it.
        name: unique in the page; letters, digits and dashes.
        label: the alternative text, unescaped.
    """
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r'(?<= d=")[^"]*|(?<= [xy]=")[^"]*', _rounded, body)
    for colour, variable in _THEME.items():
        body = body.replace(colour, f"var({variable})")
    opening, rest = body.split(">", 1)
    width = re.search(r' width="([\d.]+)pt"', opening)
    opening = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    if width:
        opening += f' style="max-width: {1.65 * float(width[1]):.0f}px"'
    return f'{opening} role="img" aria-label="{_attribute(label)}" focusable="false">{rest.strip()}'


_THEME: Final = {
    INK: "--ink",
    PAPER: "--paper",
    FRAME: "--frame",
    GRID: "--grid",
    **{colour.lower(): f"--hue-{place}" for place, colour in enumerate(COLOURS)},
}


def _rounded(numbers: re.Match[str]) -> str:
    """Round the numbers of an attribute to a hundredth of a point: less than any screen shows."""
    return re.sub(r"\d+\.\d{3,}", lambda one: f"{float(one[0]):.2f}", numbers[0])


def _attribute(text: str) -> str:
    """Escape a text for an attribute in double quotes."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return text
