"""Data sets by name or plug-in: what they return, how they are split, what is refused."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.datasets import idx, load
from apps.datasets.arrays import Samples
from apps.datasets.checks import checked
from apps.datasets.fashion_mnist import SAMPLE
from apps.datasets.load import (
    Dataset,
    describe,
    forget_datasets,
    load_dataset,
    prepare,
    told,
)
from apps.errors import UserError
from apps.messages.specs import DataSpec
from tests.support.sample_files import needs_full_set, no_fetch

SPEC = DataSpec("fashion_mnist_sample", validation=500)

X = np.arange(24, dtype=np.uint8).reshape(6, 4)
Y = np.arange(6) % 3
GOOD = ((X, Y), (X[:2], Y[:2]))

_returned: Any = None
_calls = 0


def returned(**params: Any) -> Any:
    """The data plug-in of these tests: returns what the test has put there."""
    global _calls
    _calls += 1
    return _returned(**params) if callable(_returned) else _returned


@pytest.fixture(autouse=True)
def clean(nothing_kept: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data set kept, and this module as the plug-in."""
    monkeypatch.setitem(sys.modules, "plugin_of_the_tests", sys.modules[__name__])


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., DataSpec]:
    """Makes the spec of a plug-in that returns a value."""

    def spec(value: Any, **settings: Any) -> DataSpec:
        monkeypatch.setattr(sys.modules[__name__], "_returned", value)
        monkeypatch.setattr(sys.modules[__name__], "_calls", 0)
        return DataSpec("plugin_of_the_tests:returned", **{"validation": 2} | settings)

    return spec


def sample() -> idx.Arrays:
    return idx.decode(idx.read_folder(SAMPLE.folders[0], SAMPLE.files), SAMPLE.files)


def rows(*arrays: Any) -> list[tuple[bytes, int]]:
    """Images with their labels, in an order of their own."""
    x, y = (np.concatenate(part) for part in (arrays[::2], arrays[1::2]))
    return sorted((image.tobytes(), int(label)) for image, label in zip(x, y, strict=True))


# ----------------------------------------------------------------------------------- the built-ins
def test_built_in_returns_raw_pixels_and_class_numbers() -> None:
    data = load_dataset(SPEC, seed=1)
    assert data.train.x.shape == (1500, 28, 28)
    assert data.validation.x.shape == (500, 28, 28)
    assert data.train.x.dtype == data.test.x.dtype == np.uint8
    assert data.train.y.dtype == data.validation.y.dtype == data.test.y.dtype == np.int32
    assert data.input_scale == 1 / 255
    np.testing.assert_array_equal(data.test.x, sample()["x_test"])
    np.testing.assert_array_equal(data.test.y, sample()["y_test"])


@needs_full_set
def test_full_set_is_prepared_and_split() -> None:
    spec = DataSpec("fashion_mnist")
    assert prepare(spec, fetch=no_fetch) is not None
    data = load_dataset(spec, seed=0)
    lengths = [len(data.train.y), len(data.validation.y), len(data.test.y)]
    assert lengths == [50_000, 10_000, 10_000]
    assert np.bincount(np.concatenate([data.train.y, data.validation.y])).tolist() == [6000] * 10
    # The label of Fashion-MNIST's first test images, as its documentation shows them.
    assert data.test.y[:5].tolist() == [9, 2, 1, 1, 6]


def test_channels_add_the_last_axis() -> None:
    flat = load_dataset(SPEC, seed=1)
    data = load_dataset(replace(SPEC, params={"channels": True}), seed=1)
    assert data.train.x.shape == (1500, 28, 28, 1)
    np.testing.assert_array_equal(data.validation.x[..., 0], flat.validation.x)


def test_arrays_are_read_only(plugin: Callable[..., DataSpec]) -> None:
    for spec in (SPEC, plugin(GOOD)):
        data = load_dataset(spec, seed=1)
        for part in (data.train, data.validation, data.test):
            assert not any(array.flags.writeable for array in part.fields)


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match=r'"fashion_mnst" is unknown.*did you mean .fashion_mnist'):
        load_dataset(DataSpec("fashion_mnst"), 0)


@pytest.mark.parametrize(
    ("params", "expected"),
    [({"chanels": True}, 'one key channels, got "chanels"'), ({"channels": 1}, "true or false")],
)
def test_bad_params_of_a_built_in_are_refused(params: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        prepare(replace(SPEC, params=params))


def test_a_folder_is_for_fashion_mnist_only(plugin: Callable[..., DataSpec]) -> None:
    for spec in (SPEC, plugin(GOOD)):
        with pytest.raises(UserError, match=r"data\.folder is for fashion_mnist"):
            prepare(replace(spec, folder="/data"))


# --------------------------------------------------------------------------------------- the split
def test_training_and_validation_partition_the_training_set() -> None:
    data = load_dataset(SPEC, seed=3)
    whole = sample()
    assert rows(data.train.x, data.train.y, data.validation.x, data.validation.y) == rows(
        whole["x_train"], whole["y_train"]
    )


def test_split_is_the_seeds_and_only_the_seeds() -> None:
    one, other = load_dataset(SPEC, seed=1), load_dataset(SPEC, seed=2)
    assert not np.array_equal(one.validation.y, other.validation.y)
    np.testing.assert_array_equal(one.test.x, other.test.x)
    forget_datasets()
    again = load_dataset(SPEC, seed=1)
    assert again is not one
    np.testing.assert_array_equal(one.train.x, again.train.x)
    np.testing.assert_array_equal(one.validation.y, again.validation.y)


def test_split_of_a_seed_never_changes() -> None:
    # Every result depends on it: a change needs a new `apps.messages.fingerprints.NUMERICS`.
    data = load_dataset(SPEC, seed=1)
    assert data.validation.y[:8].tolist() == [4, 0, 4, 5, 6, 0, 8, 5]
    assert data.train.y[:8].tolist() == [6, 2, 9, 9, 3, 9, 9, 8]


@given(n=st.integers(2, 40), data=st.data())
def test_train_limit_keeps_the_first_of_the_rest(n: int, data: st.DataObject) -> None:
    validation = data.draw(st.integers(0, n - 1))
    limit = data.draw(st.integers(1, n + 1))
    seed = data.draw(st.integers(0, 2**40))
    x, y = np.arange(n, dtype=np.float32)[:, None], np.arange(n)
    source = checked(((x, y), (x, y)))
    spec = DataSpec("m:f", validation=validation)
    whole = load._split(spec, source, seed)
    limited = load._split(replace(spec, train_limit=limit), source, seed)
    assert len(whole.validation.y) == validation
    assert sorted([*whole.train.y, *whole.validation.y]) == list(range(n))
    np.testing.assert_array_equal(limited.train.y, whole.train.y[:limit])
    np.testing.assert_array_equal(limited.validation.y, whole.validation.y)
    for part in ("train", "validation"):
        images, labels = getattr(limited, part).fields
        np.testing.assert_array_equal(images[:, 0], labels)


@pytest.mark.parametrize("validation", [2000, 2001])
def test_validation_as_large_as_the_training_set_is_refused(validation: int) -> None:
    spec = replace(SPEC, validation=validation)
    for read in (prepare, lambda spec: load_dataset(spec, 0)):
        with pytest.raises(UserError, match=rf"which has 2,000 samples; got {validation:,}"):
            read(spec)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({"validation": -1}, r"data\.validation .* -1"), ({"train_limit": 0}, r"train_limit .* 0")],
)
def test_impossible_sizes_are_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        prepare(replace(SPEC, **settings))


# --------------------------------------------------------------------------------- kept in memory
def test_threads_share_one_data_set(plugin: Callable[..., DataSpec]) -> None:
    spec = plugin(GOOD)
    loaded: list[Dataset] = []
    threads = [
        threading.Thread(target=lambda: loaded.append(load_dataset(spec, 0))) for _ in range(7)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 7
    assert all(data is loaded[0] for data in loaded)
    assert _calls == 1


def test_last_two_data_sets_are_kept(plugin: Callable[..., DataSpec]) -> None:
    spec = plugin(GOOD)
    for seed in range(5):
        load_dataset(spec, seed)
    load_dataset(spec, 3)
    assert _calls == 5
    load_dataset(spec, 0)  # drops seed 4, the one not asked for longest
    load_dataset(spec, 3)
    assert _calls == 6
    load_dataset(spec, 4)
    assert _calls == 7


def test_failure_is_not_kept(plugin: Callable[..., DataSpec]) -> None:
    with pytest.raises(UserError):
        load_dataset(plugin(None), 0)
    assert len(load_dataset(plugin(GOOD), 0).train.y) == 4


# ----------------------------------------------------------------------------------- the plug-ins
def test_describe_a_plugin(plugin: Callable[..., DataSpec]) -> None:
    assert "6 training and 2 test samples, inputs [4] uint8, targets [] int32" in describe(
        plugin(GOOD)
    )


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        [list(pair) for pair in GOOD],
        {"train": GOOD[0], "test": GOOD[1]},
        Dataset(Samples(*GOOD[0]), Samples(X[:0], Y[:0]), Samples(*GOOD[1]), 1 / 255),
    ],
    ids=["pairs", "lists", "mapping", "Dataset"],
)
def test_each_form_of_a_plugin_gives_the_same(plugin: Callable[..., DataSpec], value: Any) -> None:
    spec = plugin(value)
    assert prepare(spec) is None
    data = load_dataset(spec, seed=5)
    assert data.input_scale == 1 / 255
    assert rows(data.train.x, data.train.y, data.validation.x, data.validation.y) == rows(*GOOD[0])
    np.testing.assert_array_equal(data.test.x, X[:2])
    assert data.test.y.dtype == np.int32


@pytest.mark.parametrize("as_dataset", [False, True])
def test_a_plugins_own_validation_is_used_whole(
    plugin: Callable[..., DataSpec], as_dataset: bool
) -> None:
    mapping = {"train": GOOD[0], "validation": (X[3:], Y[3:]), "test": GOOD[1]}
    dataset = Dataset(Samples(*GOOD[0]), Samples(X[3:], Y[3:]), Samples(*GOOD[1]))
    data = load_dataset(plugin(dataset if as_dataset else mapping, validation=10_000), seed=5)
    np.testing.assert_array_equal(data.validation.x, X[3:])
    assert rows(data.train.x, data.train.y) == rows(*GOOD[0])


def test_params_reach_the_plugin(plugin: Callable[..., DataSpec]) -> None:
    spec = plugin(lambda n: ((X[:n], Y[:n]), GOOD[1]), params={"n": 5})
    assert len(load_dataset(spec, 0).train.y) == 3


def test_numbers_are_brought_to_one_type() -> None:
    x = np.linspace(0, 1, 12).reshape(6, 2)
    source = checked(((x, Y[:, None].astype(np.int64)), (x.tolist(), Y.tolist())))
    assert source.train.x.dtype == source.test.x.dtype == np.float32
    assert source.train.y.dtype == np.int32
    assert source.train.y.shape == (6,)
    assert source.input_scale == 1.0
    assert checked(((x, x), (x, x))).train.y.dtype == np.float32
    assert checked(((x > 0.5, Y > 0), (x > 0.5, Y > 0))).train.x.dtype == np.float32
    assert checked({"train": GOOD[0], "test": GOOD[1], "input_scale": 2}).input_scale == 2


def test_plugins_arrays_stay_writable(plugin: Callable[..., DataSpec]) -> None:
    test = X[:2].copy(), Y[:2].astype(np.int32)
    load_dataset(plugin((GOOD[0], test)), 0)
    assert test[0].flags.writeable
    assert test[1].flags.writeable


def _with(x: Any, index: Any, value: float) -> Any:
    changed = np.asarray(x, np.float64).copy()
    changed[index] = value
    return changed


F = X.astype(np.float32)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            ((X, Y[:5]), GOOD[1]),
            "train must have inputs.* of one length, got 6 in x_train and 5 in y_train",
        ),
        (
            (GOOD[0], (X[:1], Y[:2])),
            "test must have inputs.* of one length, got 1 in x_test and 2 in y_test",
        ),
        (((X[:0], Y[:0]), GOOD[1]), "train must have at least one sample"),
        ((GOOD[0], (X[:0], Y[:0])), "test must have at least one sample"),
        (
            ((_with(F, (3, 1), np.nan), Y), (F, Y)),
            r"x_train must be finite.* nan at index \[3, 1\]",
        ),
        (((F, Y), (_with(F, (0, 2), np.inf), Y)), r"x_test must be finite.* inf at index \[0, 2\]"),
        (((_with(F, (5, 0), 1e300), Y), (F, Y)), r"as float32, got 1e\+300 at index \[5, 0\]"),
        (((F, _with(Y, 4, np.nan)), (F, Y)), r"y_train must be finite.* nan at index \[4\]"),
        (
            ((X.astype(str), Y), GOOD[1]),
            "x_test must be like x_train, .* text; got .* uint8",
        ),
        (((X * 1j, Y), GOOD[1]), "x_train must be numeric, got dtype complex"),
        ((([[1, 2], [3]], Y), GOOD[1]), "x_train must be an array"),
        (((3, Y), GOOD[1]), "x_train must have an axis of samples"),
        (((X, Y + 2**40), GOOD[1]), "y_train must be within int32"),
        ((GOOD[0], (X[:2, :3], Y[:2])), r"x_test must be like x_train, .*\(4,\).*\(3,\)"),
        ((GOOD[0], (F[:2], Y[:2])), "x_test must be like x_train, .*uint8; got .*float32"),
        ((GOOD[0], (X[:2], F[:2, 0])), "y_test must be like y_train, .*int32; got .*float32"),
        ((GOOD[0], X), "test must be a pair"),
        ({"train": GOOD[0]}, "keys train and test .* got train"),
        ({}, "got none"),
        ({"train": GOOD[0], "test": GOOD[1], "val": GOOD[1]}, "got train, test, val"),
        ({"train": GOOD[0], "test": GOOD[1], "input_scale": "1"}, "input_scale must be a finite"),
        (None, "must return .* got NoneType"),
        ((GOOD,), "must return .* got tuple"),
    ],
)
def test_bad_data_of_a_plugin_are_refused(
    plugin: Callable[..., DataSpec], value: Any, expected: str
) -> None:
    spec = plugin(value)
    for read in (prepare, lambda spec: load_dataset(spec, 0)):
        with pytest.raises(UserError, match=expected) as caught:
            read(spec)
        assert str(caught.value).startswith('data plug-in "plugin_of_the_tests:returned": ')
        assert "\n" not in str(caught.value)


def test_plugin_that_cannot_be_imported_is_refused() -> None:
    with pytest.raises(UserError, match="there is no module 'no_such_plugin'"):
        prepare(DataSpec("no_such_plugin:load"))


def test_plugin_may_build_on_a_built_in(plugin: Callable[..., DataSpec]) -> None:
    def bright() -> Dataset:
        data = load_dataset(SPEC, seed=0)
        return replace(data, test=Samples(255 - data.test.x, data.test.y))

    data = load_dataset(plugin(bright), seed=0)
    np.testing.assert_array_equal(data.test.x, 255 - sample()["x_test"])
    assert len(data.validation.y) == 500


def test_a_label_far_beyond_all_others_is_told() -> None:
    remarks = {
        last: told(DataSpec("tests.support.kinds:masks", {"last": last}, validation=9), 0).remarks
        for last in (3, 255)
    }
    assert remarks[3] == ()
    assert "the greatest target is 255, and the next one 2" in remarks[255][0]
