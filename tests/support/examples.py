"""Example messages, made from the declarations: a field that is added later is tested too."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from apps.genetics.domains import Choice, Float, Integer
from apps.genetics.genes import Gene, Space
from apps.messages import results, specs, tasks
from apps.messages.fingerprints import fingerprint
from apps.messages.tasks import ExportTask, HarvestTask, MateTask, TeachTask, TrainTask

TASKS = (TrainTask, MateTask, TeachTask, HarvestTask, ExportTask)

MESSAGES = tuple(
    value
    for module in (specs, results, tasks)
    for value in vars(module).values()
    if is_dataclass(value) and isinstance(value, type) and value.__module__ == module.__name__
)

SPACE = Space((Gene("units", Integer(1, 8)), Gene("rate", Float(0.1, 0.2), target="optimizer")))
"""Its parts hold together: it is not made of examples."""

_PARAMS = {"path": "a", "folder": "b", "deep": {"list": [1, 2.5, None, True, "x"]}}


def example(kind: Any, number: float = 0.1) -> Any:
    """A value of a type; a union's is of its last part, so that nothing optional is left out."""
    origin = get_origin(kind)
    if kind is Space:
        return SPACE
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind, include_extras=True)
        return kind(**{item.name: example(hints[item.name], number) for item in fields(kind)})
    if origin is Annotated:  # its limits are no place for odd numbers
        return example(get_args(kind)[0])
    if origin is Literal:
        return get_args(kind)[0]
    if origin in (Union, UnionType):
        return example([part for part in get_args(kind) if part is not NoneType][-1], number)
    if origin is tuple:
        return (example(get_args(kind)[0], number),) * 2
    if kind == specs.Params:
        return _PARAMS
    if origin is dict:
        values = get_args(kind)[1]
        return {"one": example(values, number), "two": example(values, 2.0)}
    return {str: "text", int: 3, float: number, bool: True}[kind]


def variants(kind: type[Any]) -> Iterator[Any]:
    """Examples of a message with every alternative of every union of its own, and odd numbers."""
    for number in (0.1, -0.0, 1e-320, math.nan, math.inf, -math.inf):
        yield example(kind, number)
    hints = get_type_hints(kind)
    for item in fields(kind):
        hint = hints[item.name]
        if get_origin(hint) in (Union, UnionType, Literal):
            for part in get_args(hint):
                value = part if get_origin(hint) is Literal else _alternative(part)
                yield replace(example(kind), **{item.name: value})
        if get_origin(hint) is tuple:
            yield replace(example(kind), **{item.name: ()})
        if get_origin(hint) is dict:
            yield replace(example(kind), **{item.name: {}})


def _alternative(kind: Any) -> Any:
    return None if kind is NoneType else example(kind)


def changes(value: Any, path: str = "", place: bool = False) -> Iterator[tuple[str, bool, Any]]:
    """Yield for every field within a message: its path, whether it is a place, one change of it."""
    if is_dataclass(value) and not isinstance(value, type | Space):
        for item in fields(value):
            is_place = place or bool(item.metadata.get("place"))
            where = f"{path}.{item.name}" if path else item.name
            for leaf, leaf_is_place, changed in changes(getattr(value, item.name), where, is_place):
                yield leaf, leaf_is_place, replace(value, **{item.name: changed})
        return
    if isinstance(value, dict):
        yield f"{path}{{}}", place, {**value, "more": 1}
        for key, item in value.items():
            for leaf, _, changed in changes(item, f"{path}[{key}]"):
                yield leaf, place, {**value, key: changed}
    elif isinstance(value, tuple | list):
        yield f"{path}()", place, value[:-1]
        for leaf, leaf_is_place, changed in changes(value[-1], f"{path}[-1]", place):
            yield leaf, leaf_is_place, type(value)([*value[:-1], changed])
    else:
        yield path, place, _other(value)


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}+"
    if isinstance(value, Space):
        return Space((*value.genes, Gene("more", Choice(("a", "b")))))
    return 7 if value is None else value + 1


if __name__ == "__main__":  # run by a test, in a process of its own
    for task in TASKS:
        print(fingerprint(example(task), [example(result) for result in (results.TrainResult,)]))
