"""Parents -> one network: aligned, crossed, repaired, measured anew; without a model of Keras."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from apps.breeding.merge import align_parents, merge, restored
from apps.errors import UserError
from apps.genetics.permutation import PermutationSpec, Segment, permute
from apps.genetics.repair import UnitLayer, moments
from apps.messages.specs import CrossoverSpec
from apps.messages.tasks import Workplace
from apps.seeds import Address

UNITS = (Segment(3, "h"),)
SPEC = PermutationSpec({"in": ((), UNITS), "bias": (UNITS,), "out": (UNITS, ())})
LAYERS = (UnitLayer("in", 1, "bias"), UnitLayer("out", 1, "out_bias"))
ADDRESS, PLACE = Address(5, 0, 1), Workplace(".")
NONE = CrossoverSpec("mean", {}, "none", False)


class Measures:
    """What a merge measures: it counts what it is asked for."""

    def __init__(self, spec: PermutationSpec | None) -> None:
        self.refreshed_networks = 0
        self.asked = 0
        self.passes: list[int] = []
        self.unit_layers = LAYERS
        self._spec = spec

    @property
    def spec(self) -> PermutationSpec | None:
        self.asked += 1
        return self._spec

    def refreshed(self, weights: Any) -> Any:
        self.refreshed_networks += 1
        return weights

    def moments(self, weights: Any, layers: Any) -> Any:
        self.passes.append(len(layers))
        # What a layer gives depends on the layer before, as in a network.
        before = {"in": 1.0, "out": float(weights["in"].std())}
        return [
            moments(weights[each.kernel] * before[each.kernel] + weights[each.bias])
            for each in layers
        ]

    def activations(self, weights: Any) -> Any:
        return {"h": weights["in"]}


def trainer_of(spec: PermutationSpec | None = SPEC) -> Any:
    member = SimpleNamespace(statistics=frozenset())
    return SimpleNamespace(member=member, measures=Measures(spec))


def parents() -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    shapes = {"in": (20, 3), "bias": (3,), "out": (3, 2)}
    one = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return one, permute(one, SPEC, {"h": np.array([2, 0, 1])})


def equal(one: Any, other: Any) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("how", ["weights", "activations"])
def test_an_aligned_copy_is_the_first_again(how: str) -> None:
    one, other = parents()
    first, second = align_parents(trainer_of(), [one, other], how, ADDRESS)
    assert first is one
    assert equal(second, one)


def test_parents_that_are_not_aligned_are_as_they_were() -> None:
    trainer = trainer_of()
    one, other = parents()
    assert align_parents(trainer, [one, other], "none", ADDRESS) == [one, other]
    assert align_parents(trainer, [one], "weights", ADDRESS) == [one]
    assert trainer.measures.asked == 0


def test_the_mean_of_aligned_copies_is_the_network() -> None:
    one, other = parents()
    spec = CrossoverSpec("mean", {}, "weights", False)
    made = merge(trainer_of(), [one, other], [0.1, 0.2], spec, ADDRESS, PLACE, 0)
    assert all(np.allclose(made[name], one[name]) for name in one)
    plain = merge(trainer_of(), [one, other], [0.1, 0.2], NONE, ADDRESS, PLACE, 0)
    assert all(np.allclose(plain[name], (one[name] + other[name]) / 2) for name in one)


def test_statistics_are_measured_anew_of_several_parents_only() -> None:
    one, other = parents()
    trainer = trainer_of()
    assert restored(trainer, one, [one], repair=True) is one
    assert trainer.measures.refreshed_networks == 0
    restored(trainer, one, [one, other], repair=False)
    assert trainer.measures.refreshed_networks == 1


def test_a_repair_sees_each_parent_once_and_the_merge_once_a_layer() -> None:
    rng = np.random.default_rng(1)
    shapes = {"in": (20, 3), "bias": (3,), "out": (3, 2), "out_bias": (2,)}
    *mated, merged = ({name: rng.normal(size=of) for name, of in shapes.items()} for _ in range(4))
    trainer = trainer_of()
    made = restored(trainer, merged, mated, repair=True)
    assert trainer.measures.passes == [2, 2, 2, 1, 1]
    for layer in LAYERS:
        (found,) = trainer.measures.moments(made, [layer])
        wanted = [trainer.measures.moments(each, [layer])[0] for each in mated]
        assert np.allclose(found.mean, np.mean([each.mean for each in wanted], axis=0))
        assert np.allclose(found.std, np.mean([each.std for each in wanted], axis=0))


def test_only_an_operator_that_asks_for_them_needs_the_symmetries() -> None:
    trainer = trainer_of(None)
    merge(trainer, list(parents()), [0.1, 0.2], NONE, ADDRESS, PLACE, 0)
    assert trainer.measures.asked == 0
    asking = CrossoverSpec("unit", {}, "none", False)
    with_spec = trainer_of()
    merge(with_spec, list(parents()), [0.1, 0.2], asking, ADDRESS, PLACE, 0)
    assert with_spec.measures.asked == 1


def test_the_same_address_gives_the_same_network() -> None:
    spec = CrossoverSpec("random", {}, "none", False)

    def made(address: Address) -> Any:
        return merge(trainer_of(), list(parents()), [0.1, 0.2], spec, address, PLACE, 0)

    assert equal(made(ADDRESS), made(ADDRESS))
    assert not equal(made(ADDRESS), made(Address(5, 0, 2)))


def test_an_operator_that_is_not_known_is_named() -> None:
    spec = CrossoverSpec("meen", {}, "none", False)
    with pytest.raises(UserError, match="did you mean 'mean'"):
        merge(trainer_of(), list(parents()), [0.1, 0.2], spec, ADDRESS, PLACE, 0)
