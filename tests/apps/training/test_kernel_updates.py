"""An update by one kernel is Keras's own, to the rounding of its sums."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.messages.tasks import Workplace
from apps.runtime import load_keras
from apps.training.kernel_updates import one_kernel_updates, undistributed
from apps.training.trainer import new_trainer
from tests.support.small import ADAM, DATA, PLAIN, SEED

STEPS = 5

BY_KERNEL: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {"learning_rate": 0.01}),
    "adam, other settings": ("Adam", {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "clipped, decayed, averaged": (
        "Adam",
        {"clipnorm": 0.1, "weight_decay": 0.1, "use_ema": True, "ema_overwrite_frequency": 2},
    ),
    "accumulated": ("Adam", {"gradient_accumulation_steps": 2}),
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "momentum": ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    "schedule": ("Adam", {"learning_rate": "schedule"}),
}
BY_KERAS: dict[str, tuple[str, dict[str, Any]]] = {
    "amsgrad": ("Adam", {"amsgrad": True}),
    "another": ("Nadam", {}),
    "a subclass": ("own", {}),
}
CASES = BY_KERNEL | BY_KERAS
KERNELS = ("ResourceApplyAdam", "ResourceApplyKerasMomentum", "ResourceApplyGradientDescent")


def optimizer(name: str, settings: dict[str, Any]) -> Any:
    keras = load_keras()
    if settings.get("learning_rate") == "schedule":
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
        settings = settings | {"learning_rate": schedule}
    if name == "own":

        class Own(keras.optimizers.Adam):
            def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
                super().update_step(2.0 * gradient, variable, learning_rate)

        return Own(**settings)
    return getattr(keras.optimizers, name)(**settings)


@cache
def trained(case: str, by_kernel: bool) -> tuple[list[Any], set[str]]:
    """Return all variables after some steps in one graph, and the operations of it."""
    import tensorflow as tf

    keras = load_keras()
    rng = np.random.default_rng(0)
    shapes = ((3, 4), (4,))
    variables = [keras.Variable(rng.normal(size=s).astype(np.float32)) for s in shapes]
    gradients = [tf.constant(rng.normal(size=(STEPS, *s)), tf.float32) for s in shapes]
    made = optimizer(*CASES[case])
    made.build(variables)

    @tf.function
    def steps() -> None:
        for index in tf.range(STEPS):
            if by_kernel:
                with undistributed(made), one_kernel_updates(made):
                    made.apply([each[index] for each in gradients], variables)
            else:
                made.apply([each[index] for each in gradients], variables)

    steps()
    library = steps.get_concrete_function().graph.as_graph_def().library.function
    operations = {node.op for function in library for node in function.node_def}
    return [each.numpy() for each in (*variables, *made.variables)], operations


@pytest.mark.parametrize("case", CASES)
def test_variables_and_states_are_those_of_keras(case: str) -> None:
    (found, _), (expected, _) = (trained(case, by_kernel) for by_kernel in (True, False))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


def apply(made: Any, applications: list[list[Any]], variables: list[Any], by_kernel: bool) -> None:
    """Apply gradients to variables, several times in one graph."""
    import tensorflow as tf

    @tf.function
    def step() -> None:
        with ExitStack() as meanwhile:
            for manager in (undistributed, one_kernel_updates) if by_kernel else ():
                meanwhile.enter_context(manager(made))
            for gradients in applications:
                made.apply(gradients, variables)

    step()


def test_a_step_that_applies_gradients_twice_counts_two_applications() -> None:
    import tensorflow as tf

    keras = load_keras()
    results = []
    for by_kernel in (True, False):
        variable = keras.Variable(np.ones(3, np.float32))
        made = keras.optimizers.Adam(0.1)
        made.build([variable])
        apply(made, [[tf.fill([3], each)] for each in (1.0, -0.3)], [variable], by_kernel)
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_weight_decay_leaves_out_what_its_names_leave_out() -> None:
    """Keras looks for them in the names with their layers', and remembers what it found."""
    import tensorflow as tf

    keras = load_keras()
    results = []
    for by_kernel in (True, False):
        model = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(2, name="kept"), keras.layers.Dense(1)]
        )
        variables = model.trainable_variables
        model.set_weights([np.ones(each.shape, np.float32) for each in variables])
        made = keras.optimizers.AdamW(0.1, weight_decay=0.5)
        made.exclude_from_weight_decay(var_names=["kept"])
        made.build(variables)
        apply(made, [[tf.zeros(each.shape) for each in variables]], variables, by_kernel)
        results.append([each.numpy() for each in variables])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    kept, *_, decayed = results[0]
    assert np.all(kept == 1.0)
    assert np.all(decayed < 1.0)


@pytest.mark.parametrize("case", BY_KERNEL)
def test_a_kernel_updates_where_there_is_one(case: str) -> None:
    assert trained(case, True)[1] & set(KERNELS)


@pytest.mark.parametrize("case", BY_KERAS)
def test_keras_updates_where_there_is_none(case: str) -> None:
    assert not trained(case, True)[1] & set(KERNELS)


def test_the_optimiser_is_as_before_when_all_is_traced() -> None:
    made = optimizer("Adam", {})
    with one_kernel_updates(made):
        assert "update_step" in vars(made)
    assert "update_step" not in vars(made)


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("adam", {}),
        ("nadam", {}),
        ("muon", {}),
        ("adam", {"use_ema": True, "ema_overwrite_frequency": 2}),
    ],
)
def test_a_graph_of_training_goes_with_its_trainer(
    tmp_path: Path, optimizer: str, settings: dict[str, Any]
) -> None:
    """Whatever holds one holds five megabytes for every architecture of a search."""
    from tensorflow.python.framework.func_graph import FuncGraph

    trainer = new_trainer(
        DATA,
        PLAIN,
        replace(ADAM, optimizer=optimizer, optimizer_params=settings, engine="graph"),
        SEED,
        Workplace(str(tmp_path)),
    )
    before = _graphs(FuncGraph)
    trainer.run_epoch(np.arange(ADAM.batch_size))
    assert _graphs(FuncGraph) > before
    del trainer
    assert _graphs(FuncGraph) <= before


def _graphs(kind: type) -> int:
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


def test_sparse_gradients_and_other_types_are_updated_by_keras() -> None:
    import tensorflow as tf

    keras = load_keras()
    results = []
    for by_kernel in (True, False):
        rows = keras.Variable(np.ones((4, 2), np.float32))
        halves = keras.Variable(np.ones(3, np.float16), dtype="float16")
        made = keras.optimizers.SGD(0.1)
        made.build([rows, halves])
        sparse = tf.IndexedSlices(tf.ones((1, 2)), tf.constant([2]), tf.constant([4, 2]))
        gradients = [sparse, tf.ones(3, tf.float16)]
        if by_kernel:
            with one_kernel_updates(made):
                made.apply(gradients, [rows, halves])
        else:
            made.apply(gradients, [rows, halves])
        results.append([rows.numpy(), halves.numpy()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
