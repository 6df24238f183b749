"""Units of recurrent layers and of attention: which permute, and what is not described."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest

from apps.architecture.symmetries import UnknownSymmetry, permutation_spec
from tests.support.keras_networks import check_alignment

L = keras.layers


def network(read: Callable[[Any], Any], steps: int = 4, features: int = 3) -> Any:
    x = keras.Input((steps, features))
    made = read(L.Dense(6, name="before")(x))
    return keras.Model(x, L.Dense(2, name="last")(L.Flatten()(made)))


@pytest.mark.parametrize(
    ("read", "groups"),
    [
        (L.SimpleRNN(5, name="a"), {"before": 6, "a": 5}),
        (L.GRU(5, name="a"), {"before": 6, "a": 5}),
        (L.GRU(5, name="a", reset_after=False), {"before": 6, "a": 5}),
        (L.LSTM(5, name="a", return_sequences=True), {"before": 6, "a": 5}),
        (L.Bidirectional(L.GRU(5)), {"before": 6, "forward_gru": 5, "backward_gru": 5}),
    ],
)
def test_units_of_a_recurrent_layer_permute_with_all_of_their_gates(
    read: Any, groups: dict[str, int]
) -> None:
    found = check_alignment(network(read))
    assert sorted(found.values()) == sorted(groups.values())


def test_cells_on_top_of_each_other_have_units_of_their_own() -> None:
    cells = [L.GRUCell(5), L.LSTMCell(7)]
    assert sorted(check_alignment(network(L.RNN(cells))).values()) == [5, 6, 7]


def test_a_state_that_is_passed_on_permutes_with_the_layer_that_reads_it() -> None:
    def read(y: Any) -> Any:
        made, state = L.GRU(5, return_sequences=True, return_state=True)(y)
        return L.GRU(5)(made, initial_state=state)

    assert sorted(check_alignment(network(read)).values()) == [5, 6]


def test_heads_permute_as_a_whole_and_what_lies_in_them_alike() -> None:
    model = network(lambda y: L.MultiHeadAttention(2, 5, value_dim=3, name="a")(y, y))
    assert sorted(check_alignment(model).values()) == [2, 3, 5, 6, 6]


def test_heads_that_read_one_key_stay_in_place() -> None:
    model = network(lambda y: L.GroupQueryAttention(5, 4, 2, name="a")(y, y))
    assert sorted(check_alignment(model).values()) == [5, 5, 6, 6]


def test_what_is_compared_by_attention_permutes_together() -> None:
    def read(y: Any) -> Any:
        return L.Attention()([y, L.Dense(5, name="value")(y), L.Dense(6, name="key")(y)])

    assert sorted(check_alignment(network(read)).values()) == [5, 6]


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda y: L.Attention()([y, y], return_attention_scores=True)[0], "giving its scores"),
        (
            lambda y: L.MultiHeadAttention(2, 5)(y, y, return_attention_scores=True)[0],
            "giving its scores",
        ),
        (
            lambda y: L.RNN([L.GRUCell(5), L.GRUCell(5)], return_state=True)(y)[0],
            "of several cells with states passed on",
        ),
    ],
)
def test_what_is_not_described_is_named(read: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(UnknownSymmetry, match=told):
        permutation_spec(network(read))
