"""What all tables of the experiment file have in common: strict keys, names, operators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator

from apps.errors import UserError
from apps.lookup import check_settings, lookup
from apps.messages.specs import OperatorSpec
from apps.plugins.load import is_plugin

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.\-]{0,59}")


def checked_name(name: str) -> str:
    """Return the name of an experiment, an arm or a run, which is also a folder's.

    Raises:
        ValueError: it cannot be a folder's name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a name has up to 60 letters, digits and + - . _, and begins with a letter or digit"
        )
    return name


Name = Annotated[str, AfterValidator(checked_name)]


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError("should be a fraction, such as 0.5, or a whole number of epochs")
    return value


Epochs = Annotated[float | int, BeforeValidator(_number)]
"""A fraction of the epochs (0.5), or a number of them (10)."""


def check_operator(registry: Mapping[str, Any], operator: OperatorSpec, what: str) -> None:
    """Check an operator's name and settings; a plug-in's are checked where it is called.

    Raises:
        ValueError: it is not registered, or has no such setting.
    """
    if is_plugin(operator.name):
        return
    try:
        function = lookup(registry, operator.name, what)
        check_settings(f"{what} {operator.name!r}", function, operator.params)
    except UserError as error:
        raise ValueError(str(error)) from error


def named_table(key: str) -> BeforeValidator:
    """Let a plain string stand for a table with only `key` set."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)
