"""Figures: drawn from any world, the same file each time, told apart without colour."""

from __future__ import annotations

import re

import matplotlib
import pytest

from analysis.figures import drawing, results
from analysis.figures.lineage import lineage_figure
from analysis.statistics.lineage import lineage
from analysis.statistics.overview import overview
from analysis.tables import CONTROL


def _draw(tables, columns=2):
    numbers = overview(tables)
    arm, trial = tables["trials"][["arm", "trial"]].iloc[-1]
    return [
        results.loss_curves(
            numbers.bands, numbers.arms, numbers.halts, numbers.departures, columns=columns
        ),
        results.improvements(numbers.paired, numbers.summary, numbers.arms, columns=columns),
        lineage_figure(lineage(tables["members"], tables["trials"], int(trial), str(arm))),
    ]


def test_a_figure_drawn_again_is_the_same_file(tables):
    first = [(drawing.svg(figure), drawing.png(figure)) for figure in _draw(tables)]
    again = [(drawing.svg(figure), drawing.png(figure)) for figure in _draw(tables)]
    assert first == again
    assert "<dc:date>" not in first[0][0]


def test_drawing_leaves_the_global_style_alone(tables):
    before = dict(matplotlib.rcParams)
    drawing.svg(_draw(tables)[0])
    assert dict(matplotlib.rcParams) == before


def test_arms_differ_in_colour_and_without_it():
    arms = [CONTROL, *(f"arm {i}" for i in range(27))]
    look = drawing.looks(arms)
    assert len({(one.line, one.marker) for one in look.values()}) == 28
    assert len({one.colour for one in list(look.values())[:7]}) == 7
    assert look[CONTROL].colour == drawing.INK


def test_an_arm_is_drawn_only_where_it_is_not_the_control(tables):
    ax = _draw(tables)[0].axes[0]
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines["control"].get_xdata()[0] == 1
    assert lines["mean"].get_xdata()[0] == 6


def test_a_line_stands_at_each_halt(tables_of):
    ax = _draw(tables_of(halts=(3, 7)))[0].axes[1]
    upright = {x[0] for x in (line.get_xdata() for line in ax.get_lines()) if len(set(x)) == 1}
    assert {3, 7} <= upright


def test_a_ruined_arm_is_cut_and_named(tables_of):
    ax = _draw(tables_of(gains={"mean": (-15.0, -3.0)}))[0].axes[0]
    assert any("mean up to" in text.get_text() for text in ax.texts)


def test_intervals_lie_within_the_axis(tables_of):
    tables = tables_of(trials=3)
    summary = overview(tables).of("val_loss")
    low, high = _draw(tables)[1].axes[1].get_xlim()
    assert low < 100 * summary["low"].min()
    assert high > 100 * summary["high"].max()


def test_inline_svg_has_its_own_ids_and_the_pages_colours(tables):
    text = drawing.inline(drawing.svg(_draw(tables)[0]), "curves", 'a "label" <b>')
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
