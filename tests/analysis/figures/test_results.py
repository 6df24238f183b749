"""Figures of the results: every arm where it differs, cut where it would spoil the scale."""

from __future__ import annotations

from analysis.statistics.overview import overview
from tests.support.reports import drawn


def test_an_arm_is_drawn_only_where_it_is_not_the_control(tables):
    ax = drawn(tables)[0].axes[0]
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines["control"].get_xdata()[0] == 1
    assert lines["mean"].get_xdata()[0] == 6


def test_a_line_stands_at_each_halt(tables_of):
    ax = drawn(tables_of(halts=(3, 7)))[0].axes[1]
    upright = {x[0] for x in (line.get_xdata() for line in ax.get_lines()) if len(set(x)) == 1}
    assert {3, 7} <= upright


def test_a_ruined_arm_is_cut_and_named(tables_of):
    ax = drawn(tables_of(gains={"mean": (-15.0, -3.0)}))[0].axes[0]
    assert any("mean up to" in text.get_text() for text in ax.texts)


def test_intervals_lie_within_the_axis(tables_of):
    tables = tables_of(trials=3)
    summary = overview(tables).of("val_loss")
    low, high = drawn(tables)[1].axes[1].get_xlim()
    assert low < 100 * summary["low"].min()
    assert high > 100 * summary["high"].max()
