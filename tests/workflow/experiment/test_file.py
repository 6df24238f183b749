"""An experiment file is right, or one line says what is wrong with it and where."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from tests.support.experiments import TINY, changed, load, write
from workflow.experiment.file import READY, find_experiment, load_experiment, read_experiment
from workflow.runs.opening import differing_keys

Change = Callable[[dict[str, Any]], None]


def put(*path_and_value: Any) -> Change:
    """A change of one value of the file, by its path."""
    *path, last, value = path_and_value

    def change(table: dict[str, Any]) -> None:
        reduce(lambda place, key: place[key], path, table)[last] = value

    return change


def space(**settings: Any) -> Change:
    """A search over one parameter."""
    return lambda table: table.update(space={"units": settings})


def without(*path: Any) -> Change:
    """A change that takes a key away."""
    *path_to, last = path

    def change(table: dict[str, Any]) -> None:
        del reduce(lambda place, key: place[key], path_to, table)[last]

    return change


MEAN = ("arms", 2)


HALT = (*MEAN, "halts")


BAD: dict[str, tuple[Change, list[str]]] = {
    # ------------------------------------------------------------------ unknown and misspelt keys
    "misspelt key": (put("trails", 3), ["'trails'", "did you mean 'trials'?", "population"]),
    "unknown key": (put("zzz", 3), ["'zzz'", "known keys are name, seed"]),
    "misspelt in training": (
        put("training", "epohcs", 3),
        ["training: ", "'epohcs'", "did you mean 'epochs'?"],
    ),
    "misspelt in data": (put("data", "validaton", 3), ["data: ", "did you mean 'validation'?"]),
    "misspelt in network": (put("network", "biulder", "x"), ["did you mean 'builder'?"]),
    "misspelt in an arm": (
        put(*MEAN, "crosover", "mean"),
        ["arms.mean: ", "'crosover'", "did you mean 'crossover'?"],
    ),
    "misspelt in a halt": (
        put(*HALT, [{"at": 2, "mutatoin": "gaussian"}]),
        ["arms.mean.halts.0: ", "'mutatoin'", "did you mean 'mutation'?"],
    ),
    "known by two names in an arm": (
        put(*MEAN, {"name": "mean", "halts": [2], "rate": 2.0, "learning_rate_factor": 2.0}),
        ["arms.mean: ", "'learning_rate_factor' is set twice, also as 'rate'"],
    ),
    "known by two names in a halt": (
        put(*HALT, [{"at": 2, "rate": 2.0, "learning_rate_factor": 2.0}]),
        ["arms.mean.halts.0: ", "'learning_rate_factor' is set twice, also as 'rate'"],
    ),
    "known by two names in a search": (
        put(*MEAN, "search", {"strangers": True, "merge_architectures": True}),
        ["arms.mean.search: ", "'merge_architectures' is set twice, also as 'strangers'"],
    ),
    "former name in an arm": (
        put(*MEAN, "rate", -1.0),
        ["arms.mean.learning_rate_factor = -1.0: ", "greater than 0"],
    ),
    "former name in a halt": (
        put(*HALT, [{"at": 2, "rate": -1.0}]),
        ["arms.mean.halts.0.learning_rate_factor = -1.0: ", "greater than 0"],
    ),
    "former name in a search": (
        put(*MEAN, "search", {"rate": 2.0}),
        ["arms.mean.search.mutation_rate = 2.0: ", "less than or equal to 1"],
    ),
    "misspelt in an average": (
        put(*MEAN, "average", {"kind": "swa", "widnow": 2}),
        ["arms.mean.average: ", "did you mean 'window'?"],
    ),
    # ------------------------------------------------------------------------------- wrong types
    "text for a number": (put("trials", "three"), ["trials = 'three'", "integer"]),
    "number in quotes": (put("trials", "3"), ["trials = '3'", "integer"]),
    "true for a number": (put("trials", True), ["trials = True", "integer"]),
    "part of an epoch": (put("training", "epochs", 2.5), ["training.epochs = 2.5", "integer"]),
    "number for a name": (put("name", 5), ["name = 5", "string"]),
    "number for a table": (put("training", 5), ["training = 5", "valid table"]),
    "number for arms": (put("arms", 5), ["arms = 5", "valid array"]),
    "no arms at all": (put("arms", []), ["arms", "at least 1"]),
    "text for a list": (
        put("training", "metrics", "accuracy"),
        ["metrics = 'accuracy'", "of names"],
    ),
    "empty space": (lambda table: table.update(space={}), ["space: it has no parameter"]),
    "step of floats": (space(low=0.0, high=0.4, step=2), ["space.units", "`step` is for whole"]),
    "logarithm of values": (space(values=[4, 8], log=True), ["space.units", "not for `values`"]),
    "order of numbers": (space(low=4, high=8, ordered=True), ["`ordered` is for `values`"]),
    "nested values": (space(values=[[4], [8]]), ["space.units.values", "array of numbers"]),
    "batch size of 0": (
        lambda table: table.update(space={"batch_size": {"values": [0, 8], "of": "training"}}),
        ["space.batch_size", "whole numbers from 1"],
    ),
    "optimizer that is no name": (
        lambda table: table.update(space={"optimizer": {"low": 1, "high": 2, "of": "training"}}),
        ["space.optimizer", "names of Keras's optimizers"],
    ),
    "training that is not searched": (
        lambda table: table.update(space={"loss": {"values": ["mse"], "of": "training"}}),
        ["space.loss", "only batch_size and optimizer are searched"],
    ),
    "bound that is no number": (space(low=float("nan"), high=8), ["space.units.low", "finite"]),
    "learning rate below 0": (
        lambda table: table.update(
            space={"learning_rate": {"low": -0.1, "high": 0.1, "of": "optimizer"}}
        ),
        ["space.learning_rate", "greater than 0"],
    ),
    "number for a loss": (put("training", "loss", 3), ["loss = 3", "a name, or a table"]),
    "losses that are no names": (put("training", "loss", {"a": 1}), ["training.loss", "by output"]),
    "halt in words": (put(*HALT, ["half"]), ["halts.0.at = 'half'", "such as 0.5"]),
    "halt that is true": (put(*HALT, [True]), ["halts.0.at = True"]),
    "halt that is not finite": (put(*HALT, [float("inf")]), ["halts.0.at = inf"]),
    "halts without brackets": (put(*HALT, 0.5), ["arms.mean: halts are an array", "0.5"]),
    "date as a setting": (
        put("network", "params", {"units": datetime.date(2026, 1, 1)}),
        ["network.params.units"],
    ),
    # ------------------------------------------------------------------------------------ ranges
    "no name": (without("name"), ["name", "required"]),
    "no population": (without("population"), ["population", "required"]),
    "no epochs": (without("training", "epochs"), ["training.epochs", "required"]),
    "halt without an epoch": (put(*HALT, [{"parents": 2}]), ["arms.mean.halts.0.at", "required"]),
    "T greater than N": (
        put(*MEAN, "parents", 4),
        ["arms.mean.parents", "4 parents", "population of 3"],
    ),
    "no parents": (put(*MEAN, "parents", 0), [": arms.mean.parents = 0: ", "greater than or"]),
    "no parents at one halt": (
        put(*HALT, [1, {"at": 2, "parents": 0}]),
        ["arms.mean.halts.1.parents = 0"],
    ),
    "no parents at two halts": (
        lambda table: table["arms"][4].update(parents=0),
        [": arms.twice.parents = 0: "],
    ),
    "wrong in an arm without a name": (
        put("arms", 2, {"halts": 5}),
        ["arms.2: ", "halts are an array"],
    ),
    "a pair of one": (
        lambda table: table["arms"][2].update(mating="pairs", parents=1),
        ["arms.mean.parents", "in pairs"],
    ),
    "N less than 1": (put("population", 0), ["population = 0", "greater than or equal to 1"]),
    "no trials": (put("trials", 0), ["trials = 0"]),
    "negative seed": (put("seed", -1), ["seed = -1"]),
    "halt at 0": (put(*HALT, [0]), ["arms.mean.halts", "4 epochs", "0 is after epoch 0"]),
    "halt at a fraction of 0": (put(*HALT, [0.0]), ["arms.mean.halts", "0.0"]),
    "halt before the first epoch": (put(*HALT, [0.01]), ["0.01 is after epoch 0"]),
    "halt before the start": (put(*HALT, [-1]), ["arms.mean.halts", "-1"]),
    "halt at K": (put(*HALT, [4]), ["arms.mean.halts", "4 is after epoch 4"]),
    "halt at all of K": (put(*HALT, [1.0]), ["arms.mean.halts", "1.0"]),
    "halt beyond K": (put(*HALT, [5]), ["arms.mean.halts", "5"]),
    "halts not in order": (put(*HALT, [3, 2]), ["arms.mean.halts", "in order", "[3, 2]"]),
    "a halt twice": (put(*HALT, [2, 0.5]), ["arms.mean.halts", "[2, 2]"]),
    "window of nothing": (
        put(*MEAN, "average", {"kind": "swa", "window": 0}),
        ["arms.mean.average.window"],
    ),
    # -------------------------------------------------------------------------------------- arms
    "two arms of one name": (put("arms", 3, "name", "mean"), ["two arms", "'mean'"]),
    "no control": (put("arms", 0, "name", "plain"), ["'control'", "without halts"]),
    "control that halts": (put("arms", 0, "halts", [2]), ["'control'", "without halts"]),
    "name of a folder": (put(*MEAN, "name", "segment-1"), ["'segment-1'", "folders"]),
    "name with a slash": (put("name", "../up"), ["name = '../up': a name has up to 60 letters"]),
    "name of two dots": (put("name", ".."), ["name = '..'"]),
    "empty name": (put("name", ""), ["name = ''"]),
    "arm with a slash": (put(*MEAN, "name", "a/b"), [": arms.a/b.name = 'a/b': a name has"]),
    "halt's key without halts": (put("arms", 0, "parents", 2), ["'parents'", "no halts"]),
    "species without their mating": (put(*MEAN, "species", {}), ["arms.mean.species", "'all'"]),
    # --------------------------------------------------------------------------------- operators
    "unknown crossover": (
        put(*MEAN, "crossover", "meen"),
        ["arms.mean.crossover", '"meen"', "did you mean 'mean'?"],
    ),
    "unknown mutation": (put(*MEAN, "mutation", "gausian"), ["did you mean 'gaussian'?"]),
    "unknown selection": (put(*MEAN, "selection", "truncate"), ["did you mean 'truncation'?"]),
    "unknown operator among species": (
        lambda table: table["arms"][2].update(mating="species", crossover="meen"),
        ["arms.mean.crossover", '"meen"'],
    ),
    "unknown method of species": (
        lambda table: table["arms"][2].update(mating="species", species={"method": "cluster"}),
        ["arms.mean.species.method", '"cluster"'],
    ),
    "unknown setting": (
        put(*MEAN, "mutation", {"name": "gaussian", "scal": 0.1}),
        ["arms.mean.mutation", "'scal'", "did you mean 'scale'?"],
    ),
    "what is not for users to set": (
        put(*MEAN, "mutation", {"name": "gaussian", "keep": ["bias"]}),
        ["arms.mean.mutation", "'keep'"],
    ),
    "operator without a name": (put(*MEAN, "crossover", {"scale": 1}), ["crossover.name"]),
    "unknown optimizer of children": (put(*MEAN, "optimizer", "old"), ["'old'", "'inherit'"]),
    "test data as fitness": (
        put("training", "fitness", "test_loss"),
        ["training.fitness = 'test_loss'", "test data choose nothing", "'val_loss'"],
    ),
    "unknown fitness": (
        put("training", "fitness", "val_los"),
        [
            "training.fitness = 'val_los'",
            "did you mean 'val_loss'?",
            "fitness_mode",
            "'val_accuracy'",
        ],
    ),
    "a loss that is to be high": (
        put("training", "fitness_mode", "max"),
        ["training.fitness_mode", "a loss is to be low"],
    ),
    "a direction that is none": (put("training", "fitness_mode", "up"), ["fitness_mode", "'max'"]),
    "weights of no classes": (
        put("training", "class_weight", {"cat": -2.0}),
        ["training.class_weight", "a number from 0", "-2.0 of cat"],
    ),
    "classes neither weighed nor balanced": (
        put("training", "class_weight", "balance"),
        ["training.class_weight = 'balance'", '"balanced"'],
    ),
    # ----------------------------------------------------------------------- network and plug-ins
    "unknown network": (
        put("network", "builder", "two_layer"),
        ['"two_layer"', "did you mean 'two_layer_dense'?"],
    ),
    "unknown argument of the network": (
        put("network", "params", {"unit": 4}),
        ["network.builder", "'unit'", "did you mean 'units'?"],
    ),
    "missing network plug-in": (
        put("network", "builder", "nowhere:build"),
        ["no module 'nowhere'"],
    ),
    "unknown data": (put("data", "name", "fashion_mnits"), ["data.name", "fashion_mnist"]),
    "missing data plug-in": (put("data", "name", "nowhere:load"), ["no module 'nowhere'"]),
    "missing operator plug-in": (put(*MEAN, "crossover", "nowhere:mix"), ["no module 'nowhere'"]),
    "missing function of a plug-in": (put(*MEAN, "mutation", "math:sqr"), ["has no sqr", "sqrt"]),
    "plug-in of a strange form": (put("network", "builder", "a:b:c"), ['"module:function"']),
}


@pytest.mark.parametrize(("change", "told"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_that_names_it(
    change: Change, told: list[str], tmp_path: Path
) -> None:
    table = changed()
    change(table)
    path = write(tmp_path, table)
    with pytest.raises(UserError) as caught:
        load_experiment(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    assert all(part in message for part in told), message
    assert str(path) in message


def test_two_errors_are_two_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, trials=0, population=0)
    assert len(str(caught.value).splitlines()) == 2


def test_a_plugin_that_raises_on_import_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "raises_on_import.py").write_text("x = 1\nraise OSError('no licence')\n")
    with pytest.raises(UserError, match=r"no licence.*raises_on_import\.py, line 2"):
        load(tmp_path, network={"builder": "raises_on_import:build"})


def test_a_plugin_operator_is_asked_for_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "def mix(rng, parents, share=0.5):\n    return parents[: int(share)]\n"
    (tmp_path / "asked.py").write_text(source)
    arm = {"name": "own", "halts": [2], "crossover": {"name": "asked:mix", "share": 0.1}}
    assert load(tmp_path, arms=[{"name": "control"}, arm]).arms[1].halts[0].crossover.params == {
        "share": 0.1
    }
    arm["crossover"] = {"name": "asked:mix", "shrae": 0.1}
    with pytest.raises(UserError, match=r"arms\.own\.crossover.*'shrae'; did you mean 'share'\?"):
        load(tmp_path, arms=[{"name": "control"}, arm])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name = ", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        (b"", "name: Field required"),
        (b"x = " + 5000 * b"[" + 5000 * b"]", "nested too deeply"),
        (b"[data.params." + b"x." * 5000 + b"x]", "nested too deeply"),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told):
        load_experiment(path)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, TINY)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_experiment(path).name == "tiny"


@pytest.mark.parametrize("depth", [10, 50, 100, 200, 300, 500, 900])
def test_settings_of_any_depth_are_stored_or_refused(depth: int, tmp_path: Path) -> None:
    path = write(tmp_path, TINY)
    nested = "[" * depth + "]" * depth
    if depth > 200:
        with pytest.raises(UserError, match=r"^[^\n]{,300}nested too deeply$"):
            load_experiment(path, [f"data.params.x={nested}"])
        return
    experiment = load_experiment(path, [f"data.params.x={nested}"])
    (tmp_path / "stored.toml").write_text(experiment.to_toml())
    assert load_experiment(tmp_path / "stored.toml") == experiment


# ------------------------------------------------------------------------------ finding the file
@pytest.mark.parametrize(("name", "meant"), [("quik", "'quick'"), ("smok", "'smoke'")])
def test_a_missing_experiment_names_the_nearest_ready_one(name: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"did you mean {meant}"):
        find_experiment(name)


def test_a_missing_file_lists_the_ready_ones() -> None:
    names = ", ".join(sorted(path.stem for path in READY.glob("*.toml")))
    with pytest.raises(UserError, match=f"ready are {names}"):
        find_experiment("nowhere/zzz.toml")


def test_a_file_of_the_user_is_found_beside_a_ready_one_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, TINY, "quick.toml")
    assert find_experiment("quick") == READY / "quick.toml"
    assert find_experiment("quick.toml") == Path("quick.toml")


def test_a_changed_plugin_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin = tmp_path / "changing.py"
    plugin.write_text("def build(units=4):\n    return None\n")
    path = write(tmp_path, changed(network={"builder": "changing:build"}))
    stored = tmp_path / "stored.toml"
    stored.write_text(load_experiment(path).to_toml())
    plugin.write_text("def build(units=5):\n    return None\n")
    differing = differing_keys(
        read_experiment(stored).completed(), load_experiment(path).completed()
    )
    assert [each.split()[0] for each in differing] == ["network.digest"]
