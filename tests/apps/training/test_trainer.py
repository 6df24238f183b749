"""The fused epoch is what `keras.Model.fit` does; where it cannot be, `fit` is what runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from apps.datasets.load import load_dataset
from apps.errors import UserError
from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import Lesson, Workplace
from apps.networks.build import (
    assign,
    build,
    named_optimizer_states,
    named_random_states,
    named_weights,
    read,
)
from apps.records.checkpoints import Checkpoint
from apps.training import trainer as trainers
from apps.training.graph import Graph
from apps.training.threefry import threefry
from apps.training.trainer import Trainer, new_trainer, trainer_for
from tests.support.few_trainers import close, equal, fresh, orders, samples
from tests.support.small import ADAM, DATA, MOMENTUM, PLAIN, RICH, SEED, WHOLE_BATCHES, net

CASES = {
    "plain, whole batches": (PLAIN, WHOLE_BATCHES),
    "dropout and batch normalisation": (RICH, ADAM),
    "momentum, a user's model": (net("uncompiled"), MOMENTUM),
    "a user's compiled model": (net("compiled"), ADAM),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(str(tmp_path_factory.mktemp("run")))


# ----------------------------------------------------------------------- the same as Keras's fit
@dataclass(frozen=True)
class Trained:
    """What the fused loop made of a trainer, and what `fit` made of the same one."""

    trainer: Trainer
    metrics: list[dict[str, float]]
    state: Checkpoint
    model: Any
    expected_metrics: list[dict[str, float]]


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def trained(request: pytest.FixtureRequest, place: Workplace) -> Trained:
    network, training = request.param
    trainer = fresh(trainer_for(DATA, network, training, SEED, place))
    model = build(network, training, 3, {"input_shape": (28, 28), "classes": 10})
    assign(named_random_states(model), trainer.member.state().random)
    assert trainer.engine.engine == "xla"
    model.jit_compile = True  # its random bits are of its own
    x, y = samples("train")
    metrics, expected = [], []
    for order in orders():
        metrics.append(trainer.run_epoch(order))
        with threefry():
            history = model.fit(
                x[order], y[order], batch_size=training.batch_size, shuffle=False, verbose=0
            )
        expected.append({name: values[0] for name, values in history.history.items()})
    model.jit_compile = False  # evaluation draws nothing
    return Trained(trainer, metrics, trainer.member.state(), model, expected)


def test_it_was_fused(trained: Trained) -> None:
    assert trained.trainer.remarks == []


def test_metrics_are_those_of_fit(trained: Trained) -> None:
    for found, expected in zip(trained.metrics, trained.expected_metrics, strict=True):
        assert close(found, expected), (found, expected)


def test_weights_are_those_of_fit(trained: Trained) -> None:
    assert close(trained.state.weights, read(named_weights(trained.model)))
    start = trained.trainer.blueprint.initial_weights(3)
    moved = [not np.allclose(start[name], trained.state.weights[name]) for name in start]
    assert all(moved)


def test_optimiser_and_random_states_are_those_of_fit(trained: Trained) -> None:
    assert close(trained.state.optimizer, read(named_optimizer_states(trained.model)))
    states = read(named_random_states(trained.model))
    assert all(np.array_equal(trained.state.random[name], states[name]) for name in states)


def test_evaluation_is_that_of_keras_and_changes_nothing(trained: Trained) -> None:
    trained.trainer.member.load(trained.state, np.random.default_rng(5))
    for part in ("train", "validation", "test"):
        expected = trained.model.evaluate(*samples(part), verbose=0, return_dict=True)
        assert close(trained.trainer.evaluate(part), expected)
    assert equal(trained.trainer.member.state(), trained.state)


# ------------------------------------------------------------------------------ what is repeated
@pytest.fixture(scope="module")
def rich(place: Workplace) -> Trainer:
    return trainer_for(DATA, RICH, ADAM, SEED, place)


def run(trainer: Trainer, seed: int, epochs: int = 2) -> Checkpoint:
    fresh(trainer, seed)
    for order in orders(epochs):
        trainer.run_epoch(order)
        trainer.evaluate("validation")
    return trainer.member.state()


def test_the_order_of_the_samples_matters(rich: Trainer) -> None:
    """Otherwise the tests above would show less than they seem to."""
    states = []
    for order in (orders(1)[0], orders(2)[1]):
        fresh(rich).run_epoch(order)
        states.append(rich.member.state())
    assert not close(states[0].weights, states[1].weights)


def test_a_trainer_keeps_no_trace_of_a_learning_rate(place: Workplace) -> None:
    """Of training that names none, another's must not be left in: it is the optimiser's own."""
    rates = []
    for named in ({}, {"learning_rate": 0.5}, {}, {"learning_rate": 0.25}, {}):
        trainer = trainer_for(DATA, PLAIN, replace(ADAM, optimizer_params=named), SEED, place)
        trainer.rate.multiply(1.0)
        rates.append(float(trainer.model.optimizer.learning_rate.numpy()))
    assert rates == pytest.approx([0.001, 0.5, 0.001, 0.25, 0.001])


def test_a_trainer_keeps_no_trace_of_the_member_before(rich: Trainer) -> None:
    first = run(rich, 3)
    other = run(rich, 4)
    assert equal(run(rich, 3), first)
    assert not equal(other, first)


def test_random_layers_are_seeded_by_their_stream(rich: Trainer) -> None:
    states = []
    for seed in (1, 2, 1):
        rich.member.load(Checkpoint(rich.blueprint.initial_weights(3)), np.random.default_rng(seed))
        rich.run_epoch(orders(1)[0])
        states.append(rich.member.state())
    assert equal(states[0], states[2])
    assert not equal(states[0], states[1])
    assert states[0].random["000"][1] == 4, "each of the 4 steps drew once"


def test_a_state_is_a_copy(rich: Trainer) -> None:
    before = run(rich, 3)
    kept = {name: array.copy() for name, array in before.weights.items()}
    rich.run_epoch(orders(1)[0])
    assert all(np.array_equal(before.weights[name], kept[name]) for name in kept)


def test_statistics_are_the_arrays_that_are_not_learnt(rich: Trainer) -> None:
    assert rich.member.statistics == {"normalization/moving_mean", "normalization/moving_variance"}


def test_a_state_without_an_optimiser_starts_with_a_fresh_one(rich: Trainer) -> None:
    used = run(rich, 3)
    rich.member.load(Checkpoint(used.weights), np.random.default_rng(1))
    assert all(not np.any(array) for array in list(rich.member.state().optimizer.values())[2:])
    rich.member.load(used, np.random.default_rng(1))
    assert equal(rich.member.state(), used)


@pytest.mark.parametrize(("nbytes", "kept"), [(2**20, 32), (2**23, 16), (2**26, 6)])
def test_a_thread_finds_the_trainers_of_a_generation_again_and_few_that_are_large(
    nbytes: int, kept: int, rich: Trainer, place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stub:
        def __init__(self, *specs: Any) -> None:
            self.specs = specs
            self.nbytes = nbytes

    monkeypatch.setattr(trainers, "new_trainer", Stub)
    assert trainer_for(DATA, RICH, ADAM, SEED, place) is rich
    monkeypatch.setattr(trainers, "_local", trainers.threading.local())
    sizes = range(1, 41)
    made = [trainer_for(DATA, RICH, TrainingSpec(size), SEED, place) for size in sizes]
    found = [trainer_for(DATA, RICH, TrainingSpec(size), SEED, place) for size in sizes[-kept:]]
    assert found == made[-kept:]
    assert trainer_for(DATA, RICH, TrainingSpec(sizes[-kept - 1]), SEED, place) not in made
    assert trainer_for(DATA, RICH, TrainingSpec(sizes[-1]), SEED + 1, place) not in made


def test_a_trainer_knows_what_it_holds(rich: Trainer, place: Workplace) -> None:
    held = rich.member.state()
    states = [*held.optimizer.values()]
    numbers = sum(array.size for array in [*held.weights.values(), *states, *states])
    assert rich.nbytes == pytest.approx(4 * numbers, rel=0.01)
    trainer = trainer_for(DATA, RICH, ADAM, SEED, place, lesson=Lesson(0.5, 1.0))
    without = trainer.nbytes
    trainer.learn_from(np.zeros((100, 10), np.float32))
    assert trainer.nbytes == without + 2 * 4000


# --------------------------------------------------------------------------------- the fallback
def test_a_batch_may_be_larger_than_the_training_set(place: Workplace) -> None:
    network, training = net("uncompiled"), TrainingSpec(101, "sgd", {"learning_rate": 0.05})
    trainer = fresh(new_trainer(DATA, network, training, SEED, place))
    model = build(network, training, 3, {"input_shape": (28, 28), "classes": 10})
    x, y = samples("train")
    order = orders(1)[0]
    history = model.fit(x[order], y[order], batch_size=101, shuffle=False, verbose=0)
    assert close(
        trainer.run_epoch(order), {name: values[0] for name, values in history.history.items()}
    )
    assert close(trainer.member.weights(), read(named_weights(model)))
    assert trainer.remarks == []


FALLBACKS = {
    "python_in_training": "trained by a graph without XLA: InvalidArgumentError: .*PyFunc",
    "eager": "trained by keras.Model.fit: the model was compiled to run eagerly",
}


@pytest.fixture(scope="module")
def fused_numbers(place: Workplace) -> tuple[dict[str, float], dict[str, float], Checkpoint]:
    trainer = fresh(trainer_for(DATA, net("uncompiled"), MOMENTUM, SEED, place))
    return trainer.run_epoch(orders(1)[0]), trainer.evaluate("test"), trainer.member.state()


@pytest.mark.parametrize("name", FALLBACKS)
def test_what_xla_or_a_graph_cannot_do_is_done_otherwise_and_said(
    name: str,
    place: Workplace,
    fused_numbers: tuple[dict[str, float], dict[str, float], Checkpoint],
) -> None:
    training = ADAM if name == "eager" else MOMENTUM
    trainer = trainer_for(DATA, net(name), training, SEED, place)
    states = []
    for _ in range(2):
        fresh(trainer)
        trained, tested = trainer.run_epoch(orders(1)[0]), trainer.evaluate("test")
        states.append(trainer.member.state())
        assert close(trained, fused_numbers[0])
        assert close(tested, fused_numbers[1])
    assert equal(*states)
    assert close(states[0].weights, fused_numbers[2].weights)
    (remark,) = trainer.remarks
    assert re.match(FALLBACKS[name], remark, re.DOTALL)


def test_fit_does_what_no_graph_can(
    place: Workplace,
    fused_numbers: tuple[dict[str, float], dict[str, float], Checkpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = fresh(new_trainer(DATA, net("python_in_evaluation"), MOMENTUM, SEED, place))

    def fail(*_: object) -> None:
        raise ValueError("not in a loop")

    for work in ("train", "evaluate"):
        monkeypatch.setattr(Graph, work, fail)
    assert close(trainer.run_epoch(orders(1)[0]), fused_numbers[0])
    assert close(trainer.evaluate("test"), fused_numbers[1])
    assert trainer.engine.engine == "fit"
    assert trainer.remarks == [
        "trained by a graph without XLA: ValueError: not in a loop",
        "trained by keras.Model.fit, not fused: ValueError: not in a loop",
        "evaluated by keras.Model.evaluate, not fused: ValueError: not in a loop",
    ]


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()])
def test_what_says_nothing_about_the_model_is_no_reason_for_fit(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    trainer = fresh(new_trainer(DATA, net("uncompiled"), MOMENTUM, SEED, place))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Graph, "train", fail)
    with pytest.raises(type(error)):
        trainer.run_epoch(orders(1)[0])
    assert trainer.remarks == []


# ----------------------------------------------------------------------- network and data at odds
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((9,), "labels reach 9, and it has 9 outputs"),
        ((2, 10), "outputs (2, 10)"),
        ((), "outputs ()"),
    ],
)
def test_outputs_that_do_not_fit_the_labels_are_refused(
    place: Workplace, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(UserError, match=r"nets:outputs' and loss .* do not fit the data") as found:
        new_trainer(DATA, net("outputs", shape=list(shape)), ADAM, SEED, place)
    assert message in str(found.value)
    assert "targets () int32" in str(found.value)


def test_inputs_that_do_not_fit_the_network_are_refused(place: Workplace) -> None:
    network = NetworkSpec("two_layer_dense", {"input_shape": [28, 27]})
    with pytest.raises(UserError, match=r"takes inputs \(28, 27\), .* have \(28, 28\): give"):
        new_trainer(DATA, network, ADAM, SEED, place)


@pytest.mark.parametrize("library", ["keras", "tensorflow"])
def test_random_numbers_that_no_checkpoint_holds_are_refused(
    place: Workplace, library: str
) -> None:
    with pytest.raises(UserError, match="random numbers that no checkpoint holds"):
        new_trainer(DATA, net("unseeded", library=library), ADAM, SEED, place)


def test_the_network_is_told_the_classes_of_all_parts(place: Workplace) -> None:
    """A small training set may lack the last class."""
    few = DataSpec("fashion_mnist_sample", validation=100, train_limit=2)
    assert int(load_dataset(few, SEED).train.y.max()) < 9
    trainer = new_trainer(few, NetworkSpec("two_layer_dense"), ADAM, SEED, place)
    assert trainer.model.output_shape == (None, 10)
