"""Recipes: one line of the file is an arm whose settings follow from the experiment."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from operator import lt
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.messages.specs import OuterSpec
from apps.messages.teachers import TeachSpec
from apps.runtime import load_keras
from apps.training.teaching import TAUGHT, Output
from tests.support.experiments import changed, load, write
from workflow.driver.trial import build_trial
from workflow.experiment.arms import Arm
from workflow.experiment.config import Experiment
from workflow.experiment.file import find_experiment, load_experiment


def with_arm(folder: Path, **arm: Any) -> Experiment:
    """Return an experiment of 3 networks and 4 epochs with an arm beside the control."""
    return load(folder, arms=[{"name": "control"}, {"name": "own", **arm}])


def own(experiment: Experiment) -> Arm:
    return experiment.arms[1]


def test_a_recipe_is_one_line(tmp_path: Path) -> None:
    experiment = with_arm(tmp_path, recipe="heterosis")
    arm = own(experiment)
    (halt,) = arm.halts
    assert (halt.at, halt.population, halt.parents) == (2, 1, 3)
    assert (halt.crossover.name, halt.teach is not None) == ("select", True)
    assert arm.learning_rate == 0.02
    assert arm.spent(4) + arm.passes / 3 <= 12 < arm.spent(4) + arm.passes / 3 + 1
    assert Experiment.model_validate(experiment.completed()) == experiment


def test_settings_follow_from_the_epochs(tmp_path: Path) -> None:
    def recipe(epochs: int, loss: str = "sparse_categorical_crossentropy") -> list[float]:
        table = changed(arms=[{"name": "control"}, {"name": "own", "recipe": "heterosis"}])
        optimizer = {"optimizer_params": {"learning_rate": 0.001}}
        table["training"] |= {"epochs": epochs, "loss": loss, "metrics": [], **optimizer}
        arm = own(load_experiment(write(tmp_path, table)))
        (halt,) = arm.halts
        found = [halt.teach and halt.teach.weight, arm.weight_decay, halt.weight_decay]
        return [float(each) for each in found if each is not None]

    assert recipe(4) == recipe(20) == pytest.approx([0.5, 0.1])
    assert recipe(100) == recipe(1000) == pytest.approx([0.8, 0.2, 0.1])
    assert recipe(45) == pytest.approx([0.651, 0.150, 0.1], abs=0.001)
    assert recipe(4, "mse") == recipe(20, "mse") == pytest.approx([0.05, 0.1])
    assert recipe(40, "mse") == pytest.approx([0.03, 0.06], abs=0.001)


def teachers_weight(folder: Path, loss: Any = None) -> float:
    table = changed(arms=[{"name": "control"}, {"name": "own", "recipe": "heterosis"}])
    if loss is not None:
        table["training"] |= {"loss": loss, "metrics": []}
    teach = own(load_experiment(write(folder, table))).halts[0].teach
    assert teach is not None
    return teach.weight


def test_teachers_of_numbers_weigh_little_whatever_their_loss_is_called(tmp_path: Path) -> None:
    from keras.src.losses import ALL_OBJECTS_DICT

    losses = load_keras().losses
    kinds = {}
    for name in ALL_OBJECTS_DICT.keys() - {"Loss", "LossFunctionWrapper"}:
        found = losses.get(name)
        made_of = getattr(found, "fn", found)
        called = str(getattr(made_of, "__name__", ""))
        if called in TAUGHT:
            kinds[name] = Output(called, {}).is_of_numbers
    assert kinds.keys() > {*TAUGHT, "mse", "MAE", "LogCosh", "Poisson", "BinaryCrossentropy"}
    assert {name: teachers_weight(tmp_path, name) for name in kinds} == pytest.approx(
        {name: 0.05 if numbers else 0.5 for name, numbers in kinds.items()}
    )


def test_one_output_of_numbers_among_others_is_enough(tmp_path: Path) -> None:
    several = {"y": "sparse_categorical_crossentropy", "z": "poisson"}
    assert teachers_weight(tmp_path, several) == pytest.approx(teachers_weight(tmp_path) / 10)


@pytest.mark.parametrize("name", ["schedulefreeadamw", "ScheduleFreeAdamW", "adamw"])
def test_an_optimiser_that_averages_its_path_has_no_momentum_over_epochs(
    name: str, tmp_path: Path
) -> None:
    table = changed(arms=[{"name": "control"}, {"name": "own", "recipe": "heterosis"}])
    table["training"] |= {"optimizer": name, "optimizer_params": {"learning_rate": 0.01}}
    experiment = load_experiment(write(tmp_path, table))
    segments = build_trial(experiment, 0).segments["own"]
    outer = {node.task.outer for segment in segments for node in segment.members}
    assert outer == {OuterSpec(0.7) if name == "adamw" else None}


def test_keys_beside_a_recipe_replace_its_own(tmp_path: Path) -> None:
    arm = own(with_arm(tmp_path, recipe="heterosis", weight_decay=0.3, crossover="best"))
    assert arm.weight_decay == 0.3
    assert arm.halts[0].crossover.name == "best"


def test_a_weight_decay_beside_a_recipe_is_the_childs_too(tmp_path: Path) -> None:
    many = changed(arms=[{"name": "control"}, {"name": "own", "recipe": "heterosis"}])
    many["training"]["epochs"] = 100
    usual = own(load_experiment(write(tmp_path, many)))
    assert usual.halts[0].weight_decay not in (None, usual.weight_decay)
    many["arms"][1]["weight_decay"] = 0.3
    arm = own(load_experiment(write(tmp_path, many)))
    assert (arm.weight_decay, arm.halts[0].weight_decay) == (0.3, None)


SPACE = {"units": {"low": 2, "high": 64}}
SEARCH = {"network": {"builder": "mlp"}, "space": SPACE}
SEARCHES = pytest.mark.parametrize(
    ("recipe", "tables"),
    [("heterosis", SEARCH), ("halving-taught", SEARCH), ("halving-taught", {})],
)


@pytest.mark.parametrize("recipe", ["heterosis", "halving-taught"])
def test_recipes_of_a_search_are_the_arms_that_were_measured(recipe: str) -> None:
    """Their tasks were computed from these settings, before there were the recipes."""
    experiment = load_experiment(find_experiment("search_decay"))
    arm = next(arm for arm in experiment.arms if arm.name == recipe)
    sizes = [arm.size(0), *(arm.size(int(halt.at)) for halt in arm.halts)]
    last = arm.halts[-1]
    assert last.teach == TeachSpec(weight=0.5, teachers=6)
    assert arm.schedule.kind == "cosine"
    if recipe == "heterosis":
        assert (sizes, [halt.at for halt in arm.halts]) == ([24, 24, 24, 11], [3, 6, 9])
        assert (arm.length(12), last.mating, arm.harvest.method) == (15, "all", "mean")
        assert {halt.teach for halt in arm.halts} == {last.teach}
    else:
        assert (sizes, [halt.at for halt in arm.halts]) == ([48, 24, 11], [3, 6])
        assert (arm.length(12), last.mating, arm.halts[0].teach) == (12, "survivors", None)


@SEARCHES
def test_recipes_of_a_search_spend_what_there_is_or_say_what_they_need(
    recipe: str, tables: dict[str, Any], tmp_path: Path
) -> None:
    refused = {}
    for population, epochs in product((1, 2, 3, 4, 5, 7, 8, 24, 100), (1, 2, 3, 4, 5, 7, 12, 50)):
        training = changed()["training"] | {"epochs": epochs}
        arms = [{"name": "control"}, {"name": "own", "recipe": recipe}]
        asked = changed(population=population, training=training, arms=arms, **tables)
        try:
            experiment = load_experiment(write(tmp_path, asked))
        except UserError as error:
            refused[population, epochs] = str(error)
            continue
        arm = own(experiment)
        budget = population * epochs
        spent = arm.spent(epochs) + arm.passes / 3
        last = arm.size(int(arm.halts[-1].at))
        assert budget - max(last, (epochs + 1) // 2) - 1 <= spent <= budget + 1e-9
        build_trial(experiment, 0)
    fewest = (2, 2) if recipe == "heterosis" else (3, 4)
    assert all(any(map(lt, sizes, fewest)) for sizes in refused)
    assert all("arms.own.recipe: " in said and " needs " in said for said in refused.values())


@SEARCHES
def test_populations_of_a_search_follow_from_the_experiments(
    recipe: str, tables: dict[str, Any], tmp_path: Path
) -> None:
    arms = [{"name": "control"}, {"name": "own", "recipe": recipe, "population": 9}]
    with pytest.raises(UserError, match=r"arms\.own\.recipe: .* leave the arm's population out"):
        load(tmp_path, arms=arms, population=6, **tables)


@pytest.mark.parametrize(
    ("recipe", "tables"),
    [("heterosis", {}), ("heterosis", SEARCH), ("halving-taught", SEARCH)],
)
@pytest.mark.parametrize("teach", [{"weight": 0.3}, {"temperature": 2.0}, {"teachers": 3}])
def test_what_teach_does_not_say_beside_a_recipe_stays_the_recipes(
    teach: dict[str, Any], recipe: str, tables: dict[str, Any], tmp_path: Path
) -> None:
    def lessons(**beside: Any) -> list[TeachSpec | None]:
        arms = [{"name": "control"}, {"name": "own", "recipe": recipe, **beside}]
        return [halt.teach for halt in own(load(tmp_path, arms=arms, population=8, **tables)).halts]

    usual = lessons()
    assert usual[-1] is not None
    assert lessons(teach=teach) == [each and replace(each, **teach) for each in usual]


def test_a_weight_decay_beside_a_recipe_of_a_search_is_that_of_all(tmp_path: Path) -> None:
    arms = [{"name": "control"}, {"name": "own", "recipe": "heterosis", "weight_decay": 0.3}]
    arm = own(load(tmp_path, arms=arms, population=8, **SEARCH))
    assert (arm.weight_decay, {halt.weight_decay for halt in arm.halts}) == (0.3, {None})


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"arms": [{"name": "control"}, {"name": "own", "recipe": "heterossis"}]}, "did you mean"),
        ({"arms": [{"name": "control"}, {"name": "own", "recipe": ["heterosis"]}]}, "no recipe"),
        *(
            (
                {
                    "arms": [{"name": "control"}, {"name": "own", "recipe": "heterosis"}],
                    "training": {"epochs": 4, "optimizer_params": {"learning_rate": rate}},
                },
                "number above 0",
            )
            for rate in (0, -1.0, True)
        ),
        (
            {
                "arms": [{"name": "control"}, {"name": "own", "recipe": "heterosis"}],
                "training": {"epochs": 1},
            },
            "needs 2 epochs",
        ),
        (
            {
                "arms": [{"name": "control"}, {"name": "own", "recipe": "heterosis"}],
                "training": {"epochs": 4, "optimizer": "ftrl"},
            },
            "takes a multiple",
        ),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(
    tables: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        load(tmp_path, **tables)
