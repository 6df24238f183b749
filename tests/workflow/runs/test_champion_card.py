"""The champion's papers say what it is and where it comes from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.files import sha256_file
from apps.messages.results import ExportResult, HarvestResult
from apps.messages.tasks import Workplace
from apps.records.run_dir import RunDir
from apps.runtime import load_keras
from tests.support.experiments import (
    FOLDER,
    TINY,
    ImmediateEngine,
    changed,
    copied,
    drive,
    load,
    read_tables,
)
from workflow.driver.run import Champion, Outcomes, export_champion
from workflow.runs.champion_card import pedigree, write_papers


def champion_of(outcomes: Outcomes, arm: str, trial: int = 0) -> Champion:
    result = outcomes.result(outcomes.graphs[trial].harvests[arm], HarvestResult)
    return Champion(trial, arm, result)


@pytest.fixture(scope="module")
def outcomes(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    folder = tmp_path_factory.mktemp("champion")
    return drive(load(folder / "file"), copied(finished, folder)).outcomes


def test_the_champion_is_the_best_of_all(outcomes: Outcomes, finished: Path) -> None:
    champion = outcomes.champion
    assert champion is not None
    trials = read_tables(finished)["trials"]
    best = trials.loc[trials["fitness"].idxmin()]
    assert (champion.trial, champion.arm) == (best["trial"], best["arm"])
    assert champion.result.fitness == best["fitness"]


def test_the_card_agrees_with_table_and_file(finished: Path) -> None:
    folder = RunDir(finished).champion
    card = json.loads((folder / "card.json").read_text())
    trials = read_tables(finished)["trials"]
    best = trials.loc[trials["fitness"].idxmin()]
    assert (card["trial"], card["arm"]) == (best["trial"], best["arm"])
    assert card["chosen_by"] == "val_loss"
    for name, value in card["metrics"].items():
        assert value == best[name], name
    file = finished / card["file"]
    assert file == folder / "champion.keras"
    assert sha256_file(file) == card["sha256"]
    assert card["metrics_of_the_file"]["test_accuracy"] == pytest.approx(best["test_accuracy"])
    assert card["seed"] == TINY["seed"]
    assert card["training"]["epochs"] == TINY["training"]["epochs"]
    assert card["network"]["params"] == TINY["network"]["params"]
    members = read_tables(finished)["members"]
    assert set(card["trained_by"]) == set(members["engine"]) != {""}


def test_the_stored_pedigree_is_the_champions(finished: Path, outcomes: Outcomes) -> None:
    assert outcomes.champion is not None
    stored = json.loads((RunDir(finished).champion / "pedigree.json").read_text())
    made: Any = json.loads(json.dumps(pedigree(outcomes, outcomes.champion)))
    assert stored == made


@pytest.mark.parametrize("arm", [arm["name"] for arm in TINY["arms"]])
def test_a_pedigree_is_complete(arm: str, outcomes: Outcomes) -> None:
    line = pedigree(outcomes, champion_of(outcomes, arm))
    by_name = {entry["network"]: entry for entry in line["ancestors"]}
    assert len(by_name) == len(line["ancestors"])
    assert (line["seed"], line["trial"], line["arm"]) == (TINY["seed"], 0, arm)
    needed = set(line["champion"])
    for entry in line["ancestors"]:
        parents = entry["parents"]
        needed |= set(parents)
        if entry["start"]["kind"] == "fresh":
            assert parents == []
            assert entry["epochs"][0] == 1
        else:
            assert {by_name[parent]["epochs"][1] for parent in parents} == {entry["epochs"][0] - 1}
    assert needed == set(by_name)
    assert {by_name[name]["epochs"][1] for name in line["champion"]} == {4}
    ends = [entry["epochs"] for entry in line["ancestors"]]
    assert ends == sorted(ends)


def test_a_pedigree_names_operators_and_parents(outcomes: Outcomes, finished: Path) -> None:
    line = pedigree(outcomes, champion_of(outcomes, "twice"))
    children = [entry for entry in line["ancestors"] if entry["start"]["kind"] == "offspring"]
    matings = read_tables(finished)["matings"]
    matings = matings[(matings["trial"] == 0) & (matings["arm"] == "twice")]
    # Two of the first halt's children became parents of the champion.
    assert [entry["epochs"] for entry in children] == [[2, 3], [2, 3], [4, 4]]
    for entry in children:
        assert entry["start"]["crossover"] == {"name": "random"}
        assert entry["start"]["mutation"] == {"name": "gaussian", "scale": 0.05}
        assert entry["start"]["optimizer"] == "fresh"
        (mating,) = matings[
            (matings["child"] == entry["member"]) & (matings["epoch"] == entry["epochs"][0] - 1)
        ].to_dict("records")
        named = [name.rsplit("-", 1)[1] for name in entry["parents"]]
        assert [int(member) for member in named] == [int(m) for m in mating["parents"].split()]


def test_a_champion_of_several_has_all_of_them(tmp_path: Path) -> None:
    table = changed(trials=1, arms=[{"name": "control", "harvest": "mean"}])
    ran = drive(load(tmp_path, **table), tmp_path / "run")
    champion = champion_of(ran.outcomes, "control")
    line = pedigree(ran.outcomes, champion)
    assert len(line["champion"]) == len(champion.result.members)
    assert len(line["ancestors"]) == len(champion.result.members)


FALLING = {
    "module": "keras.optimizers.schedules",
    "class_name": "CosineDecay",
    "config": {"initial_learning_rate": 0.01, "decay_steps": 100},
}
OWN = {"learning_rate": 0.002, "weight_decay": 0.25}
"""Every setting of the optimiser that an arm can have."""

HALF_WAY = {"at": 2, "learning_rate": 0.004, "weight_decay": 0.125}
SETTINGS: dict[str, dict[str, Any]] = {
    "control": {},
    "own": OWN,
    "of one": {"harvest": "mean"} | OWN,
    "restarted": {"halts": [HALF_WAY], "mating": "self"} | OWN,
    "children": {"halts": [HALF_WAY], "optimizer": "inherit", "measure": False},
    "survivors": {"halts": [HALF_WAY], "mating": "survivors"} | OWN,
}
"""Arms whose champions were trained otherwise than the experiment says, and one that was not."""


@pytest.fixture(scope="module", params=[0.01, FALLING], ids=["a number", "a schedule"])
def set_otherwise(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcomes, RunDir]:
    training = TINY["training"] | {"optimizer_params": {"learning_rate": request.param}}
    arms = [{"name": name.replace(" ", "-"), **arm} for name, arm in SETTINGS.items()]
    folder = tmp_path_factory.mktemp("settings")
    experiment = load(folder / "file", trials=1, training=training, arms=arms)
    outcomes = drive(experiment, folder / "run").outcomes
    assert not outcomes.failed_arms
    return outcomes, RunDir(folder / "run")


@pytest.mark.parametrize("name", SETTINGS)
def test_file_and_card_have_what_the_champion_was_trained_with(
    name: str, set_otherwise: tuple[Outcomes, RunDir]
) -> None:
    outcomes, run = set_otherwise
    (graph,), name = outcomes.graphs, name.replace(" ", "-")
    arm = next(each for each in outcomes.experiment.arms if each.name == name)
    alone = replace(outcomes, graphs=(replace(graph, harvests={name: graph.harvests[name]}),))
    place = Workplace(root=str(run.root), search_path=str(FOLDER))
    exported = export_champion(alone, ImmediateEngine(place), f"champion-{name}")
    assert isinstance(exported, ExportResult)
    wanted = arm.setting(3).optimizer
    assert wanted.keys() == (set() if name == "control" else OWN.keys())
    optimizer = load_keras().models.load_model(run.root / exported.path).optimizer.get_config()
    assert {key: optimizer[key] for key in wanted} == pytest.approx(wanted)
    assert alone.champion is not None
    run.champion.parent.mkdir(exist_ok=True)
    write_papers(alone, alone.champion, exported, run, {})
    training = outcomes.experiment.training
    stored = json.loads(run.card_json.read_text())["training"]
    assert stored["optimizer_params"] == {**training.optimizer_params, **wanted}
    assert (stored["epochs"], stored["fitness"]) == (training.epochs, training.fitness)
