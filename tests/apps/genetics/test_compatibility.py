"""The distance of genomes: its formula, and which genes count."""

from __future__ import annotations

import math

import pytest

from apps.genetics.compatibility import distances
from apps.genetics.errors import GeneticsError
from tests.support.spaces import GENOME, SPACE

BOTH = ("network", "optimizer")


def distance(space, a, b, *targets) -> float:
    return float(distances(space, [a], [b], *targets)[0, 0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"dropout": 0.5}, 0.5),
        ({"pool": 5}, 0.5),
        ({"pooling": "mean"}, 1.0),
        ({"layers": 3, "units": [64, 32, 32]}, 1 / 2 + 1 / 3),
        ({"layers": 1, "units": [64]}, 1 / 2 + 1 / 2),
        ({"units": [64, 256]}, math.log(256 / 32) / math.log(256 / 16) / 2),
        ({"learning_rate": 0.1}, 0.0),
    ],
)
def test_distance_follows_its_formula(change, expected):
    assert distance(SPACE, GENOME, GENOME | change) == pytest.approx(expected / 5)


def test_a_gene_of_one_genome_only_is_at_distance_one():
    off = {name: value for name, value in GENOME.items() if name != "pool"} | {"pooling": "none"}
    assert distance(SPACE, GENOME, off) == pytest.approx(2 / 5)
    assert distance(SPACE, off, off | {"dropout": 0.5}) == pytest.approx(0.5 / 4)


def test_the_optimizers_genes_count_if_asked():
    other = GENOME | {"learning_rate": 0.1}
    assert distance(SPACE, GENOME, other, ("optimizer",)) == pytest.approx(2 / 3)
    assert distance(SPACE, GENOME, other, BOTH) == pytest.approx(2 / 3 / 6)


@pytest.mark.parametrize("targets", ["network", ("networks",)])
def test_targets_are_checked(targets):
    with pytest.raises(GeneticsError, match="targets must be some of"):
        distance(SPACE, GENOME, GENOME, targets)
