"""A metric with the other sign and the other direction chooses the same, everywhere.

Two runs differ in that alone. Whatever ranks, selects, shares, stagnates, harvests, tells or
compares without regard to the direction makes them differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from analysis.report.metrics_page import fitness_sentence
from analysis.statistics.crossings import children
from analysis.statistics.metrics import measured
from analysis.statistics.overview import overview
from apps.messages.objective import Objective
from apps.records.run_dir import RunDir
from apps.records.tables_schema import TABLES
from tests.support.columns import reproducible
from tests.support.experiments import Ran, drive, load
from tests.workflow.driver.test_progress import Kept
from workflow.driver.progress import Journal, Tally, read_tally, summary
from workflow.experiment.config import Experiment
from workflow.watching.look import Lookout

PROPORTIONAL = {"name": "proportional", "temperature": 0.2}
SPECIES = {"method": {"name": "count", "count": 2}, "stagnation": 1, "distance": "raw"}
ARMS: list[dict[str, Any]] = [
    {"name": "control"},
    {"name": "truncation", "halts": [0.5], "crossover": "mean", "harvest": "mean"},
    {
        "name": "tournament",
        "halts": [0.5],
        "selection": "tournament",
        "harvest": "greedy",
        "crossover": "best",
    },
    {"name": "proportional", "halts": [0.5], "selection": PROPORTIONAL, "parents": 1},
    {"name": "fitness-mean", "halts": [0.5], "crossover": "weighted_mean"},
    {"name": "taught", "halts": [{"at": 2, "population": 3}], "teach": {"teachers": 1}},
    {"name": "pairs", "halts": [0.5], "mating": "pairs", "parents": 3, "crossover": "random"},
    {"name": "species", "halts": [1, 2, 3], "mating": "species", "species": SPECIES},
    {"name": "halving", "halts": [{"at": 2, "mating": "survivors", "population": 1}]},
]


def experiment(folder: Path, metric: str, **training: Any) -> Experiment:
    from tests.support.experiments import TINY

    table = TINY["training"] | {"metrics": ["accuracy", metric], "engine": "graph"} | training
    arms = [arm | ({} if arm["name"] == "control" else {"measure": False}) for arm in ARMS]
    return load(folder, training=table, arms=arms, population=4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Ran, Tally, Path]]:
    """The two runs by the names of their metrics, and what their event logs tell."""
    made = {}
    for name, mode in (("blame", "min"), ("merit", "max")):
        root = tmp_path_factory.mktemp(name)
        asked = experiment(
            root / "file", f"tests.support.metrics:{name}", fitness=f"val_{name}", fitness_mode=mode
        )
        log = RunDir(root).events_jsonl
        journal = Journal(log, asked.training.objective, Kept(), lambda: 0)
        ran = drive(asked, root, watchers=[journal])
        journal.close("finished")
        made[name] = ran, read_tally(log), root
    return made


def turned(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a run by merit as that of a run by blame."""
    columns = {name: name.replace("merit", "blame") for name in table}
    values = [name for name in table if "merit" in name or "fitness" in name]
    return reproducible(table.assign(**{name: -table[name] for name in values})).rename(
        columns=columns
    )


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_the_same(runs: dict[str, tuple[Ran, Tally, Path]], name: str) -> None:
    low, high = (runs[each][0].tables[name] for each in ("blame", "merit"))
    assert len(low)
    assert_frame_equal(reproducible(low), turned(high), check_exact=True)


def test_the_tables_have_the_metrics_own_values(runs: dict[str, tuple[Ran, Tally, Path]]) -> None:
    tables = runs["merit"][0].tables
    for name in ("members", "trials"):
        assert tables[name]["fitness"].lt(0).all()
        pd.testing.assert_series_equal(
            tables[name]["fitness"], tables[name]["val_merit"], check_names=False
        )
    assert tables["epochs"][["merit", "val_merit"]].notna().all(axis=None)
    assert tables["trials"][["train_merit", "test_merit"]].notna().all(axis=None)


def test_the_best_is_the_highest(runs: dict[str, tuple[Ran, Tally, Path]]) -> None:
    ran, tally, _ = runs["merit"]
    members, trials = ran.tables["members"], ran.tables["trials"]
    best = members.loc[members["rank"].eq(0)].set_index(["trial", "arm", "segment"])["fitness"]
    highest = members.groupby(["trial", "arm", "segment"])["fitness"].max()
    assert best.sort_index().equals(highest.sort_index())
    champion = ran.outcomes.champion
    assert champion is not None
    assert -champion.result.fitness == trials["fitness"].max()
    assert tally.best == members["fitness"].max()
    assert f"best val_merit {tally.best:.4f}" in summary(tally)


def test_both_have_one_champion_and_tell_of_one_best(
    runs: dict[str, tuple[Ran, Tally, Path]],
) -> None:
    low, high = runs["blame"], runs["merit"]
    one, other = low[0].outcomes.champion, high[0].outcomes.champion
    assert one is not None
    assert other is not None
    assert (one.trial, one.arm, one.result.members) == (
        other.trial,
        other.arm,
        other.result.members,
    )
    assert (low[1].best, low[1].best_folder) == (-high[1].best, high[1].best_folder)


def test_the_arms_halts_and_harvests_really_chose(
    runs: dict[str, tuple[Ran, Tally, Path]],
) -> None:
    """What chooses nothing would be the same whatever the direction."""
    tables = runs["merit"][0].tables
    matings = tables["matings"].set_index("arm")
    for arm in ("truncation", "tournament", "pairs", "species", "halving"):
        members = tables["members"].query("arm == @arm and trial == 0")
        halted = members.loc[members["last_epoch"].eq(matings.loc[[arm], "epoch"].min())]
        parents = set(" ".join(tables["matings"].query("arm == @arm")["parents"]).split())
        assert len(halted) == 4
        assert parents, arm
    worst = tables["members"].query("segment == 0 and trial == 0 and arm == 'truncation'")
    worst = str(worst.loc[worst["rank"].idxmax(), "member"])
    taken = tables["matings"].query("arm in ['truncation', 'halving'] and trial == 0")["parents"]
    assert worst not in set(" ".join(taken).split())
    assert np.isfinite(tables["trials"]["fitness"]).all()


def test_a_look_at_both_sees_the_same_best(runs: dict[str, tuple[Ran, Tally, Path]]) -> None:
    seen = {}
    for name in ("blame", "merit"):
        ran, _, root = runs[name]
        RunDir(root).experiment_toml.write_text(ran.outcomes.experiment.to_toml())
        seen[name] = Lookout(RunDir(root)).look().best
    low, high = seen["blame"], seen["merit"]
    assert [each.folder for each in low] == [each.folder for each in high]
    assert [each.fitness for each in low] == [-each.fitness for each in high]
    best = runs["merit"][0].tables["members"]["fitness"].max()
    assert high[0].fitness == best


def test_children_gain_the_same(runs: dict[str, tuple[Ran, Tally, Path]]) -> None:
    low, high = (runs[name][0].tables["matings"] for name in ("blame", "merit"))
    assert_frame_equal(children(low), children(high, higher=True))
    assert children(low)["gain"].ne(0).any()


def test_the_statistics_are_the_same(runs: dict[str, tuple[Ran, Tally, Path]]) -> None:
    found = []
    for name, mode in (("blame", "min"), ("merit", "max")):
        tables = runs[name][0].tables
        assert overview(tables).fitness == f"val_{name}"
        own = measured(tables, {"fitness_mode": mode})
        assert own is not None
        assert own.fitness == f"val_{name}"
        told = own.summary.drop(columns=["control_loss", "arm_loss"])
        sentence = fitness_sentence(own).replace("merit", "blame").replace("higher", "lower")
        found.append((told.replace(f"{name}", "blame", regex=True), sentence))
    assert_frame_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


def test_a_metric_of_ones_own_needs_its_direction(tmp_path: Path) -> None:
    from apps.errors import UserError

    with pytest.raises(UserError, match='say fitness_mode = "min" or "max"'):
        experiment(tmp_path, "tests.support.metrics:merit", fitness="val_merit")


def test_the_direction_of_kerass_metrics_is_known(tmp_path: Path) -> None:
    for metric, mode in (("auc", "max"), ("mae", "min"), ("recall", "max")):
        asked = experiment(tmp_path, metric, fitness=f"val_{metric}")
        assert asked.training.objective == Objective(f"val_{metric}", mode)
        again = Experiment.model_validate(asked.completed())
        assert again.training.objective == asked.training.objective
