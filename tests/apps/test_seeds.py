"""Seeds are addresses: one address, one stream, whatever else happens."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from apps.errors import UserError
from apps.seeds import Address, Purpose, seed_integer


def draw(*address: int) -> tuple[float, ...]:
    seed, purpose, trial, member, epoch = address
    rng = Address(seed, trial, member, epoch).stream(Purpose(purpose))
    return tuple(rng.random(3))


def test_the_numbers_of_the_purposes_are_part_of_every_result() -> None:
    assert {purpose.name: purpose.value for purpose in Purpose} == {
        "INITIAL_WEIGHTS": 1,
        "DATA_ORDER": 2,
        "RANDOM_LAYERS": 3,
        "SELECTION": 4,
        "MATING": 5,
        "CROSSOVER": 6,
        "MUTATION": 7,
        "ALIGNMENT": 8,
        "DATA_SPLIT": 9,
        "PROBE": 10,
        "ARCHITECTURE": 11,
        "TEST_SPLIT": 13,
        "MADE_DATA": 14,
    }


def test_a_stream_gives_the_numbers_that_it_always_gave() -> None:
    rng = Address(7, trial=1, member=2, epoch=3).stream(Purpose.DATA_ORDER)
    assert rng.permutation(10).tolist() == [1, 5, 2, 0, 8, 6, 7, 3, 9, 4]


def test_every_part_of_an_address_makes_another_stream() -> None:
    addresses = list(product((0, 1), (1, 2), (0, 1), (0, 1), (0, 1)))
    assert len({draw(*address) for address in addresses}) == len(addresses)


def test_parts_of_an_address_do_not_stand_in_for_each_other() -> None:
    assert len({draw(1, 2, *parts) for parts in ((3, 0, 0), (0, 3, 0), (0, 0, 3))}) == 3
    assert draw(12, 3, 0, 0, 0) != draw(1, 2, 3, 0, 0)


def test_a_stream_does_not_depend_on_global_generators() -> None:
    before = draw(1, 1, 0, 0, 0)
    np.random.seed(99)
    assert draw(1, 1, 0, 0, 0) == before


@pytest.mark.parametrize("address", [(-1, 1, 0, 0, 0), (0, 1, -1, 0, 0), (0, 1, 0, 0, -1)])
def test_a_negative_part_is_refused(address: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="at least 0"):
        draw(*address)


def test_a_seed_for_a_library_is_a_python_integer_below_two_to_the_31() -> None:
    address = Address(1)
    rng = address.stream(Purpose.INITIAL_WEIGHTS)
    seeds = [seed_integer(rng) for _ in range(1000)]
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in seeds)
    assert max(seeds) > 2**30
    assert address.seed_integer(Purpose.INITIAL_WEIGHTS) == seeds[0]
