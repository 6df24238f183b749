"""One trial as a graph: what is computed, what is shared, and under which name."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from apps.errors import HeterosisError
from apps.messages.tasks import Offspring, TrainTask
from apps.records.tables_schema import METRICS
from tests.support.experiments import TINY, arms, changed, drive, load, read_tables
from workflow.driver.trial import TrialGraph, build_trial
from workflow.experiment.arms import Arm
from workflow.experiment.config import Experiment

FIVE: list[dict[str, Any]] = [
    {"name": "control"},
    {"name": "restart", "halts": [0.5], "mating": "self"},
    {"name": "clone", "halts": [0.5], "parents": 1},
    {"name": "mean", "halts": [0.5], "crossover": "mean"},
    {"name": "random", "halts": [0.5], "crossover": "random"},
]
"""The poster's arms."""


def graph_of(*, epochs: int = 4, population: int = 3, **tables: Any) -> TrialGraph:
    training = TINY["training"] | {"epochs": epochs}
    table = changed(population=population, training=training, **tables)
    return build_trial(Experiment.model_validate(table), 0)


def kinds(graph: TrialGraph) -> Counter[str]:
    return Counter(
        node.task.start.kind if isinstance(node.task, TrainTask) else type(node.task).__name__
        for node in graph.nodes.values()
    )


def path_epochs(graph: TrialGraph, arm: str, member: int) -> list[int]:
    tasks = [segment.members[member].task for segment in graph.segments[arm]]
    return [epoch for task in tasks for epoch in range(task.first_epoch, task.last_epoch)]


# -------------------------------------------------------------------------------------- sharing
@pytest.mark.parametrize("population", [2, 5])
def test_the_posters_five_arms_compute_their_common_half_once(population: int) -> None:
    graph = graph_of(arms=FIVE, population=population, epochs=6)
    assert kinds(graph) == {
        "fresh": population,
        "continue": population,
        "restart": population,
        "offspring": 3 * population,
        "MateTask": 3,
        "HarvestTask": 5,
    }
    first = {segments[0].members for segments in graph.segments.values()}
    assert len(first) == 1
    assert graph.network_epochs == population * (3 + 5 * 3)


def test_an_arm_alone_is_one_segment() -> None:
    graph = graph_of(arms=FIVE[:1])
    assert kinds(graph) == {"fresh": 3, "HarvestTask": 1}
    assert graph.network_epochs == 3 * 4


def test_equal_arms_of_two_names_are_computed_once() -> None:
    twin = FIVE[3] | {"name": "twin"}
    one, two = graph_of(arms=FIVE), graph_of(arms=[*FIVE, twin])
    assert two.nodes.keys() == one.nodes.keys()
    assert two.harvests["twin"] == two.harvests["mean"]


def test_the_trials_share_nothing(tmp_path: Path) -> None:
    experiment = load(tmp_path)
    one, two = build_trial(experiment, 0), build_trial(experiment, 1)
    assert not one.nodes.keys() & two.nodes.keys()
    folders = [{node.task.folder for node in graph.nodes.values()} for graph in (one, two)]
    assert not folders[0] & folders[1]


def test_a_mating_waits_for_the_whole_population_and_a_child_for_its_mating() -> None:
    graph = graph_of(arms=FIVE)
    before, after = graph.segments["mean"]
    assert after.mating is not None
    assert after.mating.population == before.members
    assert after.mating.upstream == tuple(node.key for node in before.members)
    for node in after.members:
        assert isinstance(node.task.start, Offspring)
        assert node.upstream == (after.mating.key,)
    before, after = graph.segments["restart"]
    assert after.halt is not None
    assert after.mating is None
    for own, node in zip(before.members, after.members, strict=True):
        assert node.upstream == (own.key,)


def test_a_task_reads_the_checkpoints_of_whom_it_may_need() -> None:
    species = {"name": "species", "halts": [1, 3], "mating": "species", "parents": 2}
    graph = graph_of(arms=[*FIVE, species])
    fresh, first, second = graph.segments["species"]
    assert first.mating is not None
    assert second.mating is not None
    assert {node.reads for node in fresh.members} == {()}
    assert first.mating.reads == fresh.members
    assert {node.reads for node in first.members} == {fresh.members}
    assert second.mating.reads == (*first.members, *fresh.members)
    # Of the mating before, a child knows only what its own mating's plan says.
    assert {node.reads for node in second.members} == {first.members}
    assert graph.harvests["species"].reads == second.members
    _, before, after = graph.segments["restart"]
    assert [node.reads for node in after.members] == [(own,) for own in before.members]


def test_the_arms_that_share_a_member_are_known() -> None:
    graph = graph_of(arms=FIVE)
    first, second = graph.segments["mean"]
    names = [arm["name"] for arm in FIVE]
    assert [graph.sharers[node.key] for node in first.members] == [names] * 3
    assert [graph.sharers[node.key] for node in second.members] == [["mean"]] * 3


# ----------------------------------------------------------------------------------- any arms
_FEW = settings(max_examples=25, deadline=None)
_LEAD = st.fixed_dictionaries(
    {
        "halts": st.sets(st.integers(1, 5), min_size=1, max_size=3).map(sorted),
        "mating": st.sampled_from(["all", "pairs", "species", "self"]),
        "crossover": st.sampled_from(["mean", "random"]),
        "optimizer": st.sampled_from(["fresh", "inherit"]),
    }
)
_ALONG = st.fixed_dictionaries(
    {
        "average": st.sampled_from(["none", "swa"]),
        "schedule": st.sampled_from(["constant", "cosine", "step"]),
        "harvest": st.sampled_from(["best", "mean"]),
    }
)
_ARMS = st.lists(st.one_of(_LEAD, st.builds(dict.__or__, _LEAD, _ALONG), _ALONG), max_size=5).map(
    lambda made: [{"name": "control"}, *({"name": f"a{i}"} | arm for i, arm in enumerate(made))]
)


@_FEW
@given(table=_ARMS)
def test_every_arm_trains_every_epoch_once(table: list[dict[str, Any]]) -> None:
    graph = graph_of(arms=table, epochs=6)
    for arm in graph.segments:
        for member in range(3):
            assert path_epochs(graph, arm, member) == list(range(6))


@_FEW
@given(table=_ARMS)
def test_a_folder_belongs_to_one_task(table: list[dict[str, Any]]) -> None:
    nodes = graph_of(arms=table, epochs=6).nodes.values()
    folders = Counter(node.task.folder for node in nodes)
    assert [folder for folder, count in folders.items() if count > 1] == []


OPTIONS: dict[str, object] = {
    "average": {"kind": "ema", "window": 4},
    "family": {"members": 2, "merges": 2},
    "learning_rate": 0.25,
    "outer": {"momentum": 0.5},
    "schedule": {"kind": "cosine", "start": 0.0},
    "weight_decay": 0.125,
}
"""A value of every option of an arm that says how its members train."""

ELSEWHERE = {"name", "population", "epochs", "halts", "harvest"}
"""The other fields: how many members and epochs there are, and what is made of them."""


def test_every_option_of_training_is_here() -> None:
    assert OPTIONS.keys() | ELSEWHERE == set(Arm.model_fields)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_arm_that_trains_otherwise_shares_nothing_of_that(option: str) -> None:
    own = {"name": "own", option: OPTIONS[option]} | ({"epochs": 0.5} if option == "family" else {})
    graph = graph_of(arms=[{"name": "control"}, own])
    ends = {arm: segments[-1].members for arm, segments in graph.segments.items()}
    assert not {*ends["own"]} & {*ends["control"]}
    assert all("/own/" in node.task.folder for node in ends["own"])


def test_two_tasks_in_one_folder_are_an_error_before_anything_is_stored() -> None:
    graph = graph_of(arms=FIVE)
    task = graph.training[0]
    with pytest.raises(HeterosisError, match=re.escape(task.folder)):
        graph.add(replace(task, last_epoch=task.last_epoch + 1))


@_FEW
@given(table=_ARMS)
def test_a_task_comes_after_those_it_waits_for(table: list[dict[str, Any]]) -> None:
    graph = graph_of(arms=table, epochs=6)
    seen: set[str] = set()
    for key, node in graph.nodes.items():
        assert key == node.key
        assert seen >= set(node.upstream)
        seen.add(key)


@_FEW
@given(table=_ARMS, data=st.data())
def test_keys_do_not_depend_on_the_order_of_the_arms(
    table: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(table))
    one, two = graph_of(arms=table, epochs=6), graph_of(arms=shuffled, epochs=6)
    assert one.nodes.keys() == two.nodes.keys()
    assert one.segments == two.segments
    assert one.harvests == two.harvests


@_FEW
@given(table=_ARMS)
def test_every_arm_ends_in_the_harvest_of_its_last_population(table: list[dict[str, Any]]) -> None:
    graph = graph_of(arms=table, epochs=6)
    for arm, harvest in graph.harvests.items():
        segments = graph.segments[arm]
        matings = [segment.mating for segment in segments if segment.mating is not None]
        assert harvest.population == segments[-1].members
        assert harvest.mating == (matings[-1] if matings else None)


# ------------------------------------------------------------------------------------- numbers
def test_an_arm_that_halts_elsewhere_changes_no_number_of_the_others(
    finished: Path, tmp_path: Path
) -> None:
    """`twice` cuts the others' first half in two: where they are stored, and nothing else."""
    names = ["control", "restart", "mean", "random"]
    without = drive(load(tmp_path, trials=1, arms=arms(*names)), tmp_path / "run").tables
    with_it = read_tables(finished)

    def numbers(tables: dict[str, Any], table: str, columns: list[str]) -> Any:
        rows = tables[table]
        rows = rows[(rows["trial"] == 0) & rows["arm"].isin(names)]
        return rows[["arm", *columns]].sort_values(["arm", *columns[:2]], ignore_index=True)

    for table, columns in (
        ("epochs", ["member", "epoch", *METRICS]),
        ("matings", ["halt", "epoch", "child", "parents", "parents_fitness", "child_val_loss"]),
        ("trials", ["members", "test_loss", "test_accuracy", "fitness", "network_epochs"]),
    ):
        ours, theirs = (numbers(tables, table, columns) for tables in (without, with_it))
        assert len(ours)
        assert_frame_equal(ours, theirs, check_exact=True)
    assert len(without["members"]) < len(with_it["members"][with_it["members"]["trial"] == 0])


def test_an_arm_with_a_rate_of_its_own_changes_no_number_of_the_others(tmp_path: Path) -> None:
    """One worker trains both: what the one sets must not be left for the other."""
    training = {key: TINY["training"][key] for key in ("epochs", "batch_size", "optimizer")}
    control, fast = {"name": "control"}, {"name": "fast", "learning_rate": 0.1}
    epochs = [
        drive(load(tmp_path, training=training, arms=arms), tmp_path / str(len(arms))).tables[
            "epochs"
        ]
        for arms in ([control], [control, fast])
    ]
    alone, beside = (rows[rows["arm"] == "control"][["trial", *METRICS]] for rows in epochs)
    assert len(alone)
    assert_frame_equal(alone, beside.reset_index(drop=True), check_exact=True)
    others = epochs[1][epochs[1]["arm"] == "fast"]
    assert not np.allclose(others["loss"], alone["loss"])
