"""A PyDataset of any epoch of any member: what `fit` would make of it, whatever ran before."""

from __future__ import annotations

import numpy as np
import pytest

from apps.datasets.batches import Batches
from apps.datasets.load import load_dataset, prepare, told
from apps.errors import UserError
from apps.messages.specs import DataSpec
from apps.messages.tasks import TrainTask
from apps.tasks.train import epoch_order
from tests.support.small import SEED, training

HERE = "tests.support.batches"
KINDS = "tests.support.kinds"


def data(name: str, module: str = HERE, **params: object) -> DataSpec:
    return DataSpec(f"{module}:{name}", params, validation=20)


def task(source: DataSpec, **changes: int) -> TrainTask:
    return training(data=source, **changes)


def train_part(source: DataSpec) -> Batches:
    part = load_dataset(source, SEED).train
    assert isinstance(part, Batches)
    return part


def test_hooks_are_called_as_fit_calls_them() -> None:
    import keras

    from tests.support.batches import hooked

    seen: list[tuple[int, int]] = []
    theirs = hooked("counting")["train"]
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append((theirs.begun, theirs.ended))
    )
    model.fit(theirs, epochs=3, verbose=0, callbacks=[watch])
    given = task(data("hooked", what="counting"))
    part = train_part(given.data)
    ours = []
    for epoch in range(3):
        source = part.epoch(epoch_order(given, epoch, part))
        with source.running():
            state = source._state.source
            ours += [(state.begun, state.ended)] * len(source)
    assert ours == seen


@pytest.mark.parametrize("what", ["shuffled", "augmented", "augmented later"])
def test_members_and_epochs_draw_numbers_of_their_own(what: str) -> None:
    given = task(data("hooked", what=what))
    part = train_part(given.data)
    first = {}
    for member in (0, 1):
        for epoch in (0, 1):
            own = task(given.data, member=member)
            source = part.epoch(epoch_order(own, epoch, part))
            with source.running():
                first[member, epoch] = np.concatenate([x for x, _ in source])
    assert len({each.tobytes() for each in first.values()}) == 4


def test_a_generator_of_its_own_that_moves_on_after_the_first_batch_is_refused() -> None:
    with pytest.raises(UserError, match="can be read once only: its second pass"):
        prepare(data("hooked", what="moving later"))


@pytest.mark.parametrize("what", ["augmented", "augmented later"])
def test_an_epoch_draws_the_same_whatever_was_drawn_before(what: str) -> None:
    part = train_part(data("hooked", what=what))
    order = part.order(np.random.default_rng(1))
    one = [np.asarray(x) for x, _ in part.epoch(order)]
    np.random.random(3)
    np.testing.assert_array_equal(one, [np.asarray(x) for x, _ in part.epoch(order)])


def test_what_is_drawn_from_global_generators_leaves_no_trace() -> None:
    part = train_part(data("hooked", what="augmented"))
    order = part.order(np.random.default_rng(1))
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    list(part.epoch(order))
    assert np.random.random() == expected


# ------------------------------------------------------------------------------------- in words
def test_processes_that_were_asked_for_are_threads_and_it_is_said() -> None:
    remarks = told(data("hooked", processes=True), SEED).remarks
    assert remarks == ("train: threads read it instead of processes (use_multiprocessing)",)


def test_hooks_that_cannot_be_repeated_are_told() -> None:
    source = data("hooked", what="unrepeatable")
    prepare(source)
    (remark,) = told(source, SEED).remarks
    assert "a run cannot be repeated or continued exactly" in remark
    assert told(data("hooked", what="shuffled"), SEED).remarks == ()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("unknown", "train: a PyDataset must know its number of batches"),
        ("lock", "train: a PyDataset with on_epoch_begin .* cannot be: TypeError"),
    ],
)
def test_a_pydataset_that_cannot_be_followed_is_refused(what: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(data("hooked", what=what))


@pytest.mark.parametrize(
    ("source", "told_so"),
    [
        (data("streamed", KINDS, kind="dataset"), True),
        (data("streamed", KINDS, kind="indexed"), False),
        (data("deaf"), True),
        (data("deaf", listens=True), False),
    ],
)
def test_one_order_for_all_members_is_told(source: DataSpec, told_so: bool) -> None:
    remarks = told(source, SEED).remarks
    assert any("every member meets the training batches in one order" in r for r in remarks) == (
        told_so
    )
