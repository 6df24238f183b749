"""Experiments on the user's own files, and regression, from the file to the report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apps.errors import UserError
from apps.messages.tasks import Workplace
from tests.support.experiments import arms, changed, write
from tests.workflow.conftest import Heterosis
from workflow.driver.trial import build_trial
from workflow.experiment.file import READY, load_experiment, read_experiment
from workflow.preflight.rehearse import rehearse_experiment
from workflow.runs.opening import differing_keys

TRAINING = {
    "epochs": 6,
    "batch_size": 20,
    "optimizer": "adam",
    "optimizer_params": {"learning_rate": 0.05},
    "loss": "mse",
    "metrics": ["mae"],
    "callbacks": [{"name": "early_stopping", "patience": 1}],
}


@pytest.fixture
def regression(tmp_path: Path) -> Path:
    """An experiment on a table beside it, whose members may end early."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=90), "b": rng.normal(size=90)})
    table["c"] = np.resize(["x", "y", "z"], 90)
    table.assign(y=3 * table["a"] - table["b"] ** 2).to_csv(tmp_path / "points.csv", index=False)
    return write(tmp_path, experiment())


def experiment(**data: Any) -> dict[str, Any]:
    return changed(
        name="points",
        data={
            "name": "table",
            "params": {"path": "points.csv", "target": "y"} | data,
            "validation": 20,
        },
        network={"builder": "mlp", "params": {"units": 4, "output": "linear"}},
        training=TRAINING,
        arms=[
            *arms("control", "mean"),
            {"name": "relatives", "halts": [2, 4], "parents": 1, "harvest": "mean"},
        ],
    )


# ------------------------------------------------------------------------------- the experiment
def test_a_changed_file_is_another_experiment_and_a_moved_folder_is_not(
    regression: Path, tmp_path: Path
) -> None:
    one = load_experiment(regression)
    assert len(one.data.digest) == 64
    elsewhere = Path(shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-moved")))
    moved = load_experiment(elsewhere / regression.name)
    assert moved == one
    assert build_trial(moved, 0).nodes == build_trial(one, 0).nodes
    stored = write(elsewhere, one.completed(), "stored.toml")
    points = elsewhere / "points.csv"
    points.write_text(points.read_text() + "1,1,x,1\n")
    again = load_experiment(elsewhere / regression.name)
    differing = differing_keys(read_experiment(stored).completed(), again.completed())
    assert [each.split()[0] for each in differing] == ["data.digest"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"path": "gone.csv"}, "gone.csv: there is no such file; data.params.path names it"),
        ({"targt": "y"}, "unknown key 'targt'; did you mean 'target'"),
        ({"standardize": 1}, "data.params.standardize = 1 of data.name"),
    ],
)
def test_wrong_settings_are_told_with_the_experiments_file(
    params: dict[str, Any], expected: str, regression: Path
) -> None:
    file = write(regression.parent, experiment(**params), "wrong.toml")
    with pytest.raises(UserError) as caught:
        load_experiment(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_of_an_experiment_are_described(regression: Path, heterosis: Heterosis) -> None:
    ended = heterosis("data", regression)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("table: 52 training, 20 validation and 18 test samples, inputs [5]")


def test_a_kind_of_data_without_settings_says_what_it_needs(heterosis: Heterosis) -> None:
    ended = heterosis("data", "table")
    assert ended.code == 2
    assert 'data.params.path is needed by data.name = "table"' in ended.err


# ----------------------------------------------------------------------------------- regression
def test_a_champion_of_a_table_is_asked_with_raw_columns(
    regression: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    runs = tmp_path / "runs"
    assert heterosis("run", regression, "--runs", runs, "--set", "trials=1", "--quiet").code == 0
    points = pd.read_csv(tmp_path / "points.csv")
    asked = tmp_path / "asked.csv"
    # The columns are found by their names, and need no target.
    points[["c", "b", "a"]].to_csv(asked, index=False)
    answers = {}
    for data in ("test", str(asked)):
        out = tmp_path / f"{len(data)}.csv"
        ended = heterosis("predict", runs / "points", data, "--out", out)
        assert (ended.code, ended.err) == (0, "")
        answers[data] = pd.read_csv(out)["output"].to_numpy()
    assert len(answers[str(asked)]) == 90
    nearest = np.abs(answers["test"][:, None] - answers[str(asked)]).min(axis=1)
    assert nearest.max() < 1e-5
    points[["a", "c"]].to_csv(asked, index=False)
    ended = heterosis("predict", runs / "points", asked)
    assert ended.code == 2
    assert "there is no column 'b'" in ended.err


@pytest.mark.slow
def test_a_regression_whose_members_end_early_goes_the_whole_way(
    regression: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    runs = tmp_path / "runs"
    for name in ("one", "two"):
        ended = heterosis("run", regression, "--runs", runs, "--name", name, "--quiet")
        assert (ended.code, ended.err) == (0, "")
        assert "accuracy" not in ended.out
        assert "test loss improved" in ended.out
    epochs = pd.read_parquet(runs / "one" / "tables" / "epochs.parquet")
    assert len(epochs) < 2 * 3 * 3 * 6  # some ended early
    page = (runs / "one" / "report" / "index.html").read_text()
    assert "accuracy" not in page.lower()
    curves = pd.read_csv(runs / "one" / "report" / "curves.csv")
    assert curves.groupby(["arm", "kind"]).size().eq(6).all()
    for command in (
        ("plan", regression, "--no-measure"),
        ("status", runs / "one"),
        ("report", runs / "one"),
        ("compare", runs / "one", runs / "two", "--out", tmp_path / "both"),
        ("predict", runs / "one", "test", "--out", tmp_path / "answers.csv"),
    ):
        ended = heterosis(*command)
        assert (ended.code, ended.err) == (0, "")
    assert "accuracy" not in (tmp_path / "both" / "comparison.html").read_text().lower()
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert (len(answers), list(answers)) == (18, ["output"])


# ------------------------------------------------------------------------------------ ready ones
@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn", "lstm", "tabular"])
def test_a_ready_experiment_gets_through_its_rehearsal(name: str, tmp_path: Path) -> None:
    small = {
        "cnn": ["network.params.filters=[2, 3]", "data.train_limit=64"],
        "lstm": ["network.params.units=3", "data.params.samples=120", "data.validation=20"],
        "tabular": ["network.params.units=[4]", "data.params.samples=120", "data.validation=20"],
    }
    experiment = load_experiment(READY / f"{name}.toml", ["trials=1", *small[name]])
    rehearse_experiment(name, experiment, Workplace(root=str(tmp_path), search_path=str(READY)))


def test_the_convolutional_example_has_every_arm_of_arms() -> None:
    cnn, every = (read_experiment(READY / f"{name}.toml") for name in ("cnn", "arms"))
    shared = len(every.arms)
    assert cnn.arms[:shared] == every.arms
    assert [arm.name for arm in cnn.arms[shared:]] == ["outer", "long", "heterosis"]
