"""A rehearsal in a process of its own tells what one in this process does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.errors import HeterosisError, UserError
from tests.support.experiments import arms, changed
from tests.support.rehearsed import network, prepared
from workflow.preflight.rehearse import rehearse_apart


def apart(folder: Path, table: dict[str, Any]) -> tuple[str, ...]:
    return rehearse_apart(*prepared(folder, table))


@pytest.mark.slow
def test_in_a_process_of_its_own_a_good_experiment_passes(tmp_path: Path) -> None:
    assert apart(tmp_path, changed(arms=arms("control", "mean"))) == ()


@pytest.mark.slow
def test_remarks_come_out_of_a_process_of_its_own(tmp_path: Path) -> None:
    table = network(builder="own:fixed") | {"arms": arms("control")}
    (remark,) = apart(tmp_path, table)
    assert "gives the same first weights for every seed" in remark


def test_in_a_process_of_its_own_a_mistake_is_the_same_error(tmp_path: Path) -> None:
    """It is one that needs no TensorFlow to be seen."""
    data = changed()["data"] | {"validation": 5}
    with pytest.raises(UserError, match=r"tiny\.toml: data\.validation: 5 held-out") as seen:
        apart(tmp_path, changed(data=data))
    assert seen.value.code == "data-split"


def test_a_process_that_ends_without_an_answer_is_told(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("import os\n\n\ndef data():\n    os._exit(3)\n")
    with pytest.raises(HeterosisError, match="ended with exit code 3 and no answer") as seen:
        apart(tmp_path, changed(data={"name": "ends:data"}))
    assert seen.value.code == "rehearsal"
