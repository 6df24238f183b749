"""Weights as data: one architecture, vectors and back, layers."""

import numpy as np
import pytest
from hypothesis import given

from apps.errors import HeterosisError
from apps.genetics import weights as w
from apps.genetics.errors import GeneticsError
from tests.support.genetics import dense, families, same


@pytest.fixture
def network(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return dense(rng)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_error_is_the_projects_and_a_value_error():
    assert issubclass(GeneticsError, HeterosisError)
    assert issubclass(GeneticsError, ValueError)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floating_arrays_are_genes(dtype):
    assert w.is_floating(np.zeros(1, dtype))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "complex64", "U3"])
def test_other_arrays_are_not_genes(dtype):
    assert not w.is_floating(np.zeros(1, dtype))


def test_bfloat16_is_a_gene():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1.5, 2.5], ml_dtypes.bfloat16)
    assert w.is_floating(array)
    halved = w.map_floating(lambda _, a: a.astype(np.float64) / 2, {"a": array})
    assert halved["a"].dtype == array.dtype
    assert halved["a"].astype(float).tolist() == [0.75, 1.25]


def test_one_architecture_ignores_order_and_values(network, rng):
    other = {name: rng.normal(size=network[name].shape) for name in reversed(list(network))}
    w.check_alike([network, other])


@pytest.mark.parametrize("number", [0, 1])
def test_missing_array_is_named_with_its_network(network, number):
    networks = [dict(network), dict(network), dict(network)]
    del networks[number]["l1/bias"]
    with pytest.raises(GeneticsError, match=rf"'l1/bias' is missing in network {number}"):
        w.check_alike(networks)


def test_other_shape_names_array_shapes_and_network(network):
    other = {**network, "l0/kernel": np.zeros((7, 6))}
    with pytest.raises(
        GeneticsError, match=r"'l0/kernel' has shape \(7, 5\).*\(7, 6\) in network 2"
    ):
        w.check_alike([network, network, other])


def test_no_network_is_an_error():
    with pytest.raises(GeneticsError, match="received none"):
        w.check_alike([])


@given(families(max_count=1))
def test_flatten_lays_all_genes_end_to_end(family):
    vector = w.flatten(family[0])
    assert vector.dtype == np.float64
    genes = [array.ravel() for name, array in family[0].items() if name != "steps"]
    assert vector.tolist() == np.concatenate(genes).tolist()


def test_network_without_genes_is_an_empty_vector():
    assert w.flatten({"steps": np.array(3)}).shape == (0,)


def test_map_gives_new_arrays_of_the_old_dtypes(network):
    mapped = w.map_floating(lambda _, array: array.astype(np.float64), network)
    assert same(mapped, network)
    assert not any(np.shares_memory(mapped[name], network[name]) for name in network)


def test_copy_shares_nothing(network):
    copied = w.copy(network)
    assert same(copied, network)
    assert not any(np.shares_memory(copied[name], network[name]) for name in network)


def test_cast_like_takes_dtypes_and_order_of_the_model(network):
    wide = {name: network[name].astype(np.float64) for name in reversed(list(network))}
    assert same(w.cast_like(wide, network), network)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_value_makes_a_network_not_finite(network, value):
    assert w.is_finite(network)
    network["l1/kernel"][2, 1] = value
    assert not w.is_finite(network)


def test_layers_keep_nested_names_and_order():
    names = ["b/cell/kernel", "b/cell/bias", "a/kernel", "scale"]
    grouped = w.layers({name: np.zeros(1) for name in names})
    assert list(grouped.items()) == [
        ("b/cell", ("b/cell/kernel", "b/cell/bias")),
        ("a", ("a/kernel",)),
        ("scale", ("scale",)),
    ]
