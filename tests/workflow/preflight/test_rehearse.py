"""What would fail on the workers is told before anything is stored, in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from tests.support.experiments import arms, changed
from tests.support.rehearsed import PLUGINS, network, prepared
from workflow.preflight.rehearse import rehearse_experiment


def with_arm(**settings: Any) -> dict[str, Any]:
    (mean,) = arms("mean")
    return changed(arms=[*arms("control"), mean | settings])


def training(**settings: Any) -> dict[str, Any]:
    return changed(training=changed()["training"] | settings)


def rehearse(folder: Path, table: dict[str, Any]) -> list[str]:
    """Rehearse an experiment; return what is beside it and beside the plug-in after that."""
    rehearse_experiment(*prepared(folder, table, PLUGINS))
    there = {path.name for place in (folder, PLUGINS) for path in place.iterdir()}
    return sorted(there - {"__pycache__"})


def with_plateau(arm: dict[str, Any]) -> dict[str, Any]:
    table = training(callbacks=[{"name": "reduce_lr_on_plateau", "patience": 1}])
    return table | {"arms": [*arms("control"), {"name": "own", **arm}]}


LATE = {"kind": "step", "start": 0.0, "every": 4}
"""It first lowers the rate in epoch 5: after all of the control, and before the budget of one."""

LONG = {"population": 1, "epochs": "budget"}
RELATIVES = {"members": 3, "merges": 1}

STEPS, BATCH = 4, 50
"""Of an epoch of `TINY`."""


@pytest.mark.parametrize(
    "arm",
    [
        {"schedule": "cosine"},
        {"halts": [2], "learning_rate_factor": 2},
        LONG | {"schedule": LATE},
        LONG | {"halts": [{"at": 6, "mating": "self", "learning_rate_factor": 0.5}]},
        {"population": 1, "family": RELATIVES},
        {"halts": [{"at": 2, "population": 1, "family": RELATIVES}]},
    ],
)
def test_a_callback_whose_rate_an_arm_would_set_again_is_refused(
    tmp_path: Path, arm: dict[str, Any]
) -> None:
    said = r"arms\.own: its schedule, learning_rate_factor or family sets the learning rate"
    with pytest.raises(UserError, match=said) as seen:
        rehearse(tmp_path, with_plateau(arm))
    assert seen.value.code == "callback"


@pytest.mark.parametrize(
    "arm",
    [{}, {"schedule": LATE}, {"epochs": 0.5, "schedule": LATE | {"every": 2}}],
    ids=["plain", "never lowered", "lowered after its end"],
)
def test_a_callback_lowers_the_rate_where_no_arm_sets_it(
    tmp_path: Path, arm: dict[str, Any]
) -> None:
    assert rehearse(tmp_path, with_plateau(arm)) == ["own.py", "tiny.toml"]


def test_a_good_experiment_is_gone_through_and_leaves_nothing(tmp_path: Path) -> None:
    assert rehearse(tmp_path, changed()) == ["own.py", "tiny.toml"]


CHOICES = {
    "units": {"values": [4, 16]},
    "rate": {"low": 0.1, "high": 0.5},
    "activation": ["relu", "tanh"],
}


def search(*hears: str) -> dict[str, Any]:
    return changed(
        population=1,
        network={"builder": "own:deaf", "params": {"hears": list(hears)}},
        space=CHOICES,
        arms=[{"name": "control"}],
    )


def test_a_builder_that_answers_to_every_choice_is_searched(tmp_path: Path) -> None:
    assert rehearse(tmp_path, search(*CHOICES)) == ["own.py", "tiny.toml"]


@pytest.mark.parametrize("ignored", CHOICES)
def test_a_builder_that_ignores_a_choice_is_refused(ignored: str, tmp_path: Path) -> None:
    rest = [name for name in CHOICES if name != ignored]
    with pytest.raises(UserError, match=rf"space\.{ignored}: .* gives the same network for "):
        rehearse(tmp_path, search(*rest))


BATCHES = {"name": "tests.support.kinds:streamed", "params": {"kind": "dataset"}}

FALLING = {
    "module": "keras.optimizers.schedules",
    "class_name": "CosineDecay",
    "config": {"initial_learning_rate": 0.01, "decay_steps": 100},
}


def survivors(rate: Any, **settings: Any) -> dict[str, Any]:
    """Return an experiment whose survivors go on with settings of their own."""
    halt = {"at": 2, "mating": "survivors", "population": 2, **settings}
    own = {"name": "own", "halts": [halt]}
    return training(optimizer_params={"learning_rate": rate}) | {"arms": [*arms("control"), own]}


@pytest.mark.parametrize(
    "table",
    [
        survivors(FALLING),
        survivors(FALLING, weight_decay=0.1),
        survivors(0.01, weight_decay=0.1, learning_rate=0.02),
    ],
)
def test_survivors_go_on_with_the_state_of_their_optimiser(
    tmp_path: Path, table: dict[str, Any]
) -> None:
    assert rehearse(tmp_path, table) == ["own.py", "tiny.toml"]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "optimizer": (training(optimizer="adamm"), "training.optimizer 'adamm'"),
    "optimizer's setting": (training(optimizer_params={"lr": 1.0}), "lr"),
    "size of batches that come": (
        changed(
            data=BATCHES,
            network={"builder": "mlp"},
            space={"batch_size": {"values": [8, 16], "of": "training"}},
            arms=[{"name": "control"}],
        ),
        "space.batch_size: the training data come in batches, whose size is theirs",
    ),
    "learning rate": (training(optimizer_params={"learning_rate": "x"}), "learning_rate"),
    "loss": (training(loss="sparse"), "sparse"),
    "loss that does not fit": (training(loss="categorical_crossentropy"), "same rank"),
    "monitor": (
        training(callbacks=[{"name": "early_stopping", "monitor": "val_acc"}]),
        "there is no metric 'val_acc' to monitor; did you mean 'val_accuracy'? there are loss",
    ),
    "metric": (training(metrics=["acuracy"]), "acuracy"),
    "network's setting": (network(params={"units": -4}), "units"),
    "builder": (network(builder="own:network"), "LookupError: no such layer"),
    "mutation": (
        with_arm(mutation={"name": "gaussian", "scale": -1.0}),
        "arms.mean, halt after epoch 2: scale must be",
    ),
    "crossover": (
        with_arm(crossover={"name": "blend", "alpha": -1.0}),
        "arms.mean, halt after epoch 2: alpha must be",
    ),
    "selection": (
        with_arm(selection={"name": "tournament", "size": 0}),
        "arms.mean, halt after epoch 2: A tournament needs size >= 1",
    ),
    "survivors' optimiser": (
        survivors(FALLING, learning_rate=0.02),
        "arms.own, halt after epoch 2: survivors go on with their optimiser's state, which is",
    ),
    "plug-in": (with_arm(mutation="own:rotated"), "ArithmeticError: no rotation for you"),
    "layer at a halt": (
        network(builder="own:network", params={"how": "unknown layer"})
        | {"arms": with_arm(align="weights")["arms"]},
        "arms.mean, halt after epoch 2: ",
    ),
    "layer at the harvest": (
        network(builder="own:network", params={"how": "unknown layer"})
        | {"arms": with_arm(harvest={"method": "mean", "align": "weights"})["arms"]},
        "arms.mean, harvest: ",
    ),
}

FREE = {"optimizer": "schedulefreeadamw", "optimizer_params": {"learning_rate": 0.01}}
AVERAGES = "outer is set, by the arm or its recipe, and the optimiser is ScheduleFreeAdamW"
BAD |= {
    "outer momentum": (
        training(**FREE) | {"arms": [*arms("control"), {"name": "own", "outer": {}}]},
        f"arms.own: {AVERAGES}",
    ),
    "outer momentum from a halt on": (
        training(**FREE) | {"arms": with_arm(halts=[{"at": 2, "outer": {}}])["arms"]},
        f"arms.mean: {AVERAGES}",
    ),
    "outer momentum of a search": (
        changed(
            training={k: v for k, v in changed()["training"].items() if "optimizer" not in k},
            network={"builder": "mlp"},
            space={"optimizer": {"values": ["adam", FREE["optimizer"]], "of": "training"}},
            arms=[*arms("control"), {"name": "own", "outer": {}}],
        ),
        f"arms.own: {AVERAGES}",
    ),
}

UNITS = {"values": [4, 6]}
BAD |= {
    what: (changed(network={"builder": "mlp"}, space=space), told)
    for what, space, told in (
        (
            "least value",
            {"units": {"low": -8, "high": 8}},
            'space.units = -8: .*"units": -8',
        ),
        (
            "greatest value",
            {"units": UNITS, "dropout": {"low": 0.1, "high": 1.5}},
            "dropout = 1.5: ",
        ),
        ("a choice", {"units": UNITS, "activation": ["relu", "rleu"]}, "space.activation = rleu: "),
        ("optimizer's", {"foo": {"low": 0.1, "high": 0.2, "of": "optimizer"}}, '"foo": 0.1'),
        (
            "shapes",
            {"units": UNITS | {"structural": False}},
            "space.units: structural = false",
        ),
    )
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_told_in_one_line(what: str, tmp_path: Path) -> None:
    table, told = BAD[what]
    with pytest.raises(UserError) as caught:
        rehearse(tmp_path, table)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'tiny.toml'}: ")
    assert told in message or re.search(told, message)
    assert "\n" not in message


def test_a_layer_that_is_not_known_harms_nobody_who_does_not_align(tmp_path: Path) -> None:
    table = network(builder="own:network", params={"how": "unknown layer"})
    assert rehearse(tmp_path, table | {"arms": with_arm(crossover="mean")["arms"]})


@pytest.mark.parametrize(
    ("asked", "arm", "weight"),
    [
        ({}, {}, 0.5),
        ({"loss": "mse"}, {}, 0.05),
        ({}, {"teach": {"weight": 0.1}}, 0.1),
    ],
    ids=["not named", "named", "a weight of one's own"],
)
def test_a_recipe_that_took_numbers_for_classes_is_told(
    tmp_path: Path, asked: dict[str, Any], arm: dict[str, Any], weight: float
) -> None:
    """A network that compiles itself need not name its loss in the file."""
    table = training(**asked) | {
        "data": {"name": "tests.support.kinds:regression"},
        "network": {"builder": "own:measured"},
        "arms": [*arms("control"), {"name": "own", "recipe": "heterosis", **arm}],
    }
    file, experiment, place = prepared(tmp_path, table, PLUGINS)
    (halt,) = experiment.arms[1].halts
    assert halt.teach is not None
    assert halt.teach.weight == pytest.approx(weight)
    remarks = rehearse_experiment(file, experiment, place)
    told = [each for each in remarks if "the teachers weigh" in each]
    assert len(told) == (weight == 0.5)
    for each in told:
        assert each.startswith("arms.own, halt after epoch 2: the teachers weigh 0.5, as for ")
        assert "with mean_squared_error, a loss of numbers, where 0.05 was best" in each


@pytest.mark.parametrize(
    ("merges", "batch_sizes", "said"),
    [
        (3, None, ""),
        (STEPS, None, ""),
        (STEPS + 1, None, f"an epoch has {STEPS} steps of {BATCH} samples"),
        (STEPS, [BATCH, 2 * BATCH], f"an epoch has {-(-STEPS // 2)} steps of {2 * BATCH} samples"),
    ],
)
def test_more_merges_than_steps_are_told(
    merges: int, batch_sizes: list[int] | None, said: str, tmp_path: Path
) -> None:
    own = {"name": "own", "epochs": 0.5, "family": {"members": 2, "merges": merges}}
    table = changed(population=1, arms=[*arms("control"), own])
    if batch_sizes is not None:
        table |= {"network": {"builder": "mlp"}, "space": {"batch_size": {"values": batch_sizes}}}
        table["space"]["batch_size"]["of"] = "training"
    remarks = rehearse_experiment(*prepared(tmp_path, table, PLUGINS))
    told = [each for each in remarks if "are merged after every step" in each]
    assert len(told) == bool(said)
    assert all(each.startswith(f"arms.own: family: merges = {merges}, and ") for each in told)
    assert all(said in each for each in told)


@pytest.mark.parametrize("optimizer", [FREE, {}], ids=["free", "usual"])
def test_a_recipe_that_leaves_momentum_over_epochs_away_is_told(
    tmp_path: Path, optimizer: dict[str, Any]
) -> None:
    table = training(**optimizer) | {
        "arms": [*arms("control"), {"name": "own", "recipe": "heterosis"}],
    }
    remarks = rehearse_experiment(*prepared(tmp_path, table, PLUGINS))
    told = [each for each in remarks if "without momentum over epochs" in each]
    assert len(told) == bool(optimizer)
    assert all(each.startswith("arms.own: ") for each in told)
