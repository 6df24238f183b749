"""A dry run says what a run will do."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from apps.messages.results import Cost
from apps.messages.tasks import Workplace
from apps.records.result_files import save_result
from tests.support.experiments import arms, load, trained
from tests.workflow.conftest import Heterosis
from workflow.driver.trial import build_trial
from workflow.experiment.file import READY, load_experiment
from workflow.preflight.plan import describe_plan, longest_segment_s

NOWHERE = Workplace(root="")


def numbers(text: str, pattern: str) -> list[int]:
    found = re.search(pattern, text)
    assert found is not None, text
    return [int(number) for number in found.groups()]


@pytest.mark.parametrize("name", sorted(path.stem for path in READY.glob("*.toml")))
def test_the_numbers_are_those_of_the_graph(name: str) -> None:
    experiment = load_experiment(READY / f"{name}.toml")
    text = describe_plan(experiment, NOWHERE, workers=2, measure=False)
    graphs = [build_trial(experiment, trial) for trial in range(experiment.trials)]
    segments = [each for graph in graphs for own in graph.segments.values() for each in own]
    alone = sum(node.task.network_epochs for each in segments for node in each.members)
    assert numbers(text, r"tasks: (\d+) \((\d+) of training\)") == [
        sum(len(graph.nodes) for graph in graphs),
        sum(len(graph.training) for graph in graphs),
    ]
    assert numbers(text, r"network-epochs: (\d+) with shared segments, (\d+) without") == [
        sum(graph.network_epochs for graph in graphs),
        alone,
    ]


def test_the_plan_of_quick_tells_the_trial_in_words(heterosis: Heterosis, tmp_path: Path) -> None:
    ended = heterosis("plan", "quick", "--no-measure")
    assert ended.code == 0
    assert ended.err == ""
    assert "experiment quick: 3 trials x 5 arms x 4 networks x 6 epochs" in ended.out
    assert "network-epochs: 216 with shared segments, 360 without" in ended.out
    for line in (
        "    4 networks, epochs 1 to 3, computed once with control",
        "    halt after epoch 3: each goes on from its own weights, fresh optimiser",
        "    the network with the lowest val_loss is the champion",
    ):
        assert line in ended.out.splitlines()
    assert re.search(r"halt after epoch 3: .*2 by val_loss, crossover random, 4 child", ended.out)


def test_the_plan_of_a_search_says_how_much_mutates() -> None:
    experiment = load_experiment(READY / "search_mlp.toml")
    text = describe_plan(experiment, NOWHERE, workers=2, measure=False)
    assert "genes of all parents, each mutated with probability 0.1, at least one" in text
    assert "none mutated, start from" in text


def test_weights_of_classes_and_the_metric_that_chooses_are_told(tmp_path: Path) -> None:
    asked = {"training.metrics": '["auc"]', "training.fitness": "val_auc"}
    settings = [f"{key}={value}" for key, value in asked.items()]
    for weights, told in (
        ('"balanced"', "training loss: every class has the same share"),
        ("{ 0 = 1, 3 = 2.5 }", "a sample counts 1 for class 0, 2.5 for class 3, 1 for any other"),
    ):
        experiment = load(tmp_path, *settings, f"training.class_weight={weights}")
        text = describe_plan(experiment, NOWHERE, workers=2, measure=False)
        assert told in text
        assert "the network with the highest val_auc is the champion" in text
        assert "truncation of 2 by val_auc" in text
    assert "training loss:" not in describe_plan(load(tmp_path), NOWHERE, 2, measure=False)


def test_a_plan_writes_nothing(
    heterosis: Heterosis, tmp_path: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert heterosis("plan", tiny_file, "--no-measure").code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("wall_s", "earlier_epochs"), [(10.0, 0), (5.0, 1)])
def test_the_longest_segment_has_the_time_of_all_its_epochs(
    wall_s: float, earlier_epochs: int, tmp_path: Path
) -> None:
    experiment = load(tmp_path / "file", arms=arms("control", "restart"))
    place = Workplace(root=str(tmp_path / "run"))
    assert longest_segment_s(experiment, place) is None
    first = build_trial(experiment, 0).training[0]
    assert first.last_epoch - first.first_epoch == 2
    cost = Cost(wall_s=wall_s, earlier_epochs=earlier_epochs)
    result = replace(trained(0, 1.0, epochs=2), cost=cost)
    (tmp_path / "run" / first.folder).mkdir(parents=True)
    save_result(tmp_path / "run" / first.folder, result)
    assert longest_segment_s(experiment, place) == 1.5 * 2 * 5.0


def test_a_measured_plan_estimates_time_and_disk(tmp_path: Path) -> None:
    text = describe_plan(load(tmp_path), NOWHERE, workers=2, measure=True)
    assert re.search(r"time: about \d+:\d\d on 2 workers", text)
    assert re.search(r"disk: \d+ MB at the end, never more than \d+ MB", text)
    assert "do not shorten" not in text
    many = describe_plan(load(tmp_path), NOWHERE, workers=1000, measure=True)
    assert "1000 workers like this machine's cores, as long as its longest arm: more" in many
