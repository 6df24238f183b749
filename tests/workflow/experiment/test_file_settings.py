"""`--set` changes a value of the file, or one line says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.errors import UserError
from tests.support.experiments import load


def test_set_replaces_values_of_all_kinds(tmp_path: Path) -> None:
    experiment = load(
        tmp_path,
        "training.epochs=8",
        "training.fitness=loss",
        "arms.mean.parents=3",
        "arms.3.crossover=mean",
        "arms.twice.halts=[0.25, 6]",
        "network.params.units=2",
        "data.train_limit=50",
    )
    by_name = {arm.name: arm for arm in experiment.arms}
    assert experiment.training.epochs == 8
    assert experiment.training.fitness == "loss"
    assert by_name["mean"].halts[0].parents == 3
    assert by_name["random"].halts[0].crossover.name == "mean"
    assert [halt.at for halt in by_name["twice"].halts] == [2, 6]
    assert experiment.network.params == {"units": 2}
    assert experiment.data.train_limit == 50


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("training", "key=value"),
        ("=3", "key=value"),
        ("training.epochs=many", "training.epochs = 'many'"),
        ("training.epochs.x=3", "is not a table"),
        ("training.epochs.x.y=3", "below a plain value"),
        ("arms.men.parents=3", "no 'men' among"),
        ("arms.mean=3", "is not a table"),
        ("trails=3", "did you mean 'trials'"),
        ("seed=", "seed = ''"),
        ("seed=5\ntrials=7", "several lines"),
        ("name=one\ntwo", "several lines"),
        ("arms.mean.parents=0", "arms.mean.parents = 0"),
        (f"data.params.x={5000 * '['}{5000 * ']'}", "nested too deeply"),
    ],
)
def test_a_bad_setting_is_one_line(setting: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, setting)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
