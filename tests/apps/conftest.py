"""What the tests of the worker's side have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.training import trainer


@pytest.fixture(scope="session", autouse=True)
def _keep_programs() -> Iterator[None]:
    # Compiling takes seconds, and all tests together use more networks than a run does.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "_TRAINERS_A_THREAD", 12)
        yield
