"""The Python interface does what the command does, says nothing, and raises its errors."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import heterosis
from analysis.report.write import write_report
from apps.errors import UserError
from apps.messages.tasks import TrainTask
from apps.records.additions import read_additions
from apps.records.run_dir import RunDir
from heterosis import Experiment, Run, load_experiment
from tests.support.experiments import (
    FOLDER,
    TINY,
    answering,
    arms,
    assert_same,
    changed,
    checkpoints,
    copied,
    press,
    read_tables,
    serial,
    write,
)
from tests.support.reports import without_pictures
from tests.workflow.conftest import Heterosis
from workflow import launch

RANDOMLY = {"name": "randomly", "halts": [0.5], "crossover": "random", "mutation": "none"}

CONTROL_ALONE = changed(trials=1, arms=[{"name": "control"}])


BUILDER = """
def build():
    import keras

    layers = [keras.layers.Flatten(), keras.layers.Dense(WIDTH), keras.layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((28, 28)), *layers])
"""


run = partial(heterosis.run, engine=serial)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.mark.slow
def test_run_computes_what_the_command_computes_and_prints_nothing(
    finished: Path, tmp_path: Path, tiny_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run(tiny_file, runs=tmp_path, name="own", keep="all")
    assert capfd.readouterr() == ("", "")
    assert done.folder == tmp_path / "own"
    assert_same(done.tables, read_tables(finished))
    assert len([*checkpoints(done.folder)]) > len([*checkpoints(finished)])
    again = run(tiny_file, runs=tmp_path, name="own", settings=[])
    assert capfd.readouterr() == ("", "")
    assert_same(again.tables, done.tables)


def test_an_experiment_may_be_made_in_python(tmp_path: Path, finished: Path) -> None:
    experiment = Experiment(**CONTROL_ALONE)
    done = run(experiment, runs=tmp_path, folder=FOLDER, tensorboard=True)
    assert done.experiment.completed() == experiment.completed()
    theirs = read_tables(finished)["members"]
    ours = done.tables["members"]
    same = theirs[(theirs["trial"] == 0) & (theirs["arm"] == "control")]
    assert ours["val_loss"].iloc[-3:].tolist() == same["val_loss"].iloc[-3:].tolist()
    logs = [*(done.folder / "tensorboard" / "trial-000").rglob("events.out.tfevents.*")]
    assert len(logs) == len(ours[ours["status"] == "done"])


@pytest.mark.slow
def test_projects_have_their_own_modules_and_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    table = CONTROL_ALONE | {"network": {"builder": "network:build"}}
    found = []
    for name, width in (("one", 3), ("two", 5), ("one", 7)):
        file = write(tmp_path / name, table)
        (tmp_path / name / "network.py").write_text(BUILDER.replace("WIDTH", str(width)))
        done = run(file, runs=tmp_path / f"{name}{width}")
        found.append(int(done.tables["members"]["parameters"].iloc[0]))
    assert found == [785 * width + 10 * (width + 1) for width in (3, 5, 7)]


def test_settings_and_fresh_are_those_of_the_command(
    finished: Path, tmp_path: Path, tiny_file: Path
) -> None:
    copied(finished, tmp_path)
    few = ["trials=1", 'arms=[{ name = "control" }]']
    with pytest.raises(UserError, match="belongs to another experiment"):
        run(tiny_file, runs=tmp_path, settings=few)
    done = run(tiny_file, runs=tmp_path, settings=few, fresh=True)
    assert done.experiment.trials == 1
    assert_same(Run.open(tmp_path / "tiny.1").tables, read_tables(finished))


@pytest.mark.slow
def test_a_run_goes_on_with_more_trials_and_says_so(
    finished: Path, tmp_path: Path, tiny_file: Path
) -> None:
    done = run(tiny_file, runs=tmp_path, settings=["trials=1"])
    assert "Trials were added" not in done.report.read_text()
    first = {path: path.read_bytes() for path in done.directory.results()}
    with pytest.raises(KeyboardInterrupt):
        run(tiny_file, runs=tmp_path, engine=answering(TrainTask, press))
    assert Run.open(done.folder).no_champion == "the run is not finished"
    again = run(tiny_file, runs=tmp_path)
    assert_same(again.tables, read_tables(finished))
    assert {path: path.read_bytes() for path in first} == first
    assert "Trials were added to this run, which had 1, then 2:" in again.report.read_text()
    with pytest.raises(UserError, match=r"has 2 trials, here are 1.*: --set trials=2 continues it"):
        run(tiny_file, runs=tmp_path, settings=["trials=1"])


@pytest.mark.slow
def test_a_run_goes_on_with_an_arm_that_is_added_and_says_so(
    finished: Path, tmp_path: Path, tiny_file: Path
) -> None:
    few = Experiment(**changed(arms=arms("control", "mean", "twice"), trials=1))
    done = run(few, runs=tmp_path, folder=FOLDER, keep="all")
    assert "Added after" not in done.report.read_text()
    first = {path: path.read_bytes() for path in done.directory.results()}
    rehearsed: list[Experiment] = []

    def rehearse(_: object, experiment: Experiment, __: object) -> list[str]:
        rehearsed.append(experiment)
        return ["an odd arm"]

    again = run(tiny_file, runs=tmp_path, rehearse=rehearse)
    assert [len(each.arms) for each in rehearsed] == [5]
    assert "an odd arm" in again.report.read_text()
    assert_same(again.tables, read_tables(finished))
    assert {path: path.read_bytes() for path in first} == first
    assert "Added after other arms had been run: restart, random." in again.report.read_text()
    run(tiny_file, runs=tmp_path, rehearse=rehearse)
    assert len(rehearsed) == 1
    with pytest.raises(UserError, match=r"differs in .*arms\.restart .*here nothing"):
        run(few, runs=tmp_path, folder=FOLDER)


def test_an_arm_that_parts_what_is_computed_is_refused_and_nothing_is_lost(
    tmp_path: Path, tiny_file: Path
) -> None:
    few = Experiment(**changed(arms=arms("control", "mean"), trials=1))
    done = run(few, runs=tmp_path, folder=FOLDER)
    before = {path: path.read_bytes() for path in done.folder.rglob("*") if path.is_file()}
    with pytest.raises(
        UserError, match=r"could not keep .*: twice would part .* \d+ tasks of each trial"
    ):
        run(tiny_file, runs=tmp_path)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("when", ["before it has them", "before a task of them"])
def test_arms_whose_run_broke_off_at_once_can_be_taken_away(
    when: str, finished: Path, tmp_path: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(finished, tmp_path)
    root = tmp_path / "tiny"
    more = write(tmp_path / "more", changed(arms=[*TINY["arms"], RANDOMLY]))

    def broken(*_: object, **__: object) -> None:
        raise UserError("the data have changed", code="run-differs")

    with monkeypatch.context() as here:
        what = "noted_data" if when == "before it has them" else "_drive"
        here.setattr(launch, what, broken)
        with pytest.raises(UserError, match="the data have changed"):
            run(more, runs=tmp_path, rehearse=lambda *_: ())
    grown = when == "before a task of them"
    assert ("randomly" in (root / "experiment.toml").read_text()) == grown
    assert read_additions(RunDir(root)).arms == ("randomly",)
    if not grown:
        assert "Added after" not in write_report(RunDir(root)).read_text()
    done = run(tiny_file, runs=tmp_path)
    assert_same(done.tables, read_tables(finished))
    assert read_additions(RunDir(root)).arms == ()
    assert "randomly" not in (root / "experiment.toml").read_text()


def test_more_trials_do_not_hide_another_difference(
    finished: Path, tmp_path: Path, tiny_file: Path
) -> None:
    copied(finished, tmp_path)
    with pytest.raises(UserError, match=r"differs in seed \(there 5, here 4\); choose"):
        run(tiny_file, runs=tmp_path, settings=["trials=3", "seed=4"])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"experiment": "quik"}, "did you mean 'quick'"),
        ({"site": "local_thread"}, "local_threads"),
        ({"settings": ["trails=3"]}, "trails"),
        ({"name": "a/b"}, "--name"),
        ({"folder": "."}, "it is for an Experiment"),
        ({"experiment": Experiment(**TINY), "settings": ["trials=3"]}, "trials=3"),
        ({"options": ["cores"]}, "key=value"),
    ],
)
def test_a_mistake_is_a_user_error(
    wrong: dict[str, Any], told: str, tmp_path: Path, tiny_file: Path
) -> None:
    with pytest.raises(UserError, match=told):
        run(**({"experiment": tiny_file, "runs": tmp_path} | wrong))
    assert not list(tmp_path.iterdir())


def test_ctrl_c_stays_ctrl_c_and_the_logs_are_given_back(tmp_path: Path, tiny_file: Path) -> None:
    logger = logging.getLogger("workflow")
    before = (logger.handlers[:], logger.level, logger.propagate)
    with pytest.raises(KeyboardInterrupt):
        run(tiny_file, runs=tmp_path, engine=answering(TrainTask, press))
    assert (logger.handlers, logger.level, logger.propagate) == before


def test_a_folder_stands_for_its_experiment(
    tmp_path: Path, heterosis: Heterosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "project", TINY, "experiment.toml")
    assert load_experiment(tmp_path / "project").name == "tiny"
    monkeypatch.chdir(tmp_path / "project")
    assert heterosis("plan", "--no-measure").code == 0
    monkeypatch.chdir(tmp_path)
    ended = heterosis("plan", "--no-measure")
    assert ended.code == 2
    assert "has no experiment.toml" in ended.err
    assert "heterosis new DIR" in ended.err
