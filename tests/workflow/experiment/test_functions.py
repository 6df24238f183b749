"""Functions that stand in an experiment as themselves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from apps.datasets import arrays
from apps.errors import UserError
from workflow.experiment.config import Experiment
from workflow.experiment.functions import by_name
from workflow.experiment.space import as_space


def experiment(**network: Any) -> Experiment:
    return Experiment(
        name="tiny",
        population=2,
        network=network,
        training={"epochs": 2},
        arms=[{"name": "control"}, {"name": "own", "halts": [1], "mutation": as_space}],
    )


def test_they_are_what_a_file_would_name() -> None:
    made = experiment(builder=as_space)
    assert made.network.builder == "workflow.experiment.space:as_space"
    assert made.arms[1].halts[0].mutation.name == "workflow.experiment.space:as_space"
    assert made == experiment(builder="workflow.experiment.space:as_space")
    assert by_name({"metrics": [arrays.Samples]}) == {"metrics": ["apps.datasets.arrays:Samples"]}


def test_one_among_the_values_that_a_function_is_given_is_refused() -> None:
    with pytest.raises(UserError, match=r"network\.params\.width = .*valid JSON"):
        experiment(builder=as_space, params={"width": as_space})


def local() -> Callable[[], None]:
    def inside() -> None: ...

    return inside


@pytest.mark.parametrize("value", [lambda: 1, local(), partial(as_space)])
def test_one_that_no_worker_could_import_is_refused(value: object) -> None:
    with pytest.raises(UserError, match=r"^network\.builder: .* cannot be imported by a worker"):
        experiment(builder=value)


def test_one_of_the_program_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "__module__", "__main__")
    with pytest.raises(UserError, match="%%writefile"):
        experiment(builder=local)
