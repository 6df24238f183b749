"""Plug-ins, a user's own functions named `"module:function"`: import, call, error messages."""

from __future__ import annotations

import importlib
import inspect
import symtable
import sys
import sysconfig
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from apps.errors import UserError, did_you_mean
from apps.plugins import imports
from apps.plugins.imports import forget_own, import_own
from apps.plugins.modules import libraries, lies_in, own_modules, sources
from apps.runtime import prepare, same_policy
from heterosis.rooms import ROOMS

_LIBRARIES: Final = tuple(sysconfig.get_path(name) for name in ("stdlib", "platlib", "purelib"))
_OURS: Final = (__file__, imports.__file__)
_MESSAGE_CHARACTERS: Final = 600

_imported: Final[set[str]] = set()  # modules that were found on `sys.path`
_sources_loaded: Final[dict[tuple[str, str | None], dict[str, str]]] = {}
_importing: Final = threading.RLock()  # threads of one executor ask for one module at once

_Function = TypeVar("_Function", bound=Callable[..., Any])


def is_plugin(name: str) -> bool:
    """Return whether `name` has the form of a plug-in and not that of a built-in."""
    return ":" in name


def load_plugin(reference: str, search_path: str | None = None) -> Callable[..., Any]:
    """Return the function that `reference` names.

    Args:
        reference: `"module:function"`; both parts may be dotted.
        search_path: a folder to look in first (the experiment's, say), before `sys.path`. The
            module's own imports, late ones too, look there first as well, and nothing else does:
            `import_own`.

    Raises:
        UserError: a malformed reference, a module that is missing or cannot be imported, or a
            function that is missing or cannot be called.

    >>> load_plugin("math:sqrt")(9.0)
    3.0
    """
    module_name, attribute = _parts(reference)
    try:
        with same_policy(reference):
            module = _import(reference, module_name, search_path)
    except UserError:
        _forget(module_name, search_path)  # who asks again is told again
        raise
    value: Any = module
    for name in attribute.split("."):
        if not hasattr(value, name):
            raise UserError(_missing(reference, module, value, name), code="plugin-not-found")
        value = getattr(value, name)
    if not callable(value):
        raise UserError(
            f'plug-in "{reference}" must name a function, but it is a {type(value).__name__}'
            f" in {_file(module)}",
            code="plugin-not-found",
        )
    function: Callable[..., Any] = value
    return function


def sources_now(reference: str, search_path: str | None = None) -> dict[str, str]:
    """Return the SHA-256 of the files that a plug-in's code is in, by the files' names."""
    name, folder = _parts(reference)[0], _absolute(search_path)
    with _importing:
        load_plugin(reference, search_path)
        return sources(name, Path(_file(_found(name, folder))), folder)


def libraries_of(reference: str, search_path: str | None = None) -> frozenset[str]:
    """Return the installed packages that a plug-in's code imports, by the names of imports."""
    name, folder = _parts(reference)[0], _absolute(search_path)
    with _importing:
        load_plugin(reference, search_path)
        return libraries(name, Path(_file(_found(name, folder))), folder)


def sources_loaded(reference: str, search_path: str | None = None) -> dict[str, str]:
    """Return the same as it was when this process loaded the plug-in."""
    with _importing:
        load_plugin(reference, search_path)
        return _sources_loaded[_parts(reference)[0], _absolute(search_path)]


def forget_plugins() -> None:
    """Forget the modules of plug-ins, so that they are imported anew.

    In one process, a notebook say, a file may change between two runs, and two projects may have
    modules of one name. Modules of the user's own that they import are read anew with them.
    """
    with _importing:
        forget_own()
        for name in [*_imported]:
            _forget_on_path(name)
        _sources_loaded.clear()


def _forget(name: str, search_path: str | None) -> None:
    """Forget one module and what it imports of its folder: other projects keep theirs."""
    with _importing:
        if search_path is not None:
            forget_own(_absolute(search_path))
        if name in _imported:
            _forget_on_path(name)
        folder = _absolute(search_path)
        for key in [key for key in _sources_loaded if key[1] == folder]:
            del _sources_loaded[key]


def _forget_on_path(name: str) -> None:
    _imported.discard(name)
    module = sys.modules.pop(name, None)
    for helper in own_modules(name, Path(_file(module))) if module else ():
        sys.modules.pop(helper, None)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message about a name that is neither a known one nor a plug-in's."""
    hint = did_you_mean(name, known := sorted(known))
    return (
        f'{kind} "{name}" is unknown: {hint}known are {", ".join(known)}, and a plug-in is named'
        ' "module:function"'
    )


def call_plugin(reference: str, params: Mapping[str, Any], search_path: str | None = None) -> Any:
    """Return what the plug-in returns for the keyword arguments `params`.

    Raises:
        UserError: as `load_plugin`; or `params` do not fit the function; or it raised: the message
            has its error and the line of the user's file.
    """
    function = load_plugin(reference, search_path)
    _check_params(reference, function, params)
    try:
        return function(**params)
    except (Exception, SystemExit) as error:
        raise UserError(
            f'plug-in "{reference}" raised {told(error)}', code="plugin-raised"
        ) from error


def check_read(what: str, function: Callable[..., Any], settings: Iterable[str]) -> None:
    """Check that a function uses the settings that it takes.

    An experiment that varies such a setting would compare a network with itself.

    Args:
        what: the function, for the message.
        function: takes the settings. Of one whose source cannot be read, that is wrapped, or that
            looks at its variables as a whole, nothing is said.
        settings: names.

    Raises:
        UserError: the function's source never reads one of them.
    """
    code = getattr(function, "__code__", None)
    if code is None or hasattr(function, "__wrapped__"):
        return
    read = _names_read(function)
    if read is None or read & {"locals", "vars", "eval", "exec"}:
        return
    parameters = inspect.signature(function).parameters
    rest = [name for name, each in parameters.items() if each.kind is each.VAR_KEYWORD]
    for setting in settings:
        name = setting if setting in parameters else next(iter(rest), None)
        if name is not None and name not in read:
            told = setting if name == setting else f"{setting} (it goes into **{name})"
            raise UserError(
                f"{what} takes {told} and never reads it: use it in {code.co_filename}, line "
                f"{code.co_firstlineno}, or take the setting out",
                code="plugin-setting",
            )


def _names_read(function: Callable[..., Any]) -> set[str] | None:
    """Return the names that a function's body reads, inner functions' too; None if it is hidden."""
    # By `symtable`: until Python 3.11.8, `ast.parse` in two threads at once can raise a SystemError
    # (python/cpython#106905), and TensorFlow's AutoGraph parses in the other one.
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tables = symtable.symtable(source, "<source>", "exec").get_children()
    except (OSError, TypeError, SyntaxError):  # no file; the middle of an expression
        return None
    name = function.__code__.co_name
    own = [each for each in tables if (each.get_type(), each.get_name()) == ("function", name)]
    return _names_read_in(own[0]) if own and name != "<lambda>" else None


def _names_read_in(table: symtable.SymbolTable) -> set[str]:
    names = {each.get_name() for each in table.get_symbols() if each.is_referenced()}
    return names.union(*(_names_read_in(each) for each in table.get_children()))


def _absolute(search_path: str | None) -> str | None:
    return None if search_path is None else str(Path(search_path).resolve())


def _parts(reference: str) -> tuple[str, str]:
    parts = reference.split(":")
    if len(parts) != 2 or not all(
        name.isidentifier() for part in parts for name in part.split(".")
    ):
        raise UserError(
            f'a plug-in is named "module:function" (as in "my_data:load"), got "{reference}"',
            code="plugin-not-found",
        )
    return parts[0], parts[1]


def _import(reference: str, name: str, search_path: str | None) -> ModuleType:
    prepare()  # the module may import TensorFlow
    try:
        with _importing:
            module = _found(name, folder := _absolute(search_path))
            if (name, folder) not in _sources_loaded:
                _sources_loaded[name, folder] = sources(name, Path(_file(module)), folder)
            return module
    except (Exception, SystemExit) as error:
        parents = [name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)]
        if isinstance(error, ModuleNotFoundError) and error.name in parents:
            file = f"{name.replace('.', '/')}.py"
            into = f"put {file} into {search_path}, or" if search_path else f"{file} is not found;"
            raise UserError(
                f'plug-in "{reference}": there is no module {error.name!r}; {into} put its folder'
                " on PYTHONPATH",
                code="plugin-not-found",
            ) from error
        raise UserError(
            f'plug-in "{reference}": importing {name} raised {told(error)}', code="plugin-raised"
        ) from error


def _found(name: str, folder: str | None) -> ModuleType:
    with _importing:
        importlib.invalidate_caches()
        top = name.partition(".")[0]
        own = [] if folder is None else [folder]
        # In `sys.modules` the names of the rooms are ours.
        own += [str(Path(each).resolve()) for each in sys.path] if top in ROOMS else []
        for each in own:
            if lies_in(each, top):
                return import_own(name, each)
        if name not in sys.modules:
            _imported.add(name)
        return importlib.import_module(name)


def _missing(reference: str, module: ModuleType, owner: Any, name: str) -> str:
    # Only what a user may mean: their own public functions before what the module imports.
    public = [key for key in dir(owner) if not key.startswith("_")]
    own = [
        key for key in public if getattr(getattr(owner, key), "__module__", "") == module.__name__
    ]
    known = [key for key in own if callable(getattr(owner, key))][:8]
    hint = did_you_mean(name, own or public, most=3)
    hint = hint or (f"it has {', '.join(known)}" if known else "")
    return f'plug-in "{reference}": {_file(module)} has no {name}; {hint}'.rstrip("; ")


def _check_params(reference: str, function: Callable[..., Any], params: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some functions written in C do not tell
    try:
        signature.bind(**params)
    except TypeError as error:
        raise UserError(
            f'the params of plug-in "{reference}" do not fit its arguments {signature}: {error}',
            code="plugin-setting",
        ) from error
    check_read(f'plug-in "{reference}"', function, params)


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or f"module {module.__name__}"


def told(error: BaseException) -> str:
    """Return an error of a user's code in one line: class, text, and the line that raised it."""
    # TensorFlow puts the whole traceback of a generator into its message.
    own = str(error).partition("Traceback (most recent call last)")[0]
    text = textwrap.shorten(" ".join(own.split()), _MESSAGE_CHARACTERS, placeholder=" ...")
    return f"{type(error).__name__}: {text} ({_origin(error)})"


def _origin(error: BaseException) -> str:
    """Return the file and line that raised it: the deepest one outside of libraries."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in _OURS and not frame.filename.startswith("<frozen")
    ]
    own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
    for frame in reversed(own or frames):
        return f"{frame.filename}, line {frame.lineno}"
    return "no line known"
