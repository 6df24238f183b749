from __future__ import annotations

import pytest

from apps.errors import UserError
from apps.lookup import check_settings, lookup

REGISTRY = {"mean": max, "random": min}


def test_a_name_stands_for_what_is_registered() -> None:
    assert lookup(REGISTRY, "mean", "crossover") is max


def test_a_name_with_a_colon_is_a_plugin() -> None:
    assert lookup(REGISTRY, "math:fsum", "crossover").__name__ == "fsum"


def test_an_unknown_name_is_refused_naming_the_nearest() -> None:
    with pytest.raises(UserError, match=r"crossover \"maen\" is unknown.*did you mean 'mean'"):
        lookup(REGISTRY, "maen", "crossover")


def test_an_unknown_setting_is_refused_naming_the_nearest() -> None:
    def gaussian(rng: object, weights: object, scale: float = 0.1) -> float:
        return scale

    check_settings("mutation", gaussian, {"scale": 0.2})
    with pytest.raises(UserError, match="no setting 'scal'; did you mean 'scale'"):
        check_settings("mutation", gaussian, {"scal": 0.2})


def test_what_an_operator_is_given_by_the_project_is_no_setting() -> None:
    def mean(rng: object, parents: object) -> None: ...

    with pytest.raises(UserError, match="no setting 'rng'"):
        check_settings("crossover", mean, {"rng": 1})


def test_a_setting_of_an_operator_has_a_default() -> None:
    def count(distances: object, earlier: object = None, count: int = 2) -> int:
        return count

    def mutate(rng: object, weights: object, keep: object = ()) -> None: ...

    check_settings("species.method", count, {"count": 3})
    for function, key in ((count, "distances"), (count, "earlier"), (mutate, "keep")):
        with pytest.raises(UserError, match=f"no setting '{key}'"):
            check_settings("operator", function, {key: 1})


def test_who_gives_nothing_reserves_no_name() -> None:
    def network(weights: object, count: int = 3) -> object:
        return weights, count

    check_settings("network", network, {"weights": None, "count": 2}, given=())
    with pytest.raises(UserError, match="no setting 'counts'; did you mean 'count'"):
        check_settings("network", network, {"counts": 2}, given=())


def test_a_setting_that_is_never_read_is_refused() -> None:
    def network(count: int = 3, **rest: object) -> int:
        return count

    check_settings("network", network, {"count": 2}, given=())
    with pytest.raises(UserError, match=r"network takes width \(it goes into \*\*rest\) and never"):
        check_settings("network", network, {"width": 2}, given=())
