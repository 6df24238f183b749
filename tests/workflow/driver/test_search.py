"""A search over architectures: the same trial, with members whose architectures differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apps.messages.tasks import Task, TrainTask, Workplace
from apps.records.run_dir import RESULT
from apps.tasks.perform import Outcome, perform
from site_configs import local_processes, local_threads
from site_configs.options import SiteOptions
from tests.support.experiments import (
    FOLDER,
    ImmediateEngine,
    ShuffledEngine,
    Tables,
    assert_same,
    copied,
    drive,
    load,
    read_tables,
    write,
)
from tests.support.processes import start
from tests.support.searches import SEARCH, search_made_once
from workflow.driver.engine import ParslEngine
from workflow.driver.run import run_experiment
from workflow.driver.trial import build_trial
from workflow.runs.tables import make_tables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_made_once(tmp_path_factory)


@pytest.fixture(scope="session")
def tables(searched: Path) -> Tables:
    return read_tables(searched)


def rows(tables: Tables, table: str, **where: Any) -> pd.DataFrame:
    found = tables[table]
    for key, value in where.items():
        found = found[found[key] == value]
    return found


# ------------------------------------------------------------------------------- what it does
def test_every_arm_ends_with_a_champion(tables: Tables) -> None:
    assert tables["members"]["status"].eq("done").all()
    assert tables["trials"]["parameters"].gt(0).all()


def test_the_first_architectures_are_shared_and_differ(tables: Tables) -> None:
    first = rows(tables, "members", segment=0)
    of_control = first[first["arm"] == "control"]
    assert of_control["genome"].nunique() > 1
    for arm in ("evolution", "inherit", "heterosis", "halving"):
        own = first[first["arm"] == arm].head(4)
        assert own["folder"].tolist() == of_control["folder"].tolist()


def test_parameters_are_those_of_the_architecture(tables: Tables) -> None:
    for genome, parameters in zip(
        tables["members"]["genome"], tables["members"]["parameters"], strict=True
    ):
        widths = [784, *json.loads(genome)["units"], 10]
        assert parameters == sum((a + 1) * b for a, b in pairwise(widths))


def test_a_child_of_evolution_starts_anew_and_its_champion_goes_on(
    tables: Tables,
) -> None:
    inherited = rows(tables, "members", arm="inherit", segment=1).set_index("member")
    anew = rows(tables, "members", arm="evolution", segment=1).set_index("member")
    # The same genes in both: what differs is where their weights come from.
    assert anew["genome"].tolist() == inherited["genome"].tolist()
    before = rows(tables, "members", arm="evolution", segment=0).set_index("member")["val_loss"]
    assert anew["start_val_loss"][0] == pytest.approx(before.min(), rel=1e-4)
    assert anew["start_val_loss"][1:].min() > before.min()
    assert inherited["start_val_loss"][1:].mean() < anew["start_val_loss"][1:].mean()


def test_children_differ_from_their_parents_unless_nothing_mutates(
    tables: Tables,
) -> None:
    members = rows(tables, "members", arm="inherit")
    genome = members.set_index(["segment", "member"])["genome"]
    for segment, member, parents in members.query("segment > 0 and member > 0")[
        ["segment", "member", "parents"]
    ].itertuples(index=False):
        assert genome[segment, member] != genome[segment - 1, int(parents)]
    last = rows(tables, "members", arm="heterosis", segment=3)
    assert last["genome"].nunique() == 1
    assert len(last) == 4


@pytest.mark.parametrize(
    ("gene", "crossover"),
    [({"dropout": {"low": 0.01, "high": 0.4}}, "mean"), ({"units": list(range(3, 20))}, "none")],
)
def test_parents_of_one_architecture_are_crossed_and_others_give_genes_alone(
    gene: dict[str, Any], crossover: str, tmp_path: Path
) -> None:
    crossing = {
        "name": "cross",
        "halts": [1],
        "mating": "species",
        "parents": 2,
        "align": "weights",
    }
    crossing |= {"species": {"method": "none", "elitism": False}, "mutation": "none"}
    crossing |= {"search": {"mutation_rate": 0.0, "cross": False}, "optimizer": "inherit"}
    changes = {"space": gene, "arms": [{"name": "control"}, crossing]}
    ran = drive(load(tmp_path, **{**SEARCH, **changes}), tmp_path / "run")
    matings = ran.tables["matings"]
    assert matings["parents"].str.split().str.len().eq(2).all()
    assert matings["crossover"].eq(crossover).all()
    assert matings["took_part"].eq("crossed" if crossover == "mean" else "inherited").all()
    assert matings["parent_count"].eq(2).all()
    best = rows(ran.tables, "members", arm="cross", segment=0)["fitness"]
    assert matings["best_parent_fitness"].isin(best).all()
    after = rows(ran.tables, "members", arm="cross", segment=1)["fitness"]
    assert matings["child_fitness"].tolist() == after.tolist()
    before = rows(ran.tables, "members", arm="cross", segment=0).set_index("member")["val_loss"]
    first = matings["parents"].str.split().str[0].astype(int).map(before)
    alone = np.isclose(matings["child_val_loss"], first, rtol=1e-4)
    assert alone.all() if crossover == "none" else not alone.any()


def test_halving_trains_fewer_and_fewer_as_if_never_halted(tables: Tables) -> None:
    members = rows(tables, "members", arm="halving")
    assert members.groupby("segment").size().tolist()[:3] == [6, 3, 1]
    assert int(rows(tables, "trials", arm="halving")["network_epochs"].iloc[0]) == 6 + 3 + 2
    best = rows(tables, "members", arm="halving", segment=0).sort_values("rank").head(3)
    survivors = rows(tables, "members", arm="halving", segment=1)
    assert survivors["parents"].tolist() == best["member"].astype(str).tolist()
    assert survivors["genome"].tolist() == best["genome"].tolist()


def test_the_plan_of_a_trial_counts_what_it_trains() -> None:
    experiment = load(FOLDER, **SEARCH)
    graph = build_trial(experiment, 0)
    tasks = [node.task for node in graph.nodes.values() if isinstance(node.task, TrainTask)]
    spent = sum(task.last_epoch - task.first_epoch for task in tasks)
    # The first epoch of four members is shared by all; halving adds two members.
    # The arm with teachers has 16: 4 + 3 + 2 x 3 of training, and 6 forward passes.
    assert spent == 4 + 4 * 3 * 4 + 2 + 3 + 2 + 3 + 6
    assert experiment.network_epochs == 4 * 4 * 4 + 6 + 3 + 2 + 4 + 3 + 6


def test_strangers_teach_and_select_whatever_their_shapes(tables: Tables) -> None:
    members = rows(tables, "members", arm="taught")
    assert members.groupby("segment").size().tolist() == [4, 3, 2]
    matings = rows(tables, "matings", arm="taught")
    assert matings["took_part"].isin(["continued", "inherited", "selected", "crossed"]).all()
    bred = matings[matings["took_part"] != "continued"]
    assert bred["parent_count"].ge(2).all()
    assert matings["teachers"].gt(0).all()
    assert matings[matings["halt"] == 1]["teachers"].eq(2).all()
    trial = rows(tables, "trials", arm="taught").iloc[0]
    assert trial["network_epochs"] + trial["teaching_epochs"] <= 4 * 4
    assert trial["teaching_epochs"] > 0


def test_few_train_for_long_taught_by_the_many_that_ended(tmp_path: Path) -> None:
    halved = {"name": "halved", "mating": "survivors", "teach": {"teachers": "all"}}
    halved |= {
        "epochs": "budget",
        "halts": [{"at": 1, "population": 2}, {"at": 2, "population": 1}],
    }
    table = SEARCH | {"arms": [{"name": "control"}, halved]}
    ran = drive(load(tmp_path, **table), tmp_path / "run")
    members = rows(ran.tables, "members", arm="halved")
    # 4 + 2 network-epochs, then 4 and 2 forward passes: 8 of the 16 are left to the last one.
    assert members.groupby("segment").size().tolist() == [4, 2, 1]
    assert members["last_epoch"].max() == 10
    matings = ran.tables["matings"]
    assert matings["teachers"].tolist() == [4, 4, 2]
    assert matings["took_part"].eq("continued").all()
    trial = rows(ran.tables, "trials", arm="halved").iloc[0]
    assert (trial["network_epochs"], trial["teaching_epochs"]) == (14, pytest.approx(2.0))
    # What ended left its prediction; networks and lessons that nobody needs are gone.
    assert not list((tmp_path / "run").rglob("lesson-*"))


# ------------------------------------------------------------------- the same numbers everywhere
def test_any_order_gives_the_same_numbers(searched: Path, tables: Tables, tmp_path: Path) -> None:
    engine = ShuffledEngine(Workplace(root=str(tmp_path), search_path=str(FOLDER)), seed=3)
    again = drive(load(FOLDER, **SEARCH), tmp_path, engine, watchers=[engine])
    assert_same(again.tables, tables)


@pytest.mark.parametrize("site", [local_threads, local_processes])
@pytest.mark.timeout(600)
def test_parsl_gives_the_numbers_of_the_serial_run(
    site: Any, tables: Tables, tmp_path: Path
) -> None:
    place = Workplace(root=str(tmp_path / "run"), search_path=str(FOLDER))
    options = SiteOptions(run_dir=str(tmp_path / "parsl"), workers=2)
    with ParslEngine(site.make_config(options), place) as engine:
        outcomes = run_experiment(load(FOLDER, **SEARCH), engine, place, [])
    assert_same(make_tables(outcomes), tables)


def test_a_finished_search_computes_nothing(searched: Path, tables: Tables, tmp_path: Path) -> None:
    again = drive(load(FOLDER, **SEARCH), copied(searched, tmp_path))
    assert again.computed == []
    assert again.outcomes.failed_arms == []
    assert_same(again.tables, tables)


def test_of_an_older_run_it_is_told_what_its_plans_say(
    searched: Path, tables: Tables, tmp_path: Path
) -> None:
    """Results did not say whose weights a child has; then those of its architecture gave them."""
    copy = copied(searched, tmp_path)
    for path in copy.rglob(RESULT):
        record = json.loads(path.read_text())
        record.pop("givers", None)
        path.write_text(json.dumps(record))
    again = drive(load(FOLDER, **SEARCH), copy)
    assert again.computed == []
    for arm in ("evolution", "inherit", "heterosis", "halving"):
        one, other = rows(again.tables, "matings", arm=arm), rows(tables, "matings", arm=arm)
        assert one["took_part"].tolist() == other["took_part"].tolist()
    assert set(rows(tables, "matings", arm="evolution")["took_part"]) == {"continued", "fresh"}
    assert set(rows(tables, "matings", arm="inherit")["took_part"]) == {"continued", "inherited"}


@pytest.mark.parametrize(
    "lost", ["trial-000/heterosis/segment-2/member-01", "trial-000/halving/segment-1/member-02"]
)
def test_a_lost_network_is_made_again(
    lost: str, searched: Path, tables: Tables, tmp_path: Path
) -> None:
    copy = copied(searched, tmp_path)
    (copy / lost / "result.json").write_bytes(b"{")
    again = drive(load(FOLDER, **SEARCH), copy)
    assert lost in again.computed
    assert_same(again.tables, tables)


def test_a_search_that_is_stopped_goes_on(tables: Tables, tmp_path: Path) -> None:
    """It is stopped in the middle of a task, thrice: early, halfway, late."""
    for whole in (3, 20, 30):
        with pytest.raises(KeyboardInterrupt):
            drive(load(FOLDER, **SEARCH), tmp_path, stopped_after(whole, tmp_path))
    again = drive(load(FOLDER, **SEARCH), tmp_path)
    assert len(again.reused) >= 3 + 20 + 30
    assert_same(again.tables, tables)


def stopped_after(whole: int, root: Path) -> ImmediateEngine:
    """Return an engine that performs so many tasks; the next is done, but its result not stored."""
    left = iter(range(whole))

    def performed(task: Task, place: Workplace, upstream: Sequence[Outcome]) -> Outcome:
        outcome = perform(task, place, upstream)
        if next(left, None) is None:
            (root / task.folder / RESULT).unlink()
            raise KeyboardInterrupt
        return outcome

    return ImmediateEngine(Workplace(root=str(root), search_path=str(FOLDER)), performed)


def test_a_parameter_that_the_builder_does_not_take_is_told_before_the_run(tmp_path: Path) -> None:
    table = SEARCH | {"space": {"widths": [3, 4]}}
    process = start("run", write(tmp_path, table, "x.toml"), "--runs", tmp_path / "runs")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "space.widths" in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs" / "search").exists()
