"""Targets [n] against outputs [n, 1] and the like: as meant, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.errors import UserError
from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.training.trainer import Trainer, new_trainer
from tests.support.small import SEED

HERE = "tests.support.target_shapes"


def trainer_of(
    path: Path,
    target: list[int],
    output: list[int],
    loss: str = "mse",
    metrics: Any = ("mse",),
    data: str = "arrays",
) -> Trainer:
    return new_trainer(
        DataSpec(f"{HERE}:{data}", {"shape": target}),
        NetworkSpec(f"{HERE}:net", {"shape": output}),
        TrainingSpec(20, "sgd", loss=loss, metrics=metrics),
        SEED,
        Workplace(str(path)),
    )


SHAPES = [([], [1]), ([1], []), ([], [1, 1]), ([5], [5, 1]), ([5, 1], [5])]


@pytest.mark.parametrize(("target", "output"), SHAPES, ids=str)
@pytest.mark.parametrize("own", ["squared", "mean_squared"])
def test_a_metric_of_ones_own_compares_each_sample_with_itself(
    target: list[int], output: list[int], own: str, tmp_path: Path
) -> None:
    trainer = trainer_of(tmp_path, target, output, metrics=("mse", f"{HERE}:{own}"))
    found = trainer.evaluate("test")
    assert found[own] == pytest.approx(found["mse"], rel=1e-5)
    assert found["loss"] == pytest.approx(found["mse"], rel=1e-5)
    trained = trainer.run_epoch(np.arange(40))
    assert trained[own] == pytest.approx(trained["mse"], rel=1e-5)
    (remark,) = trainer.remarks
    assert f"were taken as {str(['n', *output]).replace(chr(39), '')}" in remark


def test_a_loss_of_ones_own_compares_each_sample_with_itself(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, [1], [], f"{HERE}:Squared", ("mse",))
    found = trainer.evaluate("test")
    assert found["loss"] == pytest.approx(found["mse"], rel=1e-5)


@pytest.mark.parametrize("metrics", [("mse",), ("mse", f"{HERE}:knows_its_shapes")])
def test_targets_stay_where_nothing_compares_all_pairs(metrics: Any, tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, [], [1], metrics=metrics)
    assert trainer.remarks == []
    found = trainer.evaluate("test")
    for each in metrics:
        assert found[each.rpartition(":")[2]] == pytest.approx(found["loss"], rel=1e-5)


def test_a_loss_of_pairs_stays_as_it_is(tmp_path: Path) -> None:
    assert trainer_of(tmp_path, [1], [1], f"{HERE}:ranking").remarks == []
    assert trainer_of(tmp_path, [], [1], f"{HERE}:ranking").remarks == []


def test_metrics_that_want_different_targets_are_refused(tmp_path: Path) -> None:
    both = (f"{HERE}:squared", f"{HERE}:knows_its_shapes")
    with pytest.raises(UserError, match=r"takes targets \[n\] and another \[n, 1\]"):
        trainer_of(tmp_path, [], [1], metrics=both)


def test_a_metric_that_refuses_the_targets_gets_the_shape_it_wants(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, [], [1], metrics=("mse", f"{HERE}:strict"))
    found = trainer.evaluate("test")
    assert found["strict"] == pytest.approx(found["mse"], rel=1e-5)


@pytest.mark.parametrize(("target", "output"), [([], [3]), ([1], [3]), ([3], [1]), ([], [2])])
def test_one_number_is_not_repeated_for_several(
    target: list[int], output: list[int], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="compares number with number: Keras would repeat"):
        trainer_of(tmp_path, target, output)


def test_a_loss_of_ones_own_may_compare_one_with_several(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, [1], [3], f"{HERE}:quantiles", ())
    assert np.isfinite(trainer.evaluate("test")["loss"])


def test_batches_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"targets have the shape \[n\] .* where the batches are"):
        trainer_of(tmp_path, [], [1], metrics=(f"{HERE}:squared",), data="streamed")
    assert trainer_of(tmp_path, [], [1], metrics=("mse",), data="streamed").evaluate("test")


@pytest.mark.parametrize("network", ["listed", "named"])
def test_one_of_several_outputs_is_made_right(network: str, tmp_path: Path) -> None:
    losses = {"one": "mse", "two": "mse"}
    trainer = new_trainer(
        DataSpec(f"{HERE}:by_name"),
        NetworkSpec(f"{HERE}:{network}"),
        TrainingSpec(16, "sgd", loss=losses, metrics={"one": (f"{HERE}:squared",), "two": ()}),
        SEED,
        Workplace(str(tmp_path)),
    )
    found = trainer.evaluate("test")
    assert found["one_squared"] == pytest.approx(found["one_loss"], rel=1e-5)
    assert "targets of 'one' [n] were taken as [n, 1]" in trainer.remarks[0]
