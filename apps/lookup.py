"""Finding operators and other functions: a registered one by name, a user's own as a plug-in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar, cast

from apps.errors import UserError, did_you_mean
from apps.plugins.load import check_read, is_plugin, load_plugin, unknown

_GIVEN: Final = ("keep", "earlier", "others", "spec", "network", "initial")
"""Arguments that the project gives to operators, and users cannot set."""

_Value = TypeVar("_Value")


def lookup(
    registry: Mapping[str, _Value], name: str, what: str, search_path: str | None = None
) -> _Value:
    """Return what `name` stands for.

    Args:
        registry: the built-in ones by name.
        name: a key of the registry, or a plug-in.
        what: the kind of thing, for the message.
        search_path: where plug-ins are looked for.

    Raises:
        UserError: the name is unknown; the message has the nearest one.

    >>> lookup({"mean": 1}, "mean", "crossover")
    1
    """
    if is_plugin(name):
        return cast(_Value, load_plugin(name, search_path))
    if name in registry:
        return registry[name]
    raise UserError(unknown(what, name, registry), code="unknown-name")


def check_settings(
    what: str,
    function: Callable[..., Any],
    settings: Mapping[str, Any],
    given: Collection[str] | None = None,
) -> None:
    """Check that a function takes the settings of an experiment file.

    Args:
        what: the function, for the message.
        function: what takes them.
        settings: as the user gave them.
        given: arguments that the project gives and that are no settings; None for an operator,
            whose settings all have defaults.

    Raises:
        UserError: a setting is unknown (the message has the known ones), or the function never uses
            it.
    """
    parameters = inspect.signature(function).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        _check_known(what, parameters, settings, given)
    check_read(what, function, settings)


def _check_known(
    what: str,
    parameters: Mapping[str, inspect.Parameter],
    settings: Mapping[str, Any],
    given: Collection[str] | None,
) -> None:
    if given is None:
        given = [name for name, each in parameters.items() if each.default is each.empty]
        given += _GIVEN
    named = [name for name in parameters if name not in given]
    for key in settings:
        if key not in named:
            raise UserError(
                f"{what} has no setting {key!r}; {did_you_mean(key, named)}"
                f"it has {', '.join(named) or 'none'}",
                code="plugin-setting",
            )
