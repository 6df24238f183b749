from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.statistics.merging import damage, mended


def mating(
    arm: str, align: str, child: int, loss: float, parents: str = "0 1"
) -> dict[str, object]:
    return {
        "trial": 0,
        "arm": arm,
        "halt": 0,
        "epoch": 4,
        "child": child,
        "parents": parents,
        "crossover": "mean",
        "align": align,
        "parents_fitness": 0.01,  # a training loss, where that is the fitness
        "child_val_loss": loss,
        "barrier_raw": 1.0,
        "barrier_aligned": 0.2,
        "distance_raw": 1.0,
        "distance_aligned": 0.8,
    }


def members() -> pd.DataFrame:
    rows = [
        {"trial": 0, "arm": arm, "last_epoch": epoch, "member": member, "val_loss": loss + worse}
        for arm in ("bare", "aligned", "clone")
        for epoch, worse in ((4, 0.0), (8, 9.0))
        for member, loss in enumerate((0.2, 0.4, 7.0))
    ]
    return pd.DataFrame(rows)


def test_damage_is_the_childs_loss_over_its_parents_and_each_merge_counts_once() -> None:
    rows = [mating("bare", "none", child, 1.3) for child in range(3)]
    (row,) = damage(pd.DataFrame(rows), members()).to_dict("records")
    assert row["n"] == 1
    assert row["damage"] == pytest.approx(1.0)


def test_a_single_parent_is_no_merge() -> None:
    assert damage(pd.DataFrame([mating("clone", "none", 0, 1.3, parents="2")]), members()).empty


def test_mended_is_the_share_that_alignment_takes_away() -> None:
    table = damage(
        pd.DataFrame([mating("bare", "none", 0, 1.3), mating("aligned", "weights", 0, 0.55)]),
        members(),
    )
    (row,) = mended(table).to_dict("records")
    assert row["mended"] == pytest.approx(0.75)


def test_where_nothing_hurt_nothing_is_mended() -> None:
    table = damage(
        pd.DataFrame([mating("bare", "none", 0, 0.25), mating("aligned", "weights", 0, 0.2)]),
        members(),
    )
    assert math.isnan(mended(table)["mended"].item())
