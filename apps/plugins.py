"""Plug-ins, a user's own functions named `"module:function"`: import, call, error messages."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import sys
import sysconfig
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from apps.errors import UserError, did_you_mean
from apps.files import sha256, sha256_file
from apps.own_modules import is_library, label, own_modules
from apps.runtime import prepare, same_policy

_LIBRARIES: Final = tuple(sysconfig.get_path(name) for name in ("stdlib", "platlib", "purelib"))
_MESSAGE_CHARACTERS: Final = 600

_imported: Final[dict[str, str | None]] = {}  # the folder that each module was asked for with
_appended: Final[list[str]] = []
_sources_loaded: Final[dict[str, dict[str, str]]] = {}
_importing: Final = threading.RLock()  # threads of one executor ask for one module at once

_Function = TypeVar("_Function", bound=Callable[..., Any])


def is_plugin(name: str) -> bool:
    """Return whether `name` has the form of a plug-in and not that of a built-in."""
    return ":" in name


def load_plugin(reference: str, search_path: str | None = None) -> Callable[..., Any]:
    """Return the function that `reference` names.

    Args:
        reference: `"module:function"`; both parts may be dotted.
        search_path: a folder to look in beside `sys.path` (the experiment's, say). It is appended
            to `sys.path` and stays there until `forget_plugins`, so that the plug-in's own late
            imports work and no installed module is shadowed.

    Raises:
        UserError: a malformed reference, a module that is missing or cannot be imported, or a
            function that is missing or cannot be called.

    >>> load_plugin("math:sqrt")(9.0)
    3.0
    """
    module_name, attribute = _parts(reference)
    with same_policy(reference):
        module = _import(reference, module_name, search_path)
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


def forget_plugins() -> None:
    """Forget the modules of plug-ins, so that they are imported anew.

    In one process, a notebook say, a file may change between two runs, and two projects may have
    modules of one name. Modules of the user's own that they import are read anew with them.
    """
    with _importing:
        for name in _imported:
            module = sys.modules.get(name)
            for helper in own_modules(name, Path(_file(module))) if module else ():
                sys.modules.pop(helper, None)
            sys.modules.pop(name, None)
        _imported.clear()
        _sources_loaded.clear()
        for folder in _appended:
            if folder in sys.path:
                sys.path.remove(folder)
        _appended.clear()


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
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no file; the middle of an expression
        return None
    if not isinstance(defined := tree.body[0], ast.FunctionDef):
        return None
    names = [node for line in defined.body for node in ast.walk(line) if isinstance(node, ast.Name)]
    return {name.id for name in names if isinstance(name.ctx, ast.Load)}


def plugin_sources(reference: str, search_path: str | None = None) -> dict[str, str]:
    """Return the SHA-256 of the files that a plug-in's code is in, by the files' names.

    The first is its module's own; the others are modules of the user's own that it imports, and
    that these import, in the order of their names. Packages that are installed are left to their
    versions. A module without a file has the digest of its name.
    """
    load_plugin(reference, search_path)
    return _sources(_parts(reference)[0])


def plugin_digest(
    reference: str, search_path: str | None = None, files: Mapping[str, str] | None = None
) -> str:
    """Return one SHA-256 of a plug-in's sources.

    Args:
        reference: `"module:function"`.
        search_path: as `load_plugin` takes it.
        files: SHA-256 of further files that it depends on, by name, as `files_named` gives them.

    Returns:
        Where there is one file only, that of the file.
    """
    return digest_of({**plugin_sources(reference, search_path), **(files or {})})


def digest_of(sources: Mapping[str, str]) -> str:
    """Return one SHA-256 of sources: of one file that file's own."""
    if len(sources) == 1:
        return next(iter(sources.values()))
    return sha256(json.dumps(dict(sources), sort_keys=True).encode())


def joint_digest(digests: Iterable[str]) -> str:
    """Return one SHA-256 of the digests of several plug-ins, in their order."""
    return sha256("".join(digests).encode())


def files_named(
    reference: str, params: Mapping[str, Any], search_path: str | None = None
) -> dict[str, str]:
    """Return the SHA-256 of the files that a plug-in is known to read, by the names they go by.

    These are files that its settings name, and those that its function says in its attribute
    `files`, a list of paths. Paths begin at `search_path`.

    Raises:
        UserError: the attribute is no list of paths, or one of its files is not there.
    """
    function = load_plugin(reference, search_path)
    folder = Path(search_path or ".")
    declared = getattr(function, "files", ())
    if not isinstance(declared, list | tuple) or not all(
        isinstance(each, str | Path) for each in declared
    ):
        raise UserError(
            f'plug-in "{reference}": the attribute files of its function is a list of paths, got '
            f"{declared!r}",
            code="plugin-setting",
        )
    found = {}
    for each in (*map(str, declared), *_texts(params)):
        path = folder / os.path.expanduser(each)
        with suppress(OSError, ValueError):  # a text that can be no path
            if path.is_file():
                found[each] = sha256_file(path)
    if missing := [str(each) for each in declared if str(each) not in found]:
        raise UserError(
            f'plug-in "{reference}": its function says that it reads {missing[0]!r}, and there is '
            f"no such file in {folder.absolute()}",
            code="data-not-found",
        )
    return dict(sorted(found.items()))


def check_loaded(
    what: str, references: Iterable[str], digest: str, search_path: str | None = None
) -> None:
    """Check that plug-ins are loaded as they were when a run began.

    A file that was changed since it was loaded is none of this process's affair.

    Args:
        what: names them, for the message.
        references: the plug-ins.
        digest: of their sources: of one that of `plugin_digest`, of several the joint one; ""
            where none was taken.
        search_path: as `load_plugin` takes it.

    Raises:
        UserError: their sources are others.
    """
    if not digest:
        return
    loaded: list[dict[str, str]] = []
    for each in references:
        load_plugin(each, search_path)
        name = _parts(each)[0]
        with _importing:
            loaded.append(_sources_loaded.setdefault(name, _sources(name)))
    own = [next(iter(each.values())) for each in loaded]
    digests = [digest_of(each) for each in loaded]
    # Older runs know the module's own file alone.
    if digest not in (*own[:1], *digests[:1], joint_digest(own), joint_digest(digests)):
        files = ", ".join(dict.fromkeys(name for each in loaded for name in each))
        raise UserError(
            f"{what}: its source has changed since this run began ({files}); undo the change, or "
            "start over",
            code="plugin-changed",
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _texts(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts(each))


def _sources(name: str) -> dict[str, str]:
    path = Path(_file(sys.modules[name]))
    if not path.is_file():
        return {name: sha256(name.encode())}
    own = {} if is_library(path) else own_modules(name, path)
    files = {label(name, path): path} | {
        label(each, file): file for each, file in sorted(own.items())
    }
    return {called: sha256_file(file) for called, file in files.items()}


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
    folder = None if search_path is None else str(Path(search_path).resolve())
    prepare()  # the module may import TensorFlow
    try:
        return _found(name, folder)
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
        if _imported.get(name, folder) != folder:
            forget_plugins()
        if folder is not None and folder not in sys.path:
            sys.path.append(folder)
            _appended.append(folder)
        importlib.invalidate_caches()
        if name in sys.modules:
            return importlib.import_module(name)
        _imported[name] = folder
        module = importlib.import_module(name)
        _sources_loaded[name] = _sources(name)
        return module


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
        if frame.filename != __file__ and not frame.filename.startswith("<frozen")
    ]
    own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
    for frame in reversed(own or frames):
        return f"{frame.filename}, line {frame.lineno}"
    return "no line known"
