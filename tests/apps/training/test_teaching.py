"""A taught step is a step on the mix of two losses, and what it reports is of the labels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import numpy as np
import pytest

from apps.errors import UserError
from apps.messages.specs import TrainingSpec
from apps.messages.tasks import Lesson, Workplace
from apps.records.checkpoints import Checkpoint
from apps.training.teaching import TAUGHT, Teaching, softened, taught_outputs
from apps.training.trainer import new_trainer
from tests.support.small import DATA, PLAIN, SEED

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5)).astype(np.float32)
LABELS = RNG.integers(3, size=12).astype(np.int32)
NUMBERS = RNG.normal(size=(12, 2)).astype(np.float32)
WEIGHTS = RNG.random(12).astype(np.float32)


def shares(columns: int, seed: int = 1) -> Any:
    values = np.random.default_rng(seed).random((12, columns)).astype(np.float32)
    return values / values.sum(axis=1, keepdims=True)


def network(outputs: int, activation: str, loss: Any, **compiled: Any) -> Any:
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    hidden = layers.Dense(4, activation="tanh", kernel_regularizer="l2")
    model = keras.Sequential([layers.Input((5,)), hidden, layers.Dense(outputs, activation)])
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss, **compiled)
    return model


def judged(model: Any, y: Any) -> Any:
    """Return a model that was evaluated once: Keras has made its losses."""
    model.test_step((X, y))
    model.reset_metrics()
    return model


def stepped(model: Any, batch: Any, teaching: Teaching | None = None) -> tuple[list[Any], Any]:
    if teaching is None:
        model.train_step(batch)
    else:
        with teaching.steps():
            model.train_step(batch)
    return model.get_weights(), {n: float(v) for n, v in model.get_metrics_result().items()}


def one_hot(labels: Any) -> Any:
    return np.eye(3, dtype=np.float32)[labels]


def close(one: list[Any], other: list[Any]) -> None:
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, rtol=2e-5, atol=1e-6)


CASES = {
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


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_step_is_one_on_the_mix(case: Any, weighted: bool) -> None:
    """Cross-entropies and squares have the gradient of the mixed target; absolute ones do not."""
    outputs, activation, loss, y, lessons = case
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


def two_outputs(loss: Any, named: bool = False) -> Any:
    import keras

    keras.utils.set_random_seed(4)
    layers = keras.layers
    x = layers.Input((5,))
    kind = layers.Dense(3, activation="softmax", name="kind")(x)
    size = layers.Dense(2, name="size")(x)
    model = keras.Model(x, {"kind": kind, "size": size} if named else [size, kind])
    weights = {"kind": 2.0, "size": 0.5}
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss, loss_weights=weights)
    return model


LOSSES = {"kind": "sparse_categorical_crossentropy", "size": "mse"}


def taught_as_by_a_mix(made: Callable[[dict[str, str]], Any], losses: dict[str, str]) -> None:
    """Compare a step of a network of two outputs with one of the mix of labels and lessons."""
    model = made(losses)
    labels = {"kind": LABELS, "size": NUMBERS}
    lessons = {"size": NUMBERS + 0.3, "kind": shares(3)}
    model.train_step((X[:2], {name: each[:2] for name, each in labels.items()}))
    begun = model.get_weights()
    found, _ = stepped(model, (X, (labels, lessons), WEIGHTS), Teaching(model, Lesson(0.5, 1.0)))
    reference = made(losses | {"kind": "categorical_crossentropy"})
    reference.set_weights(begun)
    mix = {
        "kind": (one_hot(LABELS) + lessons["kind"]) / 2,
        "size": (NUMBERS + lessons["size"]) / 2,
    }
    expected, _ = stepped(reference, (X, mix, WEIGHTS))
    close(found, expected)


@pytest.mark.parametrize("named", [False, True])
def test_each_of_several_outputs_is_taught_its_own(named: bool) -> None:
    taught_as_by_a_mix(lambda losses: two_outputs(losses, named), LOSSES)


def unnamed(outputs: Any, loss: Any, weights: Any = None) -> Any:
    """A network whose class says what it returns: Keras knows no names of its outputs."""
    import keras

    keras.utils.set_random_seed(4)

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.kind = keras.layers.Dense(3, activation="softmax")
            self.size = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return outputs(self.kind(x), self.size(x))

    model = Net()
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss, loss_weights=weights)
    model(X)
    return model


@pytest.mark.parametrize("first", ["kind", "size"])
def test_outputs_that_only_the_network_names_are_taught_their_own(first: str) -> None:
    def outputs(kind: Any, size: Any) -> Any:
        return {"kind": kind, "size": size} if first == "size" else {"size": size, "kind": kind}

    by_name = {name: LOSSES[name] for name in sorted(LOSSES, reverse=first == "size")}
    weights = {"kind": 2.0, "size": 0.5}
    taught_as_by_a_mix(lambda losses: unnamed(outputs, losses, weights), by_name)


def test_several_outputs_of_one_loss_are_refused() -> None:
    model = unnamed(lambda kind, size: {"kind": kind, "size": size}, "mse")
    with pytest.raises(UserError, match="2 outputs have one loss"):
        taught_outputs(judged(model, {"kind": shares(3), "size": NUMBERS}), 1.0)
    model = unnamed(lambda kind, size: [kind, size], ["mse", "mse"])
    with pytest.raises(UserError, match="several outputs without names"):
        taught_outputs(judged(model, [shares(3), NUMBERS]), 1.0)


@pytest.mark.parametrize("weights", [0.5, [0.5], None])
def test_the_only_output_has_its_weight(weights: Any) -> None:
    model = judged(unnamed(lambda kind, size: size, "mse", weights), NUMBERS)
    assert taught_outputs(model, 1.0)[""].weight == (0.5 if weights else 1.0)


# Outputs, and the labels that are their lessons too: the second is the first one by its name.
OF_NUMBERS: Final = {"size": NUMBERS, "kind": shares(3)}


def returning(form: str) -> Any:
    """A network of two outputs of numbers, `size` before `kind`."""
    import keras

    keras.utils.set_random_seed(4)
    layers = keras.layers

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.size = layers.Dense(2)
            self.kind = layers.Dense(3)

        def call(self, x: Any) -> Any:
            return {"size": self.size(x), "kind": self.kind(x)}

    if form == "a class of its own":
        model = Net()
        model(X)
        return model
    x = layers.Input((5,))
    names = ("kind", "size") if form == "layers called otherwise" else ("size", "kind")
    size, kind = layers.Dense(2, name=names[0])(x), layers.Dense(3, name=names[1])(x)
    in_order = {"list": [size, kind], "tuple": (size, kind)}
    return keras.Model(x, in_order.get(form, {"size": size, "kind": kind}))


def learns_as_without_teachers(made: Callable[[], Any], labels: Any, lessons: Any) -> None:
    """Compare a step with lessons that say what the labels say with one without a lesson."""
    found = stepped(
        model := judged(made(), labels), (X, (labels, lessons)), Teaching(model, Lesson(0.5, 1.0))
    )
    expected = stepped(judged(made(), labels), (X, labels))
    close(found[0], expected[0])
    assert found[1] == pytest.approx(expected[1], rel=1e-5)


BY_NAME: Final = {"size": "mse", "kind": "mae"}
TWO_LOSSES: Final = {
    "dict": BY_NAME,
    "dict in another order": {"kind": "mae", "size": "mse"},
    "list": ["mse", "mae"],
    "tuple": ("mse", "mae"),
}
TWO_WEIGHTS: Final = (
    None,
    [3.0, 0.25],
    (3.0, 0.25),
    {"size": 3.0, "kind": 0.25},
    {"kind": 0.25, "size": 3.0},
    [3.0, None],
)


@pytest.mark.parametrize("loss", TWO_LOSSES)
@pytest.mark.parametrize(
    "form", ["list", "tuple", "dict", "layers called otherwise", "a class of its own"]
)
def test_teachers_weigh_each_output_as_its_labels_do(form: str, loss: str) -> None:
    """Whatever form losses and weights have: which output they are of is what Keras makes of it."""
    for weights in TWO_WEIGHTS:

        def made(weights: Any = weights) -> Any:
            import keras

            model = returning(form)
            sgd = keras.optimizers.SGD(0.5)
            model.compile(optimizer=sgd, loss=TWO_LOSSES[loss], loss_weights=weights)
            return model

        learns_as_without_teachers(made, OF_NUMBERS, OF_NUMBERS)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("form", ["dict", "layers called otherwise", "a class of its own"])
@pytest.mark.parametrize("loss", [{"kind": "mae"}, {"size": "mse", "kind": None}])
def test_an_output_without_a_loss_is_not_taught(form: str, loss: dict[str, Any]) -> None:
    taught = {name: OF_NUMBERS[name] for name, each in loss.items() if each}
    for weights in (None, [0.25, 0.5][: len(loss)], dict(zip(loss, (0.25, 0.5), strict=False))):

        def made(weights: Any = weights) -> Any:
            import keras

            model = returning(form)
            model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss, loss_weights=weights)
            return model

        learns_as_without_teachers(made, OF_NUMBERS, taught)


def alone(form: str) -> Any:
    import keras

    layers = keras.layers
    if form == "a class of its own":
        return unnamed(lambda kind, size: size, None)
    if form == "a class of its own, by name":
        return unnamed(lambda kind, size: {"size": size}, None)
    keras.utils.set_random_seed(3)
    if form == "sequential":
        return keras.Sequential([layers.Input((5,)), layers.Dense(2)])
    x = layers.Input((5,))
    out = layers.Dense(2, name="size")(x)
    return keras.Model(x, {"list": [out], "dict": {"size": out}}.get(form, out))


ALONE: Final = ["sequential", "plain", "list", "dict", "a class of its own"]
ONE_LOSS: Final = ("mse", ["mse"], ("mse",), {"size": "mse"})
ONE_WEIGHT: Final = (None, 0.25, [0.25], (0.25,), {"size": 0.25})


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("form", [*ALONE, "a class of its own, by name"])
def test_teachers_weigh_the_only_output_as_its_labels_do(form: str) -> None:
    import keras

    tried = 0
    for loss, weights in product(ONE_LOSS, ONE_WEIGHT):

        def made(loss: Any = loss, weights: Any = weights) -> Any:
            model = alone(form)
            model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss, loss_weights=weights)
            return model

        try:
            judged(made(), NUMBERS)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue  # Keras itself does not take them together
        learns_as_without_teachers(made, NUMBERS, NUMBERS)
        tried += 1
    assert tried >= len(ONE_WEIGHT)


@pytest.mark.parametrize("engine", ["xla", "graph", "fit"])
def test_every_engine_teaches(engine: Any, tmp_path: Any) -> None:
    """A lesson of weight 1 that says what the labels say trains as the labels do."""
    training = TrainingSpec(32, "sgd", {"learning_rate": 0.1}, engine=engine)
    place = Workplace(str(tmp_path))
    states, metrics = [], []
    for lesson in (None, Lesson(0.7, 1.0)):
        trainer = new_trainer(DATA, PLAIN, training, SEED, place, lesson=lesson)
        trainer.member.load(
            Checkpoint(trainer.blueprint.initial_weights(1)), np.random.default_rng(1)
        )
        y = trainer._parts.data.train.y
        trainer.learn_from(np.eye(10, dtype=np.float32)[y])
        metrics.append(trainer.run_epoch(np.random.default_rng(2).permutation(100)))
        states.append(trainer.member.weights())
        before = trainer.evaluate("validation")
        assert before == trainer.evaluate("validation")
    for name, array in states[0].items():
        np.testing.assert_allclose(states[1][name], array, rtol=1e-4, atol=1e-6)
    assert metrics[1] == pytest.approx(metrics[0], rel=1e-4)


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


def test_a_step_of_ones_own_is_refused() -> None:
    import keras

    class Own(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            return super().train_step(data)

    model = Own([keras.layers.Input((5,)), keras.layers.Dense(3)])
    model.compile(loss="mse")
    with pytest.raises(UserError, match="train_step of its own"):
        taught_outputs(model, 1.0)


def test_losses_that_are_of_no_output_alone_are_refused() -> None:
    import keras

    layers = keras.layers
    x = layers.Input((5,))
    shared = layers.Dense(2, name="shared")
    model = keras.Model(x, [shared(x), shared(2 * x)])
    model.compile(loss=["mse", "mae"])
    with pytest.raises(UserError, match="of an output called 'shared'"):
        taught_outputs(judged(model, [NUMBERS, NUMBERS]), 1.0)
    model = returning("dict")
    model.compile(loss={"size": ["mse", "mae"], "kind": "mse"})
    with pytest.raises(UserError, match="of an output called 'size'"):
        taught_outputs(judged(model, OF_NUMBERS), 1.0)
    model = alone("plain")
    model.compile(loss=["mse", "mae"])
    with pytest.raises(UserError, match="several losses are of an output;"):
        taught_outputs(judged(model, NUMBERS), 1.0)
    model = keras.Model(x, {"size": [shared(x)], "kind": layers.Dense(3)(x)})
    model.compile(loss={"size": ["mse"], "kind": "mse"})
    with pytest.raises(UserError, match="outputs within outputs"):
        taught_outputs(judged(model, {"size": [NUMBERS], "kind": shares(3)}), 1.0)


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
