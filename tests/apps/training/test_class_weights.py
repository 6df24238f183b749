"""Weights of classes: what they become, where they count, and where they have no meaning.

That training with them is `keras.Model.fit(class_weight=...)` is in `test_against_keras.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from apps.datasets.arrays import Samples
from apps.datasets.batches import Batches
from apps.datasets.dataset import Dataset
from apps.datasets.load import load_dataset
from apps.errors import UserError
from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import Lesson, Workplace
from apps.records.checkpoints import Checkpoint
from apps.training.class_weights import with_class_weights
from apps.training.trainer import new_trainer, trainer_for
from tests.support.nets import uncompiled
from tests.support.small import ADAM, DATA, PLAIN, SEED

HERE = "tests.apps.training.test_class_weights"
SPARSE = "sparse_categorical_crossentropy"
LABELS = np.array([0, 0, 0, 1, 2, 2], np.int32)


def data_of(y: Any) -> Dataset:
    part = Samples(np.zeros((6, 2), np.float32), y)
    return Dataset(part, part, part)


def weights(y: Any, loss: Any, given: Any) -> list[float]:
    data, _ = with_class_weights(data_of(y), loss, given)
    assert isinstance(data.train, Samples)
    assert data.train.weights is not None
    for other in (data.validation, data.test):
        assert isinstance(other, Samples)
        assert other.weights is None
    found: list[float] = data.train.weights.tolist()
    return found


def test_balanced_is_scikit_learns_rule() -> None:
    """n / (classes x n of the class), so that each class has the same share."""
    found = weights(LABELS, SPARSE, "balanced")
    assert found == pytest.approx([6 / 9, 6 / 9, 6 / 9, 2, 1, 1])
    shares = [sum(w for w, y in zip(found, LABELS, strict=True) if y == k) for k in range(3)]
    assert shares == pytest.approx([2, 2, 2])


@pytest.mark.parametrize("y", [LABELS, {"kind": LABELS}], ids=["alone", "by name"])
def test_the_loss_is_that_of_the_output_with_targets(y: Any) -> None:
    """Of the other output, one of numbers would refuse three classes, and none leave none out."""
    import keras

    size = "mse" if isinstance(y, dict) else None
    kind = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)
    assert weights(y, {"size": size, "kind": kind}, "balanced")[3:] == pytest.approx(
        [1.5, 0.75, 0.75]
    )


def test_what_a_loss_leaves_out_is_no_class() -> None:
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)
    assert weights(LABELS, loss, "balanced")[3:] == pytest.approx([1.5, 0.75, 0.75])
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    assert weights(LABELS - 1, loss, "balanced")[3:] == pytest.approx([1.5, 0.75, 0.75])


def leaves_out(input_shape: tuple[int, ...], classes: int, label: int | None = None) -> Any:
    import keras

    model = uncompiled(input_shape, classes)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(ignore_class=label))
    return model


def test_losses_that_leave_out_other_classes_have_weights_of_their_own() -> None:
    """Trainers of equal data share their tensors, in which balanced weights are."""

    def loss(left_out: int | None, data: DataSpec = DATA) -> float:
        network = NetworkSpec(f"{HERE}:leaves_out", {"label": left_out})
        spec = replace(ADAM, class_weight="balanced")
        trainer = new_trainer(data, network, spec, SEED, Workplace(""))
        start = Checkpoint(trainer.blueprint.initial_weights(3))
        trainer.member.load(start, np.random.default_rng(0))
        return trainer.run_epoch(np.arange(100))["loss"]

    alone = loss(0)
    for validation in (98, 99):  # other data take the place of what is kept
        loss(0, replace(DATA, validation=validation))
    loss(None)
    assert loss(0) == alone


def test_without_weights_nothing_changes() -> None:
    data = data_of(LABELS)
    assert with_class_weights(data, SPARSE, None) == (data, ())


def test_a_class_that_is_not_there_is_told() -> None:
    _, told = with_class_weights(data_of(LABELS), SPARSE, {"1": 2.0, "7": 3.0})
    assert told == ("training.class_weight names 7, of which there is no training sample",)


@pytest.mark.parametrize(
    ("names", "given", "found"),
    [
        ([1, 2, 3], {"1": 5.0, "2": 2.0}, [5, 5, 5, 2, 1, 1]),
        (["cat", "dog", "ox"], {"dog": 4.0}, [1, 1, 1, 4, 1, 1]),
        (["0", "10", "2"], {"2": 3.0, "10": 4.0}, [1, 1, 1, 4, 3, 3]),  # folders, as text is sorted
        (["02", "2", "x"], {"02": 3.0}, [3, 3, 3, 1, 1, 1]),
        ([-1, 0, 1.5], {"-1": 3.0, "1.5": 4.0}, [3, 3, 3, 1, 4, 4]),
        ([0, 1, 2], {"0": 3.0, "2": 4.0}, [3, 3, 3, 1, 4, 4]),
    ],
)
def test_classes_are_called_as_the_data_call_them(
    names: list[Any], given: dict[str, float], found: list[float]
) -> None:
    data, told = with_class_weights(named(names), SPARSE, given)
    assert isinstance(data.train, Samples)
    assert data.train.weights is not None
    assert data.train.weights.tolist() == found
    assert told == ()


@pytest.mark.parametrize(
    ("names", "given", "told"),
    [
        ([1, 2, 3], {"0": 5.0, "1": 1.0}, "names '0', and the classes are 1, 2, 3; "),
        (["cat", "dog", "ox"], {"0": 5.0}, "names '0', and the classes are cat, dog, ox; name"),
        (["cat", "dog", "ox"], {"cta": 5.0}, r"names 'cta', .* dog, ox; did you mean 'cat'\? name"),
        ([], {"cat": 5.0}, "names 'cat', and the data name no classes: these are numbered from 0"),
        ([], {"-1": 5.0}, "names '-1', and the data name no classes"),
        ([], {"1": 5.0, "01": 2.0}, "names class 1 twice"),
    ],
)
def test_a_class_that_the_data_do_not_have_is_refused(
    names: list[Any], given: dict[str, float], told: str
) -> None:
    with pytest.raises(UserError, match=rf"^training\.class_weight {told}") as raised:
        with_class_weights(named(names), SPARSE, given)
    assert raised.value.code == "training-setting"


def named(names: list[Any]) -> Dataset:
    return replace(data_of(LABELS), form={"classes": names} if names else {})


def test_a_named_class_without_a_training_sample_is_told_by_its_name() -> None:
    names = ["cat", "dog", "ox", "yak"]
    _, told = with_class_weights(named(names), SPARSE, {"yak": 2.0})
    assert told == ("training.class_weight names yak, of which there is no training sample",)


def test_a_table_of_classes_1_2_3_is_weighed_by_these(tmp_path: Any) -> None:
    labels = np.resize([1, 2, 3, 2], 60)
    rows = [f"{number % 7}.5,{label}" for number, label in enumerate(labels)]
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *rows]))
    params = {"path": "t.csv", "target": "y", "task": "classes", "standardize": False}
    data = load_dataset(DataSpec("table", params, validation=10), SEED, str(tmp_path))
    weighed, _ = with_class_weights(data, SPARSE, {"1": 5.0, "2": 2.0})
    assert isinstance(weighed.train, Samples)
    assert weighed.train.weights is not None
    by_number = np.array([5.0, 2.0, 1.0])
    np.testing.assert_array_equal(weighed.train.weights, by_number[np.asarray(data.train.y)])


ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "several outputs": (
        {"a": LABELS, "b": LABELS},
        {"a": SPARSE, "b": SPARSE},
        "of 2 outputs",
    ),
    "positions": (np.stack([LABELS, LABELS], 1), SPARSE, "labels for each position"),
    "positions one-hot": (np.stack([ONE_HOT] * 2, 1), "categorical_crossentropy", "each position"),
    "fractions": (LABELS / 2, "mse", "not all of them are whole"),
    "regression": (LABELS, "mean_squared_error", "mean_squared_error compares numbers"),
    "several numbers": (np.ones((6, 3)), "mse", "do not add up to 1"),
    "several labels": (ONE_HOT, "binary_crossentropy", "several labels a sample"),
    "below 0": (LABELS - 1, SPARSE, "a target is -1"),
    "all without weight": (LABELS * 0, SPARSE, "no training sample is left"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_targets_that_are_no_classes_are_refused(what: str) -> None:
    y, loss, told = REFUSED[what]
    with pytest.raises(UserError, match=rf"^training.class_weight: .*{told}.*give each") as raised:
        with_class_weights(data_of(y), loss, {"0": 0.0, "2": 5.0})
    assert raised.value.code == "training-setting"


@pytest.mark.parametrize(
    ("y", "loss"),
    [
        (LABELS, SPARSE),
        (ONE_HOT, "categorical_crossentropy"),
        (ONE_HOT, "mse"),
        (LABELS[:, None], SPARSE),
        (np.minimum(LABELS, 1), "binary_crossentropy"),
        (np.minimum(LABELS, 1)[:, None], "binary_crossentropy"),
        (np.minimum(LABELS, 1), "mse"),
        ({"out": LABELS}, {"out": SPARSE}),
    ],
)
def test_classes_are_taken_in_all_their_forms(y: Any, loss: Any) -> None:
    found = weights(y, loss, {"0": 3.0})
    assert found == [3, 3, 3, 1, 1, 1]


def in_batches() -> Dataset:
    import tensorflow as tf

    source = tf.data.Dataset.from_tensor_slices((np.zeros((6, 2), np.float32), LABELS)).batch(4)
    part = Samples(np.zeros((6, 2), np.float32), LABELS)
    return Dataset(Batches("train", source), part, part)


def test_balanced_counts_all_batches() -> None:
    data, _ = with_class_weights(in_batches(), SPARSE, "balanced")
    found = np.concatenate([batch.weights for batch in data.train])
    np.testing.assert_allclose(found, weights(LABELS, SPARSE, "balanced"), rtol=1e-6)


def test_batches_of_one_weighing_are_one_data_set_with_one_probe() -> None:
    """Every architecture of a search has a trainer, and a probe may be large."""
    data = in_batches()
    one, other, differs = (
        with_class_weights(data, SPARSE, {"0": given})[0] for given in (2.0, 2.0, 3.0)
    )
    assert one is other
    assert one.probe is other.probe
    assert differs is not one


# ------------------------------------------------------------------------------ where they count
@pytest.fixture
def place(tmp_path: Any) -> Workplace:
    return Workplace(str(tmp_path))


BY_CLASS = replace(ADAM, class_weight={"0": 7.0, "3": 0.0}, engine="graph")


def test_they_count_in_the_training_loss_alone(place: Workplace) -> None:
    plain = trainer_for(DATA, PLAIN, replace(ADAM, engine="graph"), SEED, place)
    by_class = trainer_for(DATA, PLAIN, BY_CLASS, SEED, place)
    start = plain.blueprint.initial_weights(5)
    for part in ("train", "validation", "test"):
        one, other = (each.measures.loss_of(start, part) for each in (plain, by_class))
        assert one["accuracy"] == other["accuracy"]
        assert (one["loss"] == other["loss"]) is (part != "train")
    labels = training_labels()
    outputs: Any = plain.measures.training_predictions(start)
    losses = -np.log(outputs[np.arange(len(labels)), labels])
    expected = np.mean(losses * np.where(labels == 0, 7, np.where(labels == 3, 0, 1)))
    found = by_class.measures.loss_of(start, "train")["loss"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_teachers_teach_counts_as_much_as_the_label(place: Workplace) -> None:
    """A class of weight 0 is learnt neither from labels nor from teachers."""
    labels = training_labels()
    learnt = []
    for class_weight in ({"0": 0.0}, {str(number): 0.0 for number in range(1, 10)}):
        spec = replace(BY_CLASS, class_weight=class_weight)
        trainer = trainer_for(DATA, PLAIN, spec, SEED, place, lesson=Lesson(0.5, 1.0))
        start = Checkpoint(trainer.blueprint.initial_weights(5))
        # Of the samples without a weight the two teachers say something else.
        without = (labels == 0) == ("0" in class_weight)
        for teacher in (0, 1):
            taught = np.full((len(labels), 10), 0.1, np.float32)
            taught[without] = np.eye(10, dtype=np.float32)[teacher]
            trainer.member.load(start, np.random.default_rng(0))
            trainer.learn_from(taught)
            trainer.run_epoch(np.arange(len(labels)))
            learnt.append(trainer.member.weights())
    for one, other in (learnt[:2], learnt[2:]):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert any(not np.array_equal(learnt[0][name], learnt[2][name]) for name in learnt[0])


def training_labels() -> Any:
    train = load_dataset(DATA, SEED).train
    assert isinstance(train, Samples)
    return train.y


def test_a_trainer_tells_and_refuses(place: Workplace) -> None:
    spec = TrainingSpec(32, class_weight={"77": 2.0})
    assert any("names 77" in each for each in new_trainer(DATA, PLAIN, spec, SEED, place).remarks)
    several = DataSpec("tests.support.against_keras:named")
    network = NetworkSpec("tests.support.against_keras:functional")
    spec = TrainingSpec(
        16, loss={"label": SPARSE, "sum": "mse"}, metrics={}, class_weight="balanced"
    )
    with pytest.raises(UserError, match=r"training\.class_weight: the targets are of 2 outputs"):
        new_trainer(several, network, spec, SEED, place)
