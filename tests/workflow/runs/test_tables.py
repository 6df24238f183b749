"""The tables say what happened."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from apps.messages.results import TrainResult
from apps.records.result_files import save_result, stored_result
from apps.records.run_dir import RunDir
from apps.records.tables_schema import METRICS, TABLES
from tests.support.experiments import TINY, Tables, copied, drive, load, read_tables
from tests.workflow.conftest import Mishap
from workflow.runs.tables import write_tables


@pytest.fixture(scope="module")
def tables(finished: Path) -> Tables:
    return read_tables(finished)


def test_ranks_follow_the_fitness_and_failures_come_last(tables: Tables, mishap: Mishap) -> None:
    for members in (tables["members"], read_tables(mishap.root)["members"]):
        for _, group in members.groupby(["trial", "arm", "segment"]):
            assert sorted(group["rank"]) == list(range(TINY["population"]))
            fitness = group.sort_values("rank")["fitness"]
            finite = fitness.dropna()
            assert finite.is_monotonic_increasing
            assert fitness.isna().tolist() == [False] * len(finite) + [True] * (3 - len(finite))


def test_the_fitness_is_the_metric_that_chooses(tables: Tables) -> None:
    for name in ("members", "trials"):
        assert (tables[name]["fitness"] == tables[name]["val_loss"]).all()


def test_a_champion_is_the_best_of_the_last_segment(tables: Tables) -> None:
    members = tables["members"]
    for trial in tables["trials"].to_dict("records"):
        of = members[(members["trial"] == trial["trial"]) & (members["arm"] == trial["arm"])]
        last = of[of["segment"] == of["segment"].max()].set_index("rank")
        assert int(trial["members"]) == last.loc[0, "member"]
        assert trial["test_loss"] == last.loc[0, "test_loss"]
        assert trial["champion"] == "best"


def test_every_arm_spends_the_same(tables: Tables) -> None:
    spent = TINY["population"] * TINY["training"]["epochs"]
    assert set(tables["trials"]["network_epochs"]) == {spent}


def test_rows_of_a_shared_segment_share_its_folder(tables: Tables) -> None:
    members = tables["members"]
    first = members[(members["segment"] == 0) & (members["trial"] == 0)]
    assert set(first["arm"]) == {arm["name"] for arm in TINY["arms"]}
    assert set(first["folder"]) == {f"trial-000/segment-0/member-{m:02d}" for m in range(3)}
    same = first.groupby("member")[["train_loss", "started_unix_s"]].nunique()
    assert (same == 1).all(axis=None)


def test_segments_follow_each_other(tables: Tables) -> None:
    for _, group in tables["members"].groupby(["trial", "arm", "member"]):
        path = group.sort_values("segment")
        assert path["segment"].tolist() == list(range(len(path)))
        assert path["first_epoch"].iloc[0] == 1
        assert path["last_epoch"].iloc[-1] == TINY["training"]["epochs"]
        assert (path["first_epoch"].iloc[1:].to_numpy() == path["last_epoch"][:-1] + 1).all()


def test_epochs_end_in_what_the_members_show(tables: Tables) -> None:
    keys = ["trial", "arm", "segment", "member"]
    last = tables["epochs"].sort_values("epoch").groupby(keys).last()
    shown = tables["members"].set_index(keys)
    pd.testing.assert_frame_equal(
        last[[*METRICS]].sort_index(), shown[[*METRICS]].sort_index(), check_exact=True
    )


def test_starts_and_parents_agree_with_the_matings(tables: Tables) -> None:
    members, matings = tables["members"], tables["matings"]
    assert set(members[members["segment"] == 0]["start"]) == {"fresh"}
    assert set(members[members["start"] == "fresh"]["parents"]) == {""}
    for start in ("continue", "restart"):
        of = members[members["start"] == start]
        assert len(of)
        assert (of["parents"] == of["member"].astype(str)).all()
    children = members[members["start"] == "offspring"]
    assert len(children) == len(matings)
    keys = ["trial", "arm", "epoch", "child"]
    by_mating = matings.set_index(keys)
    for child in children.to_dict("records"):
        mating = by_mating.loc[
            (child["trial"], child["arm"], child["first_epoch"] - 1, child["member"])
        ]
        assert mating["parents"] == child["parents"]
        assert mating["child_val_loss"] == child["start_val_loss"]
        assert len(mating["parents"].split()) == 2


def test_parents_are_the_best_before_the_halt(tables: Tables) -> None:
    members = tables["members"]
    for mating in tables["matings"].to_dict("records"):
        halted = members[
            (members["trial"] == mating["trial"])
            & (members["arm"] == mating["arm"])
            & (members["last_epoch"] == mating["epoch"])
        ].set_index("rank")
        best = [halted.loc[rank, "member"] for rank in (0, 1)]
        assert mating["parents"].split() == [str(member) for member in best]
        assert mating["parents_fitness"] == pytest.approx(
            (halted.loc[0, "fitness"] + halted.loc[1, "fitness"]) / 2, rel=1e-12
        )


def test_matings_are_measured_where_it_was_asked_for(tables: Tables) -> None:
    matings = tables["matings"].set_index("arm")
    assert matings.loc["mean", "distance_raw"].gt(0).all()
    assert matings.loc["random", "distance_raw"].isna().all()


def test_species_partition_the_population(tables: Tables, mishap: Mishap) -> None:
    for species, failed in ((tables["species"], 0), (read_tables(mishap.root)["species"], 1)):
        sizes = set()
        for _, group in species.groupby(["trial", "arm", "halt"]):
            labelled = [member for members in group["members"] for member in members.split()]
            assert len(labelled) == len(set(labelled)) == group["size"].sum()
            assert group["offspring"].sum() == TINY["population"]
            sizes.add(int(group["size"].sum()))
        assert min(sizes) == TINY["population"] - failed


def test_tables_are_written_whole_and_anew(finished: Path, tmp_path: Path) -> None:
    root = copied(finished, tmp_path)
    run_dir = RunDir(root)
    for name in TABLES:
        run_dir.table(name).write_text("cut short")
    ran = drive(load(tmp_path / "file"), root)
    returned = write_tables(ran.outcomes, run_dir)
    for name, stored in read_tables(root).items():
        pd.testing.assert_frame_equal(stored, returned[name], check_exact=True)
    assert sorted(path.name for path in run_dir.tables.iterdir()) == sorted(
        f"{name}.parquet" for name in TABLES
    )


@pytest.mark.parametrize("table", TABLES)
def test_the_stored_tables_are_exact(table: str, finished: Path) -> None:
    stored = read_tables(finished)[table]
    assert {name: str(dtype) for name, dtype in stored.dtypes.items()} == TABLES[table]
    assert len(stored)


def test_no_member_costs_less_than_its_epochs(finished: Path, tmp_path: Path) -> None:
    root = copied(finished, tmp_path)
    folder = root / read_tables(finished)["members"]["folder"].iloc[0]
    result = stored_result(folder, TrainResult)
    assert result
    # As one that a lost worker began: the last attempt trained its last epoch alone.
    spent = sum(each.wall_s for each in result.epochs[:-1])
    last = replace(
        result.cost,
        wall_s=result.epochs[-1].wall_s,
        earlier_epochs=len(result.epochs) - 1,
    )
    save_result(folder, replace(result, cost=last))
    tables = write_tables(drive(load(tmp_path / "file"), root).outcomes, RunDir(root))
    members = tables["members"].set_index(["trial", "arm", "segment", "member"])
    epochs = tables["epochs"].groupby(["trial", "arm", "segment", "member"])["wall_s"].sum()
    own = members[members["folder"] == str(folder.relative_to(root))]
    assert own["earlier_wall_s"].tolist() == pytest.approx([spent] * len(own))
    whole = (members["wall_s"] + members["earlier_wall_s"]).reindex(epochs.index)
    assert (whole >= epochs - 1e-6).all()


def test_the_time_of_every_task_is_told(finished: Path) -> None:
    tables = read_tables(finished)
    trained = tables["members"].drop_duplicates("folder").set_index("folder")["wall_s"]
    spent = {
        str(path.parent.relative_to(finished)): json.loads(path.read_text())["cost"]["wall_s"]
        for path in finished.glob("trial-*/**/result.json")
    }
    others = sum(wall_s for folder, wall_s in spent.items() if folder not in trained.index)
    assert trained.sum() == pytest.approx(
        sum(wall_s for folder, wall_s in spent.items() if folder in trained.index)
    )
    assert tables["trials"]["halts_wall_s"].sum() == pytest.approx(others)


def test_keys_are_unique_and_rows_complete(finished: Path) -> None:
    tables = read_tables(finished)
    trials, arms, members = TINY["trials"], len(TINY["arms"]), TINY["population"]
    keys = {
        "members": ["trial", "arm", "segment", "member"],
        "epochs": ["trial", "arm", "member", "epoch"],
        "matings": ["trial", "arm", "halt", "child"],
        "species": ["trial", "arm", "halt", "species"],
        "trials": ["trial", "arm"],
    }
    for name, columns in keys.items():
        assert not tables[name].duplicated(columns).any(), name
    assert len(tables["trials"]) == trials * arms
    assert len(tables["epochs"]) == trials * arms * members * TINY["training"]["epochs"]
    assert len(tables["matings"]) == trials * (1 + 1 + 2) * members
