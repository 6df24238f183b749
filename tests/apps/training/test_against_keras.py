"""Training, halted and gone on with, is one `keras.Model.fit`: networks x data x engines.

Held against it are the losses and metrics of every epoch, the weights at the end with their moving
average and statistics, the optimiser's state, and the loss on the test set.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from apps.datasets.load import load_dataset
from apps.messages.results import TrainResult
from apps.messages.specs import DataSpec, EngineName, NetworkSpec, TrainingSpec
from apps.messages.tasks import Continue, TrainTask, Workplace
from apps.messages.values import ClassWeight
from apps.networks.build import (
    assign,
    named_optimizer_states,
    named_random_states,
    named_weights,
    read,
)
from apps.records.checkpoints import Checkpoint, open_checkpoint
from apps.seeds import Address, Purpose
from apps.tasks.train import train_member
from apps.training.data_order import epoch_order
from apps.training.threefry import threefry
from apps.training.trainer import trainer_for
from tests.support.small import training

HERE = "tests.support.against_keras"
HALT, EPOCHS = 2, 3
BATCH = 16

AVERAGED = TrainingSpec(
    BATCH, "adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9}
)
BY_NAME = replace(
    AVERAGED,
    loss={"label": "sparse_categorical_crossentropy", "sum": "mse"},
    metrics={"label": ("accuracy",), "sum": ("mae",)},
)

ENGINES: tuple[EngineName, ...] = ("graph", "xla", "fit")

TRAINED: dict[tuple[str, str], tuple[EngineName, ...]] = {
    ("dense", "arrays"): ENGINES,
    ("dense", "weighted"): ("graph", "fit"),
    ("normalized", "arrays"): ENGINES,
    ("convolutional", "arrays"): ("graph",),
    ("recurrent", "arrays"): ("graph", "xla"),
    ("subclassed", "arrays"): ("graph",),
    ("functional", "named"): ENGINES,
}
"""Networks, data and engines: all that a graph does, and with the others what they do otherwise."""

STREAMED = [("dense", "dataset"), ("normalized", "indexed")]

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "overwritten by its average": (
        "adam",
        {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
    ),
    "gradients accumulated": ("adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 3}),
    "scheduled": (
        "sgd",
        {
            "momentum": 0.9,
            "learning_rate": {
                "module": "keras.optimizers.schedules",
                "class_name": "ExponentialDecay",
                "config": {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5},
            },
        },
    ),
    "clipped and decayed": ("adamw", {"learning_rate": 0.01, "clipnorm": 0.5}),
    "losses scaled by a constant": ("sgd", {"learning_rate": 0.1, "loss_scale_factor": 64.0}),
    "free of a schedule": ("schedulefreeadamw", {"learning_rate": 0.01}),
    "several": (f"{HERE}:several", {}),
    "a wrapper of one's own": (f"{HERE}:lookahead", {}),
}
FAST = ["overwritten by its average", "a wrapper of one's own"]
OF_XLA = ["gradients accumulated", *FAST]
WITH_REST = ["gradients accumulated", "several"]
"""Trained with a last batch that is smaller, too, for which a graph has a step of its own."""

OF_OUTPUTS = ("label_loss", "sum_loss")
"""Of several outputs: `fit` counts a last, smaller batch as a whole one there, engines do not."""


@dataclass(frozen=True)
class Fitted:
    """What one `fit` of Keras made: a model, the metrics of each epoch, and the test loss."""

    model: Any
    history: dict[str, Any]
    test_loss: float


@pytest.fixture
def place(tmp_path: Any) -> Workplace:
    return Workplace(str(tmp_path))


def task(network: NetworkSpec, data: str, spec: TrainingSpec, engine: EngineName) -> TrainTask:
    return training(
        data=DataSpec(f"{HERE}:{data}"),
        network=network,
        training=replace(spec, engine=engine),
        last_epoch=EPOCHS,
    )


def halted(given: TrainTask, place: Workplace) -> tuple[TrainResult, TrainResult]:
    """Train with a halt; the second segment goes on from the first one's checkpoint."""
    first = train_member(replace(given, last_epoch=HALT, folder="first"), place)
    start = Continue(first.checkpoint)
    rest = replace(given, first_epoch=HALT, start=start, folder="rest")
    return first, train_member(rest, place)


def batches(given: TrainTask) -> Iterator[Any]:
    """Yield the batches of all epochs as the task's member meets them."""
    from tests.support.against_keras import Indexed  # it loads Keras

    train: Any = load_dataset(given.data, given.seed).train
    for epoch in range(EPOCHS):
        order = epoch_order(given, epoch, train)
        if given.data.name.endswith(":indexed"):
            yield from (Indexed()[int(index)] for index in order)
        elif given.data.name.endswith(":dataset"):
            yield from train.whole()
        else:
            for start in range(0, len(train), BATCH):
                yield train[order[start : start + BATCH]].fields


_fitted: dict[str, Fitted] = {}


def fitted(given: TrainTask, place: Workplace, jit: bool) -> Fitted:
    """Return the member as one `fit` of Keras trains it; engines share it."""
    key = f"{given.network} {given.data} {replace(given.training, engine='auto')} {jit}"
    if key not in _fitted:
        _fitted[key] = _fit(given, place, jit)
    return _fitted[key]


def _fit(given: TrainTask, place: Workplace, jit: bool) -> Fitted:
    trainer = trainer_for(given.data, given.network, given.training, given.seed, place)
    address = Address(given.seed, given.trial, given.member)
    model: Any = trainer.blueprint.build(address.seed_integer(Purpose.INITIAL_WEIGHTS))
    drawn = Address(given.seed, given.trial, given.member, 0).stream(Purpose.RANDOM_LAYERS)
    trainer.member.load(Checkpoint(read(named_weights(model))), drawn)
    assign(named_random_states(model), trainer.member.state().random)
    model.optimizer.build(model.trainable_variables)
    model.jit_compile = jit
    data: Any = load_dataset(given.data, given.seed)
    by_class = given.training.class_weight
    met = list(batches(given))
    learnt: Any = (batch for batch in met)
    if by_class is not None:
        learnt, by_class = as_keras_takes_class_weights(met, by_class)
    with threefry() if jit else nullcontext():
        history = model.fit(
            learnt,
            class_weight=by_class,
            steps_per_epoch=len(met) // EPOCHS,
            epochs=EPOCHS,
            validation_data=data.validation.fields,
            validation_batch_size=len(data.validation),
            shuffle=False,
            verbose=0,
        )
    model.jit_compile = False
    x, y, *weights = data.test.fields
    by_sample = weights[0] if weights else None
    tested = model.evaluate(x, y, batch_size=len(data.test), sample_weight=by_sample, verbose=0)
    return Fitted(model, history.history, tested if isinstance(tested, float) else tested[0])


def as_keras_takes_class_weights(met: list[Any], by_class: Any) -> tuple[Any, Any]:
    """Return batches as a Dataset, and weights for it: Keras takes them with no other batches.

    With weights of samples beside them it takes none: the products of both are given.
    """
    import tensorflow as tf

    found = [tuple(map(np.asarray, batch)) for batch in met]
    if by_class == "balanced":
        _, counts = np.unique(np.concatenate([y for _, y in found]), return_counts=True)
        by_class = {k: counts.sum() / (len(counts) * count) for k, count in enumerate(counts)}
    by_class = {int(number): weight for number, weight in by_class.items()}
    if len(found[0]) == 3:
        own = np.array([by_class.get(number, 1.0) for number in range(3)], np.float32)
        found, by_class = [(x, y, weights * own[y]) for x, y, weights in found], None
    signature = tuple(
        tf.TensorSpec((None, *array.shape[1:]), array.dtype.name) for array in found[0]
    )
    made = tf.data.Dataset.from_generator(lambda: iter(found), output_signature=signature)
    return made, by_class


BY_CLASS: dict[str, float] = {"0": 0.3, "2": 4.0}
WEIGHED: list[tuple[str, EngineName, ClassWeight]] = [
    ("arrays", "graph", BY_CLASS),
    ("weighted", "xla", BY_CLASS),
    ("indexed", "auto", "balanced"),
    ("dataset", "fit", BY_CLASS),
]


@pytest.mark.parametrize(("data", "engine", "class_weight"), WEIGHED)
def test_classes_count_as_in_one_fit(
    data: str, engine: EngineName, class_weight: ClassWeight, place: Workplace
) -> None:
    spec = replace(AVERAGED, class_weight=class_weight)
    check(task(NetworkSpec(f"{HERE}:dense"), data, spec, engine), place)


def check(given: TrainTask, place: Workplace, rtol: float = 5e-4) -> None:
    engine = given.training.engine
    first, rest = halted(given, place)
    assert rest.engine == (engine if engine != "auto" else rest.engine)
    assert not [remark for remark in rest.log if "not fused" in remark or "changed" in remark]
    # Only XLA draws other numbers; a reference serves all other engines.
    jit = engine == "xla" and "normalized" in given.network.builder
    whole = fitted(given, place, jit)
    close = {"rtol": rtol, "atol": rtol / 10}
    for epoch, record in enumerate((*first.epochs, *rest.epochs)):
        expected = {name: values[epoch] for name, values in whole.history.items()}
        assert record.metrics.keys() == expected.keys()
        for name, value in record.metrics.items():
            if name in OF_OUTPUTS and engine != "fit":
                continue
            np.testing.assert_allclose(value, expected[name], **close, err_msg=f"{name} {epoch}")
    stored = open_checkpoint(rest.checkpoint, place)
    for found, there in (
        (stored.network, named_weights(whole.model)),
        (stored.optimizer, named_optimizer_states(whole.model)),
    ):
        wanted = read(there)
        assert list(found) == list(wanted)
        for name, array in wanted.items():
            np.testing.assert_allclose(found[name], array, **close, err_msg=name)
    np.testing.assert_allclose(rest.final["test_loss"], whole.test_loss, **close)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("network", "data", "engine"),
    [
        pytest.param(*pair, engine, marks=() if pair == ("dense", "arrays") else SLOW)
        for pair, engines in TRAINED.items()
        for engine in engines
    ],
)
def test_training_is_one_fit(network: str, data: str, engine: EngineName, place: Workplace) -> None:
    spec = BY_NAME if data == "named" else AVERAGED
    check(task(NetworkSpec(f"{HERE}:{network}"), data, spec, engine), place)


def test_losses_of_outputs_add_up_to_the_loss(place: Workplace) -> None:
    given = task(NetworkSpec(f"{HERE}:functional"), "named", BY_NAME, "graph")
    for record in train_member(given, place).epochs:
        parts = sum(record.metrics[name] for name in OF_OUTPUTS)
        assert parts == pytest.approx(record.metrics["loss"], rel=1e-5)


@pytest.mark.parametrize(("network", "data"), STREAMED)
def test_batches_are_trained_as_by_one_fit(network: str, data: str, place: Workplace) -> None:
    check(task(NetworkSpec(f"{HERE}:{network}"), data, AVERAGED, "auto"), place)


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        pytest.param(name, engine, marks=() if name in FAST else SLOW)
        for name in OPTIMIZERS
        for engine in ENGINES
        # XLA must take conditions and wrappers; `fit` is Keras's own, but for its end.
        if engine == "graph" or name in (OF_XLA if engine == "xla" else FAST)
    ],
)
def test_every_optimiser_goes_on_as_in_one_fit(
    name: str, engine: EngineName, place: Workplace
) -> None:
    optimizer, settings = OPTIMIZERS[name]
    spec = TrainingSpec(BATCH, optimizer, settings)
    data = "arrays" if engine == "graph" and name in WITH_REST else "whole"
    check(task(NetworkSpec(f"{HERE}:dense"), data, spec, engine), place)


@pytest.mark.parametrize(
    ("policy", "engine"),
    [
        *(("mixed_float16", engine) for engine in ENGINES),
        *(pytest.param(policy, "graph", marks=SLOW) for policy in ("mixed_bfloat16", "float64")),
    ],
)
def test_every_precision_trains_as_in_one_fit(
    policy: str, engine: EngineName, place: Workplace
) -> None:
    network = NetworkSpec(f"{HERE}:dense", {"policy": policy})
    data = "arrays" if engine == "graph" and policy == "mixed_float16" else "whole"
    check(task(network, data, AVERAGED, engine), place, rtol=2e-2)
