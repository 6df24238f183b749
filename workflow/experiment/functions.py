"""Functions in an experiment that is made in Python: they go by their names, as in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apps.errors import UserError

_VALUES: Final = ("params", "optimizer_params")
"""Tables whose values reach a function as they are: one that is no plain value is refused."""


def by_name(value: Any, key: str = "") -> Any:
    """Return tables in which every function and class, but in `params`, is `"module:function"`.

    Args:
        value: tables, arrays and plain values, with functions among them.
        key: where it is, for messages.

    Raises:
        UserError: one is of no module that another process could import.

    >>> from math import sqrt
    >>> by_name({"loss": sqrt, "metrics": [sqrt, "mae"]})
    {'loss': 'math:sqrt', 'metrics': ['math:sqrt', 'mae']}
    """
    if isinstance(value, Mapping):
        return {
            name: item if name in _VALUES else by_name(item, f"{key}.{name}".strip("."))
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [by_name(item, key) for item in value]
    if not callable(value):
        return value
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", "<")
    if module in (None, "__main__") or "<" in name:
        raise UserError(
            f"{key}: {value!r} cannot be imported by a worker: define it at the top of a file of "
            "its own (in a notebook a cell that begins with %%writefile makes one) and import it "
            "from there",
            code="experiment-object",
        )
    return f"{module}:{name}"
