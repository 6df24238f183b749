"""Workflows as pictures: what is there is drawn and explained, nothing else."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.figures.numbers import Scheme
from analysis.figures.scheme import NUMBERED, workflows

TRAINING = ["member", "start", "end", "failed"]
MERGES = ["epoch", "parents", "children", "how"]
RESTARTS = ["epoch", "member"]


def scheme(training, merges=(), restarts=(), champion=(), how="best"):
    return Scheme(
        "mean",
        6,
        pd.DataFrame(training, columns=TRAINING).astype({"failed": bool}),
        pd.DataFrame(merges, columns=MERGES),
        pd.DataFrame(restarts, columns=RESTARTS),
        champion,
        how,
    )


BARE = [(0, 0, 6, False), (1, 0, 6, False)]
HALTED = scheme(
    [(0, 0, 3, False), (1, 0, 3, False), (0, 3, 6, False), (1, 3, 6, True)],
    [(3, (0, 1), (0, 1), "mean, aligned")],
    champion=(0,),
)


def explained(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_training_alone_is_bars():
    figure = workflows([scheme(BARE)])
    assert explained(figure) == ["training"]
    assert texts(figure) == []
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1"]
    assert list(ax.get_xticks()) == [0, 6]


def test_what_happens_at_a_halt_is_drawn_and_named():
    figure = workflows([HALTED])
    assert explained(figure) == ["training", "parents mate", "children", "failed", "champion"]
    assert set(texts(figure)) == {"mean of 2, aligned", "best"}
    assert list(figure.axes[0].get_xticks()) == [0, 3, 6]
    diamonds = [line for line in figure.axes[0].get_lines() if line.get_marker() == "D"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in diamonds] == [(3, 0.5)]


def test_a_fresh_optimiser_is_a_ring():
    figure = workflows([scheme(BARE, restarts=[(3, 0), (3, 1)])])
    assert explained(figure) == ["training", "fresh optimiser"]
    assert texts(figure) == ["restart"]


def test_a_champion_of_several_says_of_how_many():
    assert "mean of 2" in texts(workflows([scheme(BARE, champion=(0, 1), how="mean")]))


@pytest.mark.parametrize(("members", "label"), [(NUMBERED, "member"), (NUMBERED + 1, "17 members")])
def test_many_members_are_counted_and_not_numbered(members, label):
    (ax,) = workflows([scheme([(each, 0, 6, False) for each in range(members)])]).axes
    assert ax.get_ylabel() == label
    assert len(ax.get_yticks()) == (members if label == "member" else 0)


def test_panels_have_rows_of_one_height():
    figure = workflows([scheme(BARE), scheme([(each, 0, 6, False) for each in range(5)])])
    assert {ax.get_ylim() for ax in figure.axes} == {(4.9, -0.9)}
