"""The tree of errors that is drawn is the one that there is."""

from __future__ import annotations

import importlib
import re

from apps import errors
from apps.errors import HeterosisError, ReportError, UserError, did_you_mean, first_few, with_code


def drawn() -> list[tuple[int, str, str]]:
    """Depth, name and module of every error in the docstring's tree."""
    lines = re.findall(r"^ {4}([ |`-]*)(\w+) {2,}(.*)$", errors.__doc__ or "", flags=re.M)
    return [
        (len(branch) // 4, name, "".join(re.findall(r"\(([\w.]+)\)$", said)) or "apps.errors")
        for branch, name, said in lines
    ]


def descendants(kind: type[HeterosisError]) -> set[type[HeterosisError]]:
    below = set(kind.__subclasses__())
    return below.union(*map(descendants, below))


def test_the_tree_that_is_drawn_is_the_one_that_there_is() -> None:
    line: list[type] = []
    kinds = set()
    for depth, name, module in drawn():
        kind = getattr(importlib.import_module(module), name)
        del line[depth:]
        assert kind.__base__ is (line[-1] if line else Exception) or line[-1] in kind.__bases__
        line.append(kind)
        kinds.add(kind)
    rooms = ("apps", "workflow", "analysis", "site_configs")
    there = {each for each in descendants(HeterosisError) if each.__module__.startswith(rooms)}
    assert kinds == there | {HeterosisError}


def test_a_report_that_cannot_be_made_is_the_users_to_mend() -> None:
    error = ReportError("runs/x: there are no tables")
    assert isinstance(error, UserError)
    assert with_code(error) == "runs/x: there are no tables [report]"


def test_the_nearest_names_are_asked_for() -> None:
    assert did_you_mean("trails", ["trials", "trains", "seed"]) == "did you mean 'trials'? "
    assert did_you_mean("trails", ["trials", "trails_", "s"], 2).count(" or ") == 1
    assert did_you_mean("x", ["trials"]) == did_you_mean("x", []) == ""


def test_the_first_few_are_named_and_the_others_counted() -> None:
    assert first_few([]) == ""
    assert first_few([1]) == "1"
    assert first_few("abc") == "a, b, c"
    assert first_few([*range(2_000)]) == "0, 1, 2 and 1,997 more"
