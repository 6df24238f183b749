"""A search whose choices cannot be built, or change nothing, is told before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.genetics.domains import Choice, Integer
from apps.genetics.genes import Gene, Space
from apps.messages.specs import NetworkSpec
from apps.messages.tasks import TrainTask, Workplace
from apps.preflight.search_space import check_choices, check_extremes
from tests.support.small import training

UNITS = Gene("units", Integer(3, 5))


def task(hears: tuple[str, ...] = ("units", "depth"), most: int = 99) -> TrainTask:
    params = {"hears": hears, "most": most}
    return training(network=NetworkSpec("tests.apps.preflight.test_search_space:network", params))


def network(
    input_shape: tuple[int, ...],
    classes: int,
    hears: tuple[str, ...],
    most: int,
    units: int = 4,
    depth: int = 1,
) -> Any:
    """A network that may be deaf for its arguments, and refuses to be too large."""
    import keras

    if units * depth > most:
        raise ValueError(f"more than {most}")
    units, depth = units if "units" in hears else 4, depth if "depth" in hears else 1
    layers = [keras.layers.Dense(units) for _ in range(depth)]
    return keras.Sequential(
        [
            keras.layers.Input(input_shape),
            keras.layers.Flatten(),
            *layers,
            keras.layers.Dense(classes, "softmax"),
        ]
    )


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(str(tmp_path))


def test_a_builder_that_hears_every_choice_passes(place: Workplace) -> None:
    space = Space((UNITS, Gene("depth", Integer(1, 2))))
    assert check_choices(task(), space, place) == ()
    assert check_extremes(task(), space, place) == ()


@pytest.mark.parametrize("deaf", ["units", "depth"])
def test_a_choice_that_changes_nothing_is_named(deaf: str, place: Workplace) -> None:
    space = Space((UNITS, Gene("depth", Integer(1, 2))))
    heard = tuple({"units", "depth"} - {deaf})
    with pytest.raises(UserError, match=rf"space\.{deaf}: .* gives the same network for .*when"):
        check_choices(task(heard), space, place)


def by_layer(input_shape: tuple[int, ...], classes: int, depth: int, **units: int) -> Any:
    """A network whose widths are as many arguments as the deepest has layers."""
    import keras

    widths = [units[f"units{layer}"] for layer in range(1, depth + 1)]
    return keras.Sequential(
        [
            keras.layers.Input(input_shape),
            keras.layers.Flatten(),
            *map(keras.layers.Dense, widths),
            keras.layers.Dense(classes, "softmax"),
        ]
    )


@pytest.mark.parametrize("deepest", range(2, 6))
def test_a_choice_that_acts_with_some_of_the_others_only_is_no_error(
    deepest: int, place: Workplace
) -> None:
    depth = Gene("depth", Integer(1, deepest))
    units = [Gene(f"units{n}", Choice((3, 4), ordered=True)) for n in range(1, deepest + 1)]
    builder = NetworkSpec("tests.apps.preflight.test_search_space:by_layer")
    asked = training(network=builder)
    remarks = check_choices(asked, Space((depth, *units)), place)
    assert all(each.startswith("space.units") for each in remarks)
    # With `when` each acts wherever it is.
    whens = [{"depth": tuple(range(n, deepest + 1))} for n in range(1, deepest + 1)]
    active = [replace(gene, when=when) for gene, when in zip(units, whens, strict=True)]
    assert check_choices(asked, Space((depth, *active)), place) == ()


def test_a_choice_that_acts_with_few_of_the_others_is_remarked_on(place: Workplace) -> None:
    others = {f"units{layer}": 3 for layer in range(1, 10)}
    builder = NetworkSpec("tests.apps.preflight.test_search_space:by_layer", others)
    space = Space((Gene("depth", Integer(1, 10)), Gene("units10", Choice((3, 4)))))
    (remark,) = check_choices(training(network=builder), space, place)
    assert remark.startswith("space.units10: the network was the same for two of its values")
    assert "name them by when" in remark


def test_a_combination_that_cannot_be_built_is_remarked_on_where_others_can(
    place: Workplace,
) -> None:
    depth = Gene("depth", Choice((2, 1)))
    (remark,) = check_extremes(task(most=5), Space((Gene("units", Integer(2, 5)), depth)), place)
    assert "more than 5" in remark
    assert '"units": 5' in remark


def test_a_value_that_can_never_be_built_is_refused(place: Workplace) -> None:
    space = Space((Gene("units", Integer(3, 9)), Gene("depth", Integer(1, 2))))
    with pytest.raises(UserError, match=r"space\.units = 9: .*more than 8"):
        check_extremes(task(most=8), space, place)
    with pytest.raises(UserError, match=r"space, all at their least: .*more than 2"):
        check_extremes(task(most=2), space, place)


def test_a_parameter_that_is_said_to_change_no_shapes_must_not(place: Workplace) -> None:
    space = Space((Gene("units", Integer(3, 5), structural=False),))
    with pytest.raises(UserError, match=r"space\.units: structural = false"):
        check_extremes(task(), space, place)
