"""Arms that differ in epochs, networks, relatives and teachers: what is said of each is its own."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.figures import chosen
from analysis.figures.numbers import scheme
from analysis.notebook import Picture, gain_by_distance, open_results
from analysis.report.comparison_page import write_comparison
from analysis.report.page import arms_table, champion_rows, cost_rows, facts
from analysis.statistics.costs import EVERYTHING, costs
from analysis.statistics.curves import cost_to_loss
from analysis.statistics.lineage import lineage
from analysis.statistics.overview import overview
from analysis.statistics.search import diversity, searched
from apps.records.tables_schema import UNFINISHED
from tests.analysis.conftest import DIFFERING

ENDS = {
    "control": 12,
    "mean": 12,
    "swa": 12,
    "long": 32,
    "evolution": 12,
    "family": 8,
    "heterosis": 18,
}
AT_END = {
    "control": 4,
    "mean": 4,
    "swa": 4,
    "long": 1,
    "evolution": 2,
    "family": 1,
    "heterosis": 1,
}
"""Members of an arm at its end."""

WHOLE = {
    "control": 4 * 12,
    "mean": 4 * 12,
    "swa": 4 * 12,
    "long": 32,
    "evolution": 8 * 3 + 4 * 3 + 2 * 6,
    "family": 4 * 3 + 6 * 5,
    "heterosis": 4 * 3 + 4 * 3 + 2 * 8 + 4,
}
"""Network-epochs of a trial whose members do not end early."""


@pytest.fixture
def numbers(differing):
    return overview(differing)


@pytest.fixture
def more(numbers, differing):
    return chosen.secondary(numbers, differing)


def test_every_arm_is_read_at_its_end(differing, numbers, more):
    assert numbers.ends == ENDS
    assert numbers.lengths == ENDS
    members, read = differing["members"], more.members
    for arm, end in ENDS.items():
        own = members.loc[members["arm"].eq(arm) & members["last_epoch"].eq(end)]
        last = read.loc[read["arm"].eq(arm) & read["epoch"].eq(end)]
        assert len(last) == DIFFERING["trials"] * AT_END[arm]
        assert last["value"].tolist() == own["val_loss"].tolist()
        assert read.loc[read["arm"].eq(arm), "epoch"].max() == end


def test_every_merge_whose_children_have_a_loss_has_a_gain(differing, numbers, more):
    merges = more.kinship
    assert len(merges) == differing["matings"].groupby(["trial", "arm", "halt"]).ngroups
    assert merges["children"].gt(0).all()
    assert np.isfinite(merges["gain"]).all()
    by = ["arm", "segment", "member"]
    ends = differing["epochs"].query("trial == 0").groupby(by)["val_loss"].last()
    control, child = ends["control", 2].mean(), ends["heterosis", 3].mean()
    (last,) = merges.query("trial == 0 and arm == 'heterosis' and epoch == 14")["gain"]
    assert last == pytest.approx((control - child) / control)


def test_the_figures_of_the_population_show_and_name_every_arm(differing, numbers, more):
    drawn = chosen.pictures(numbers, more, differing)
    pictures = {picture.name: picture for picture in drawn}
    members, kin = pictures["members"], pictures["kinship"]
    for figure in (members.wide, members.narrow):
        end = figure.axes[-1]
        names = [label.get_text() for label in end.get_yticklabels()]
        assert names == [f"{arm}, epoch {end}" for arm, end in ENDS.items()]
    losses = differing["members"]
    for arm, end in ENDS.items():
        own = losses.loc[losses["arm"].eq(arm) & losses["last_epoch"].eq(end), "val_loss"]
        assert f"{arm} {own.median():.3f}" in members.alternative
    assert "at the control's end where that is earlier" in kin.caption
    assert "over 32 epochs." in pictures["loss_curves"].alternative
    arm, _ = chosen.shown_run(numbers, differing)
    assert f" over {ENDS[arm]} epochs." in pictures["workflow"].alternative


@pytest.mark.parametrize("arm", ENDS)
def test_pictures_of_one_arm_have_its_epochs_and_networks(arm, differing):
    shown = scheme(differing, 0, arm)
    assert shown.epochs == ENDS[arm]
    family = lineage(differing["members"], differing["trials"], 0, arm)
    last = family.nodes.loc[family.nodes["epoch"].eq(ENDS[arm])]
    assert len(last) == AT_END[arm]
    assert last["champion"].sum() == 1


def _spent(differing) -> dict[str, dict[str, float]]:
    """Network-epochs of a trial by arm, as each of the tables has them that have them."""
    numbers = overview(differing)
    more = chosen.secondary(numbers, differing)
    found = searched(differing)
    assert found is not None
    trials = DIFFERING["trials"]
    costs = numbers.costs.set_index("arm")["network_epochs"].drop(EVERYTHING) / trials
    highest = differing["trials"]["network_epochs"].max()
    never = cost_to_loss(differing["epochs"].assign(left=-differing["epochs"].index), -1e9, "left")
    assert never["network_epochs"].isna().all()
    # A loss that falls with every epoch is reached at the last.
    falling = differing["epochs"].assign(falling=-differing["epochs"]["epoch"])
    ends = {
        arm: cost_to_loss(own, own["falling"].min(), "falling")["network_epochs"].mean()
        for arm, own in falling.groupby("arm")
    }
    assert more.tasks["network_epochs"].sum() == numbers.costs["network_epochs"].iloc[-1]
    assert found.spent["network_epochs"].dropna().le(highest).all()
    return {
        "costs": costs.to_dict(),
        "curves": numbers.bands.groupby("arm")["network_epochs"].last().to_dict(),
        "anytime": found.bands.groupby("arm")["network_epochs"].last().to_dict(),
        "anytime by trial": found.steps.groupby(["arm", "trial"])["network_epochs"]
        .last()
        .groupby("arm")
        .mean()
        .to_dict(),
        "search": found.arms.set_index("arm")["network_epochs"].to_dict(),
        "cost to the lowest loss": ends,
    }


def test_every_table_counts_the_same_network_epochs(differing):
    expected = differing["trials"].groupby("arm")["network_epochs"].mean().to_dict()
    for table, spent in _spent(differing).items():
        assert spent == pytest.approx(expected), table


def test_without_early_ends_they_are_networks_times_epochs(tables_of):
    differing = tables_of(**DIFFERING)
    for table, spent in _spent(differing).items():
        assert spent == pytest.approx(WHOLE), table


def test_teachers_stand_beside_the_network_epochs(differing, numbers):
    costs = {row["arm"]: row for row in cost_rows(numbers)}
    assert {arm: costs[arm]["serial"] for arm in ENDS} == {a: str(k) for a, k in ENDS.items()}
    assert [costs[arm]["teaching"] for arm in ("control", "family")] == ["0", "6"]
    table = arms_table(numbers).set_index("arm")
    spent = differing["trials"].groupby("arm")["network_epochs"].mean()
    assert int(table.loc["family", "network-epochs"]) == round(spent["family"] + 2)
    assert int(table.loc["swa", "network-epochs"]) == round(spent["swa"])


def test_what_is_said_of_the_run_is_said_of_the_control(numbers):
    assert (numbers.population, numbers.epochs) == (4, 12)
    told = [f"{value} {what}" for value, what in facts(numbers)]
    assert {"4 networks in a population", "12 epochs (K)"} <= set(told)
    assert champion_rows(numbers)[1]["arm"] == "mean of the 4 in control"


def test_a_control_that_always_failed_keeps_its_epochs(tables_of):
    failed = [(trial, "control") for trial in range(DIFFERING["trials"])]
    numbers = overview(tables_of(**DIFFERING, failed_trials=failed))
    assert numbers.epochs == 12
    old = tables_of(**DIFFERING, failed_trials=failed)
    old["trials"] = old["trials"].assign(serial_epochs=0)
    assert overview(old).epochs == 12


def test_the_mean_of_the_controls_networks_says_how_many_it_is_of(tables_of):
    lost = [(0, "control", 2, 1), (0, "control", 2, 3), (1, "control", 2, 0)]
    numbers = overview(tables_of(**DIFFERING, failed_members=lost))
    assert champion_rows(numbers)[1]["arm"] == "mean of the 2 to 4 in control"
    lost = [(trial, "control", 2, 0) for trial in range(3)]
    numbers = overview(tables_of(**DIFFERING, failed_members=lost))
    assert champion_rows(numbers)[1]["arm"] == "mean of the 3 in control"


def test_arms_are_the_control_where_they_share_its_networks(differing, numbers):
    members = differing["members"]
    starts = members.loc[members["segment"].eq(0)]
    for arm in ("mean", "heterosis", "family"):
        folders = [set(starts.loc[starts["arm"].eq(each), "folder"]) for each in (arm, "control")]
        assert folders[0] == folders[1]
        assert numbers.departures[arm] == 3
    assert numbers.departures["long"] == numbers.departures["evolution"] == 0


def test_diversity_counts_each_arms_members(differing):
    alive = diversity(differing["members"]).set_index(["arm", "epoch"])["population"]
    assert {arm: alive[arm, end] for arm, end in ENDS.items()} == AT_END
    assert alive["evolution"].tolist() == [8, 4, 2]


def test_a_comparison_of_runs_tells_the_controls_population(differing, run_of, tmp_path):
    runs = [run_of(differing, name) for name in ("one", "two")]
    text = write_comparison(runs, tmp_path / "out").read_text()
    assert text.count("3 trials, 4 networks, 12 epochs, ") == 2


def test_a_notebook_draws_every_merge(differing, run_of, more):
    shown = gain_by_distance(open_results(run_of(differing).root))
    assert isinstance(shown, Picture)
    for ax in shown.figure.axes:
        marks = [line for line in ax.get_lines() if line.get_linestyle() == "None"]
        assert sum(len(line.get_xdata()) for line in marks) == len(more.kinship)


def test_what_an_unfinished_trial_spent_beside_its_members_is_not_counted(differing):
    trials = differing["trials"]
    late = trials["arm"].eq("heterosis") & trials["trial"].eq(2)
    late |= trials["arm"].eq("family")
    trials = trials.assign(status=trials["status"].mask(late, UNFINISHED))
    table = costs(differing["members"], differing["epochs"], trials).set_index("arm")
    own = table.loc["heterosis"]
    assert own[["teaching_epochs", "halts_wall_s"]].tolist() == pytest.approx([4.0, 0.505])
    assert own["serial_epochs"] == 18
    assert table.loc["family", ["teaching_epochs", "halts_wall_s"]].isna().all()
