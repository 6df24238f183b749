"""`TASK` trained in one go, and half of it: once for each file of tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.messages.results import TrainResult
from apps.messages.tasks import Workplace
from apps.tasks.train import train_member
from tests.support.one_task import TASK, performed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def whole(place: Workplace) -> TrainResult:
    """Four epochs in one go."""
    return performed(TASK, place)


@pytest.fixture(scope="module")
def first(place: Workplace) -> TrainResult:
    """The first two of them."""
    return train_member(replace(TASK, last_epoch=2, folder="first"), place)
