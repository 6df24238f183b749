"""Drawing: the same file each time, told apart without colour, shown inline."""

from __future__ import annotations

import re

import matplotlib
import pytest

from analysis.figures import drawing
from analysis.tables import CONTROL
from tests.support.reports import drawn


def test_a_figure_drawn_again_is_the_same_file(tables):
    first = [(drawing.svg(figure), drawing.png(figure)) for figure in drawn(tables)]
    again = [(drawing.svg(figure), drawing.png(figure)) for figure in drawn(tables)]
    assert first == again
    assert "<dc:date>" not in first[0][0]


def test_drawing_leaves_the_global_style_alone(tables):
    before = dict(matplotlib.rcParams)
    drawing.svg(drawn(tables)[0])
    assert dict(matplotlib.rcParams) == before


def test_arms_differ_in_colour_and_without_it():
    arms = [CONTROL, *(f"arm {i}" for i in range(27))]
    look = drawing.looks(arms)
    assert len({(one.line, one.marker) for one in look.values()}) == 28
    assert len({one.colour for one in list(look.values())[:7]}) == 7
    assert look[CONTROL].colour == drawing.INK


def test_inline_svg_has_its_own_ids_and_the_pages_colours(tables):
    text = drawing.inline(drawing.svg(drawn(tables)[0]), "curves", 'a "label" <b>')
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert ids
    assert all(name.startswith("curves-") for name in ids)
    assert len(ids) == len(set(ids))
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)
    assert {a or b for a, b in used} <= set(ids)
    assert 'aria-label="a &quot;label&quot; &lt;b&gt;"' in text
    assert 'role="img"' in text
    assert "var(--ink)" in text
    assert drawing.INK not in text
    assert "<metadata>" not in text


@pytest.mark.parametrize(
    ("name", "short"), [("a\n b", "a b"), ("x" * 40, "x" * 25 + "\u2026"), ("\x00a", "a"), ("", "")]
)
def test_names_are_shortened_to_one_line(name, short):
    assert drawing.shorten(name) == short
