"""Which figures a run has, and that their words say what is drawn."""

from __future__ import annotations

import pytest

from analysis.figures import chosen, drawing
from analysis.statistics.overview import overview
from apps.records.tables_schema import frame

NAN = float("nan")


def _pictures(tables):
    numbers = overview(tables)
    drawn = chosen.pictures(numbers, chosen.secondary(numbers, tables), tables)
    return {picture.name: picture for picture in drawn}


def test_a_run_has_the_figures_that_it_has_numbers_for(tables, tables_of):
    always = ["loss_curves", "improvements", "members"]
    work = ["lineage", "workflow", "merging", "workers"]
    assert list(_pictures(tables)) == [*always, "kinship", *work]
    alone = _pictures(tables_of(halts=(), trials=2))
    assert list(alone) == [*always, "workers"]
    bare = tables_of(trials=2)
    unmeasured = dict.fromkeys(("distance_aligned", "barrier_raw", "barrier_aligned"), NAN)
    bare["matings"] = bare["matings"].assign(**unmeasured)
    bare["members"] = bare["members"].assign(started_unix_s=NAN)
    assert list(_pictures(bare)) == [*always, "lineage", "workflow", "merging"]


def test_alternative_texts_say_what_is_drawn(tables_of):
    tables = tables_of(arms=("control", "mean"), trials=3)
    told = {name: picture.alternative for name, picture in _pictures(tables).items()}
    ends = tables["members"].query("last_epoch == 12")
    for arm in ("control", "mean"):
        median = ends.loc[ends["arm"].eq(arm), "val_loss"].median()
        assert f"{arm} {median:.3f}" in told["members"]
    assert told["kinship"].startswith("Scatter chart of 3 merges.")
    best = tables["trials"].query("arm == 'mean' and trial == 0")["members"].iloc[0]
    own = tables["members"].query("arm == 'mean' and trial == 0 and segment == 1")
    parents = own.loc[own["member"].eq(int(best)), "parents"].iloc[0].split()
    assert f"descends from 2 members of the first segment: {', '.join(parents)}." in told["lineage"]
    assert told["workflow"] == (
        "Diagram of the control and mean over 12 epochs. mean is halted after epoch 6: 1 mating."
    )
    folders = tables["members"]["folder"].nunique()
    assert told["workers"].startswith(
        f"Chart of {folders} training tasks by worker over time: 1 worker, training"
    )


def test_species_are_drawn_where_an_arm_had_two(tables_of):
    tables = tables_of(arms=("control", "mean"), trials=2, halts=(4, 8))
    sizes = [(trial, halt, species) for trial in (0, 1) for halt in (0, 1) for species in (0, 1)]
    tables["species"] = frame(
        "species",
        [
            {
                "trial": trial,
                "arm": "mean",
                "halt": halt,
                "epoch": 4 + 4 * halt,
                "species": species,
                "size": 3 - 2 * species,
                "members": "0",
                "champion": 0,
                "fitness": 0.3,
                "offspring": 2,
            }
            for trial, halt, species in sizes
        ],
    )
    picture = _pictures(tables)["species"]
    assert picture.alternative.endswith("mean 2.0 at its first halt, 2.0 at its last.")
    for figure in (picture.wide, picture.narrow):
        bars, number = figure.axes
        assert [bar.get_height() for bar in bars.patches] == [3, 1, 3, 1]
        assert [text.get_text() for text in bars.texts] == ["0", "1", "0", "1"]
        assert number.get_xticks().tolist() == [4, 8]
        with drawing.styled():
            used, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(used.x0, width - used.x1, used.y0, height - used.y1) > -0.03


def test_pictures_of_one_trial_show_the_verdicts_arm_or_the_one_most_halted(tables_of):
    tables = tables_of(arms=("control", "clone", "mean"), failed_trials=[(0, "mean")])
    assert chosen.shown_run(overview(tables), tables) == ("mean", 1)
    assert chosen.shown_run(overview(none := tables_of(halts=())), none) is None
    lost = tables_of(
        arms=("control", "clone", "mean"), trials=2, failed_trials=[(0, "control"), (1, "control")]
    )
    assert chosen.shown_run(overview(lost), lost) == ("clone", 0)


@pytest.mark.parametrize(
    ("labels", "width", "columns"),
    [
        ([], 9.8, 1),
        (["a"], 4.4, 1),
        (["a"] * 5, 9.8, 5),
        (["x" * 20] * 9, 9.8, 3),
        (["x" * 90], 4.4, 1),
        (["x" * 10] * 4, 4.4, 2),
    ],
)
def test_a_legend_has_the_columns_that_fit(labels, width, columns):
    assert drawing.legend_columns(labels, width) == columns
