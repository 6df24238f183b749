"""What is meant to vary and does not is remarked on before a run begins; nothing is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.breeding import offspring
from apps.messages.specs import CrossoverSpec, NetworkSpec, OperatorSpec
from apps.messages.tasks import Workplace
from apps.networks.build import named_weights
from apps.preflight.rehearsal import rehearse
from tests.apps.preflight.test_rehearsal import halt, task
from tests.support.small import PLAIN

HERE = "tests.apps.preflight.test_variation"
ALIKE = "gives the same first weights for every seed: all members of all trials begin as one"


def seeded(input_shape: Any, classes: int, how: str) -> Any:
    """A builder that seeds the whole process, all layers, one layer, or none."""
    import keras

    if how == "global":
        keras.utils.set_random_seed(42)
    initial = keras.initializers.GlorotUniform
    first = initial(seed=1 if how in ("layers", "first") else None)
    last = initial(seed=2 if how == "layers" else None)
    recurrent = [keras.layers.Flatten()]
    if how == "recurrent":  # its bias is zeros and ones, and is not drawn
        recurrent = [keras.layers.Reshape((28, 28)), keras.layers.LSTM(3)]
    return keras.Sequential(
        [
            keras.layers.Input(input_shape),
            *recurrent,
            keras.layers.Dense(4, activation="relu", kernel_initializer=first),
            keras.layers.Dense(classes, activation="softmax", kernel_initializer=last),
        ]
    )


def nameless(input_shape: Any, classes: int) -> Any:
    """A network with layers whose arrays have no names."""
    import keras

    @keras.saving.register_keras_serializable("variation")
    class Nameless(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.gain = self.add_weight(shape=(shape[-1],), initializer="ones")
            self.shift = self.add_weight(shape=(shape[-1],), initializer="zeros")

        def call(self, x: Any) -> Any:
            return x * self.gain + self.shift

    layers = [keras.layers.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(4)]
    last = keras.layers.Dense(classes, activation="softmax")
    return keras.Sequential([*layers, Nameless(), Nameless(), last])


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path / "nowhere"))


def remarks(place: Workplace, how: str) -> tuple[str, ...]:
    return rehearse([task(NetworkSpec(f"{HERE}:seeded", {"how": how}))], [], [], place)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("global", "sets the seed 42 for all that Keras draws, which does not count"),
        ("layers", ALIKE),
    ],
)
def test_a_builder_with_a_seed_of_its_own_is_told(place: Workplace, how: str, told: str) -> None:
    (remark,) = remarks(place, how)
    assert told in remark


def test_a_part_of_a_network_that_begins_alike_is_told(place: Workplace) -> None:
    (remark,) = remarks(place, "first")
    assert "gives 1 of 2 arrays of first weights the same numbers for every seed" in remark
    assert "'dense/kernel' is one" in remark


@pytest.mark.parametrize("how", ["none", "recurrent"])
def test_of_a_network_that_varies_nothing_is_said(place: Workplace, how: str) -> None:
    assert remarks(place, how) == ()


@pytest.mark.parametrize(("scale", "told_so"), [(0.0, True), (0.05, False)])
def test_a_mutation_that_changes_nothing_is_told(
    place: Workplace, scale: float, told_so: bool
) -> None:
    first = task()
    mutation = OperatorSpec("gaussian", {"scale": scale})
    found = rehearse([first], [halt(first, mutation=mutation, first_unmutated=False)], [], place)
    assert len(found) == told_so
    assert all(
        each.startswith("arms.mean, halt after epoch 2: mutation 'gaussian'") for each in found
    )


def in_place(rng: Any, weights: Any, **_: Any) -> Any:
    """A mutation that changes the network that it is given."""
    for array in weights.values():
        array += 1
    return weights


def test_a_rehearsed_child_is_bred_once(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a mutation that changes what it is given has acted."""
    first, merges = task(), []
    made = offspring.merge
    monkeypatch.setattr(offspring, "merge", lambda *given: merges.append(given) or made(*given))
    for mutation in (OperatorSpec(f"{HERE}:in_place"), OperatorSpec("gaussian", {"scale": 0.05})):
        merges.clear()
        halts = [halt(first, mutation=mutation, first_unmutated=False)]
        assert rehearse([first], halts, [], place) == ()
        assert len(merges) == 1


def test_a_crossover_that_can_choose_no_unit_is_told(place: Workplace) -> None:
    networks = (
        (PLAIN, False),
        (NetworkSpec("tests.benchmarks.networks:two_convolutions"), False),
        (NetworkSpec("tests.benchmarks.networks:one_lstm"), True),
        (NetworkSpec("tests.benchmarks.networks:two_grus"), True),
    )
    for network, told in networks:
        first = task(network)
        crossover = CrossoverSpec("select")
        found = rehearse([first], [halt(first, crossover, measure=False)], [], place)
        said = [each for each in found if "'select' chooses no units in this network" in each]
        assert len(said) == told, network


def test_arrays_without_names_are_the_same_in_every_network(place: Workplace) -> None:
    first = task(NetworkSpec(f"{HERE}:nameless"))
    assert rehearse([first], [halt(first)], [], place) == ()
    names = [list(named_weights(nameless((28, 28), 3))) for _ in range(2)]
    assert names[0] == names[1]
    assert names[0][2:6] == [
        "nameless/variable",
        "nameless/variable:2",
        "nameless_1/variable",
        "nameless_1/variable:2",
    ]
