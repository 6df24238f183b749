"""A champion's line of descent, trained again alone, ends at the same bytes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from apps.errors import UserError
from apps.messages.results import HarvestResult
from apps.messages.tasks import Workplace
from apps.records.checkpoints import load_checkpoint, save_checkpoint
from apps.records.run_dir import RunDir
from tests.support.experiments import FOLDER, Ran, changed, copied, drive, write
from tests.support.searches import SEARCH, search_made_once
from tests.workflow.conftest import Heterosis
from workflow.experiment.config import Experiment
from workflow.experiment.file import load_experiment
from workflow.runs.lock import only_driver
from workflow.runs.replay import Replayed, replay

KINDS: Final = changed(
    trials=1,
    arms=[
        {"name": "control"},
        {"name": "restart", "halts": [0.5], "mating": "self"},
        {"name": "mean", "halts": [1, 3], "crossover": "mean", "align": "weights"},
        {"name": "random", "halts": [1, 3], "crossover": "random", "optimizer": "own"},
        {"name": "average", "halts": [0.5], "mating": "pairs", "optimizer": "average"},
        {"name": "species", "halts": [1, 2], "mating": "species", "parents": 2},
        {"name": "merged", "halts": [3], "parents": 1, "harvest": "mean"},
        {"name": "soup", "halts": [0.5], "parents": 1, "harvest": "greedy"},
        {"name": "path", "halts": [0.5], "average": "swa"},
    ],
)
"""What a line of descent can go through, in small."""

Driven = tuple[Ran, Experiment, RunDir]


def driven(table: dict[str, Any], folder: Path) -> Driven:
    experiment = load_experiment(write(folder / "file", table))
    return drive(experiment, folder / "run"), experiment, RunDir(folder / "run")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Driven:
    return driven(KINDS, tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Driven:
    folder = tmp_path_factory.mktemp("search")
    shutil.copytree(search_made_once(tmp_path_factory), folder / "run")
    return driven(SEARCH, folder)


def replayed(of: Driven, arm: str) -> tuple[Replayed, list[str]]:
    _, experiment, run = of
    lines: list[str] = []
    place = Workplace(root=str(run.root), search_path=str(FOLDER))
    return replay(run, experiment, 0, arm, place, lines.append), lines


def contents(root: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "replay" not in path.relative_to(root).parts
    }


def check(of: Driven, arm: str) -> None:
    ran, _, run = of
    before = contents(run.root)
    found, lines = replayed(of, arm)
    assert found == Replayed(found.networks, True, "", 0.0, {})
    assert contents(run.root) == before
    assert len(lines) == found.networks == len({*run.replay.rglob("segment-*/member-*")})
    assert all("the same bytes" in line for line in lines)
    trained = [
        node for node in ran.outcomes.graphs[0].nodes.values() if "member" in node.task.folder
    ]
    assert found.networks < len(trained)


@pytest.mark.parametrize("arm", [arm["name"] for arm in KINDS["arms"]])
def test_a_line_of_descent_ends_at_the_same_bytes(arm: str, kinds: Driven) -> None:
    check(kinds, arm)


@pytest.mark.slow
@pytest.mark.parametrize("arm", [arm["name"] for arm in SEARCH["arms"]])
def test_so_does_that_of_a_search(arm: str, search: Driven) -> None:
    check(search, arm)


def test_merges_at_the_end_are_among_what_is_tested(kinds: Driven) -> None:
    ran, _, _ = kinds
    graph = ran.outcomes.graphs[0]
    methods = {}
    for arm, harvest in graph.harvests.items():
        methods[arm] = ran.outcomes.result(harvest, HarvestResult).method
    assert (methods["merged"], methods["soup"]) == ("mean", "greedy")


def test_of_the_control_only_its_best_network_is_trained(kinds: Driven) -> None:
    found, lines = replayed(kinds, "control")
    # Arms that depart later share its first epochs: they are stretches of one network.
    assert len({line.split("/")[-1].split(":")[0] for line in lines}) == 1
    assert found.networks == len(lines)


def test_other_numbers_are_told_with_the_largest_difference(
    kinds: Driven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a processor of another kind: here, because the run's record says something else."""
    ran, experiment, run = kinds
    root = copied(run.root, tmp_path)
    harvest = ran.outcomes.graphs[0].harvests["mean"]
    result = ran.outcomes.result(harvest, HarvestResult)
    path = root / result.checkpoint.path
    state = load_checkpoint(path)
    name, array = next(iter(state.weights.items()))
    moved = array.copy()
    moved.flat[0] += 0.5
    digest = save_checkpoint(path, replace(state, weights={**state.weights, name: moved}))
    for file in {
        path.with_name("result.json"),
        root / harvest.task.folder / "result.json",
    }:
        record = json.loads(file.read_text())
        record["checkpoint"]["sha256"] = digest
        record["final"]["val_loss"] += 1.0
        file.write_text(json.dumps(record))
    found, lines = replayed((ran, experiment, RunDir(root)), "mean")
    assert not found.identical
    assert found.array == name
    assert found.difference == pytest.approx(0.5, rel=1e-5)
    assert list(found.metrics) == ["val_loss"]
    assert lines[-1].endswith("differs")


def test_a_missing_record_is_named(kinds: Driven, tmp_path: Path) -> None:
    ran, experiment, run = kinds
    root = copied(run.root, tmp_path)
    lost = root / "trial-000/mean/halt-0/result.json"
    lost.unlink()
    with pytest.raises(UserError, match="halt-0: its record is needed"):
        replayed((ran, experiment, RunDir(root)), "mean")


def test_replay_says_that_the_weights_are_the_same(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    for _ in range(2):
        ended = heterosis("replay", root)
        assert (ended.code, ended.err) == (0, "")
        assert "the champion's weights are bit-identical" in ended.out


def test_replay_of_another_ending_has_code_1(
    finished: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(finished, tmp_path)
    card = json.loads((RunDir(root).champion / "card.json").read_text())
    folder = f"trial-{card['trial']:03d}/{card['arm']}/harvest"
    file = root / folder / "result.json"
    record = json.loads(file.read_text())
    (root / record["checkpoint"]["path"]).unlink()
    record["checkpoint"]["sha256"] = "0" * 64
    record["final"]["test_loss"] += 1.0
    file.write_text(json.dumps(record))
    ended = heterosis("replay", root)
    assert (ended.code, ended.err) == (1, "")
    assert "the champion differs" in ended.out
    assert "test_loss: recorded " in ended.out


def test_replay_waits_for_no_driver(finished: Path, tmp_path: Path, heterosis: Heterosis) -> None:
    root = copied(finished, tmp_path)
    with only_driver(RunDir(root).lock):
        ended = heterosis("replay", root)
    assert ended.code == 2
    assert "another driver works on this run" in ended.err
    assert not RunDir(root).replay.exists()
