"""A taught step is a step on the mix of two losses, and what it reports is of the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apps.errors import UserError
from apps.messages.specs import TrainingSpec
from apps.messages.tasks import Lesson, Workplace
from apps.records.checkpoints import Checkpoint
from apps.training.teaching import TAUGHT, Teaching, softened, taught_outputs
from apps.training.trainer import new_trainer
from tests.support.small import DATA, PLAIN, SEED
from tests.support.teaching import (
    LABELS,
    NUMBERS,
    WEIGHTS,
    X,
    close,
    judged,
    network,
    one_hot,
    shares,
    stepped,
)

CASES: dict[str, tuple[Any, ...]] = {
    "sparse labels": (3, "softmax", "sparse_categorical_crossentropy", LABELS, shares(3)),
    "one-hot labels": (3, "softmax", "categorical_crossentropy", one_hot(LABELS), shares(3)),
    "of two": (
        1,
        "sigmoid",
        "binary_crossentropy",
        (LABELS > 1).astype(np.float32)[:, None],
        shares(2)[:, :1],
    ),
    "numbers": (2, "linear", "mse", NUMBERS, NUMBERS + 0.3),
    "absolute": (2, "linear", "mean_absolute_error", NUMBERS, NUMBERS + 0.3),
}


@pytest.mark.parametrize(
    ("case", "weighted"), [*((case, True) for case in CASES), ("sparse labels", False)]
)
def test_a_step_is_one_on_the_mix(case: str, weighted: bool) -> None:
    """Cross-entropies and squares have the gradient of the mixed target; absolute ones do not."""
    outputs, activation, loss, y, lessons = CASES[case]
    weight = 0.3
    model = judged(network(outputs, activation, loss), y)
    others = (WEIGHTS,) if weighted else ()
    teaching = Teaching(model, Lesson(weight, 1.0))
    found, metrics = stepped(model, (X, (y, lessons), *others), teaching)
    if loss == "mean_absolute_error":
        import keras

        reference = network(outputs, activation, None)

        def mixed(y_true: Any, y_pred: Any) -> Any:
            own, taught = y_true[:, :2], y_true[:, 2:]
            both = [abs(own - y_pred), abs(taught - y_pred)]
            return keras.ops.mean((1 - weight) * both[0] + weight * both[1], axis=-1)

        reference.compile(optimizer=keras.optimizers.SGD(0.5), loss=mixed)
        expected, _ = stepped(reference, (X, np.concatenate([y, lessons], axis=1), *others))
    else:
        full = one_hot(y) if y.ndim == 1 else y
        name = "categorical_crossentropy" if y.ndim == 1 else loss
        reference = network(outputs, activation, name)
        target = (1 - weight) * full + weight * lessons
        expected, _ = stepped(reference, (X, target.astype(np.float32), *others))
    close(found, expected)
    _, of_labels = stepped(network(outputs, activation, loss), (X, y, *others))
    assert metrics["loss"] == pytest.approx(of_labels["loss"], rel=1e-5)


def test_logits_teach_as_probabilities_do() -> None:
    import keras

    taught = []
    for logits in (False, True):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
        model = judged(network(3, "linear" if logits else "softmax", loss), LABELS)
        teaching = Teaching(model, Lesson(0.5, 2.0))
        taught.append(stepped(model, (X, (LABELS, shares(3))), teaching)[0])
    close(*taught)


def test_a_temperature_softens_both_sides_and_keeps_the_gradients_size() -> None:
    import tensorflow as tf

    temperature, lessons = 3.0, shares(3)
    model = judged(network(3, "softmax", "sparse_categorical_crossentropy"), LABELS)
    reference = network(3, "linear", "sparse_categorical_crossentropy")
    with tf.GradientTape() as tape:
        logits = reference(X)
        logs = tf.nn.log_softmax(logits / temperature)
        loss = -(temperature**2) * tf.reduce_mean(tf.reduce_sum(lessons * logs, axis=1))
        loss += sum(reference.losses)
    gradients = tape.gradient(loss, reference.trainable_weights)
    expected = [
        value - 0.5 * gradient.numpy()
        for value, gradient in zip(reference.get_weights(), gradients, strict=True)
    ]
    found, _ = stepped(model, (X, (LABELS, lessons)), Teaching(model, Lesson(1.0, temperature)))
    close(found, expected)


def test_what_teaches_is_softened() -> None:
    model = judged(network(3, "softmax", "sparse_categorical_crossentropy"), LABELS)
    made = shares(3)
    soft = softened(taught_outputs(model, 2.0), made, 2.0)
    np.testing.assert_allclose(soft, np.sqrt(made) / np.sqrt(made).sum(1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(softened(taught_outputs(model, 1.0), made, 1.0), made)
    of_two = judged(network(1, "sigmoid", "binary_crossentropy"), LABELS[:, None] > 1)
    half = softened(taught_outputs(of_two, 2.0), np.array([[0.8]]), 2.0)
    np.testing.assert_allclose(half, [[2 / (2 + 1)]])  # odds of 4 become odds of 2


def trained(engine: Any, lesson: Lesson | None) -> tuple[Any, dict[str, float]]:
    """Train an epoch, with a lesson that says what the labels say; return weights and metrics."""
    training = TrainingSpec(32, "sgd", {"learning_rate": 0.1}, engine=engine)
    trainer = new_trainer(DATA, PLAIN, training, SEED, Workplace(""), lesson=lesson)
    start = Checkpoint(trainer.blueprint.initial_weights(1))
    trainer.member.load(start, np.random.default_rng(1))
    trainer.learn_from(np.eye(10, dtype=np.float32)[trainer._parts.data.train.y])
    metrics = trainer.run_epoch(np.random.default_rng(2).permutation(100))
    assert trainer.engine.engine == engine
    before = trainer.evaluate("validation")
    assert before == trainer.evaluate("validation")
    return trainer.member.weights(), metrics


@pytest.fixture(scope="module")
def untaught() -> tuple[Any, dict[str, float]]:
    return trained("graph", None)


@pytest.mark.parametrize("engine", ["xla", "graph", "fit"])
def test_every_engine_teaches(engine: Any, untaught: tuple[Any, dict[str, float]]) -> None:
    """A lesson that says what the labels say trains as the labels do."""
    weights, metrics = trained(engine, Lesson(0.7, 1.0))
    for name, array in untaught[0].items():
        np.testing.assert_allclose(weights[name], array, rtol=1e-4, atol=1e-6)
    assert metrics == pytest.approx(untaught[1], rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "temperature", "said"),
    [
        ("hinge", 1.0, "hinge"),
        ("cosine_similarity", 1.0, "cosine_similarity"),
        (lambda y, p: abs(y - p), 1.0, "<lambda>"),
        ("mse", 2.0, "temperature"),
    ],
)
def test_what_cannot_be_taught_is_refused(loss: Any, temperature: float, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        taught_outputs(judged(network(3, "softmax", loss), shares(3)), temperature)
    assert all(name in str(error.value) for name in TAUGHT)


@pytest.mark.parametrize("name", ["train_step", "compute_loss", "compute_metrics"])
def test_a_step_of_ones_own_is_refused(name: str) -> None:
    import keras

    def same(self: Any, *given: Any, **named: Any) -> Any:
        return getattr(keras.Sequential, name)(self, *given, **named)

    kind = type("Own", (keras.Sequential,), {name: same})
    model = kind([keras.layers.Input((5,)), keras.layers.Dense(3)])
    model.compile(loss="mse")
    with pytest.raises(UserError, match=f"{name} of its own"):
        taught_outputs(model, 1.0)


def test_a_network_whose_loss_is_not_known_is_refused() -> None:
    import keras

    class Own(keras.Sequential):
        def test_step(self, data: Any) -> Any:
            return {}

    layers = [keras.layers.Input((5,)), keras.layers.Dense(2)]
    model = Own(layers)
    model.compile(loss="mse")
    with pytest.raises(UserError, match="test_step of its own, which leaves its loss out"):
        taught_outputs(judged(model, NUMBERS), 1.0)
    model = keras.Sequential(layers)
    model.compile()
    with pytest.raises(UserError, match="compiled without a loss"):
        taught_outputs(model, 1.0)


@pytest.mark.parametrize("way", ["call", "__call__"])
def test_a_loss_made_of_keras_own_may_do_something_else(way: str) -> None:
    import keras

    def twice(self: Any, *given: Any) -> Any:
        return 2 * getattr(keras.losses.MeanSquaredError, way)(self, *given)

    made = type("Twice", (keras.losses.MeanSquaredError,), {way: twice})
    with pytest.raises(UserError, match="no targets of the loss Twice"):
        taught_outputs(judged(network(2, "linear", made()), NUMBERS), 1.0)
    same = type("Same", (keras.losses.MeanSquaredError,), {})
    found = taught_outputs(judged(network(2, "linear", same()), NUMBERS), 1.0)
    assert found[""].loss == "mean_squared_error"


def test_a_model_is_as_it_was_after_its_lesson() -> None:
    model = judged(network(3, "softmax", "sparse_categorical_crossentropy"), LABELS)
    own = vars(model).keys()
    with Teaching(model, Lesson(0.5, 1.0)).steps():
        assert "compute_loss" in vars(model)
    assert vars(model).keys() == own
    expected, _ = stepped(network(3, "softmax", "sparse_categorical_crossentropy"), (X, LABELS))
    close(stepped(model, (X, LABELS))[0], expected)
