"""Each of several outputs is taught its own, however a network returns and names it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import pytest

from apps.errors import UserError
from apps.messages.tasks import Lesson
from apps.training.teaching import Teaching, taught_outputs
from tests.support.teaching import (
    LABELS,
    NUMBERS,
    WEIGHTS,
    X,
    close,
    judged,
    one_hot,
    shares,
    stepped,
)


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


def learns_as_without_teachers(
    model: Any, labels: Any, lessons: Any, taught_first: bool = False
) -> None:
    """Compare a step with lessons that say what the labels say with one without a lesson."""
    judged(model, labels)
    begun = model.get_weights()
    plain: Any = ((X, labels),)
    taught: Any = ((X, (labels, lessons)), Teaching(model, Lesson(0.5, 1.0)))
    steps = {}
    for given in (taught, plain) if taught_first else (plain, taught):
        model.set_weights(begun)
        model.reset_metrics()
        steps[len(given)] = stepped(model, *given)
    expected, found = steps[1], steps[2]
    close(found[0], expected[0])
    assert found[1] == pytest.approx(expected[1], rel=1e-5)
    model.set_weights(begun)


def compiled(model: Any, loss: Any, weights: Any) -> Any:
    import keras

    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss, loss_weights=weights)
    return model


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


FORMS: Final = ("list", "tuple", "dict", "layers called otherwise", "a class of its own")


@pytest.mark.parametrize("loss", TWO_LOSSES)
@pytest.mark.parametrize("form", FORMS)
def test_teachers_weigh_each_output_as_its_labels_do(form: str, loss: str) -> None:
    """Whatever form losses and weights have: which output they are of is what Keras makes of it.

    Half of the weights by turns: every two of the three forms meet.
    """
    first = (FORMS.index(form) + [*TWO_LOSSES].index(loss)) % 2
    model = returning(form)
    for weights in TWO_WEIGHTS[first::2]:
        compiled(model, TWO_LOSSES[loss], weights)
        learns_as_without_teachers(model, OF_NUMBERS, OF_NUMBERS, taught_first=form == "tuple")


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("form", ["dict", "layers called otherwise", "a class of its own"])
@pytest.mark.parametrize("loss", [{"kind": "mae"}, {"size": "mse", "kind": None}])
def test_an_output_without_a_loss_is_not_taught(form: str, loss: dict[str, Any]) -> None:
    taught = {name: OF_NUMBERS[name] for name, each in loss.items() if each}
    model = returning(form)
    for weights in (None, [0.25, 0.5][: len(loss)], dict(zip(loss, (0.25, 0.5), strict=False))):
        learns_as_without_teachers(compiled(model, loss, weights), OF_NUMBERS, taught)


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
    tried = 0
    model = alone(form)
    for loss, weights in product(ONE_LOSS, ONE_WEIGHT):
        try:
            judged(compiled(model, loss, weights), NUMBERS)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue  # Keras itself does not take them together
        learns_as_without_teachers(model, NUMBERS, NUMBERS)
        tried += 1
    assert tried >= len(ONE_WEIGHT)


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
