"""Modules of a user's own, imported from the folder that they lie in.

They are kept under private names, one hidden package for each folder, and what they import is
looked for beside them first. So a user's `analysis.py` or `utils.py` collides neither with a
package of that name nor with another project's file, in one process or in many.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from apps.files import sha256
from apps.plugins.modules import lies_in

_PREFIX: Final = "heterosis_own_"


def import_own(name: str, folder: str) -> ModuleType:
    """Return a module that lies in a folder, imported once a process and folder.

    A module that the process has imported from the same file itself is that module.

    Args:
        name: as the modules beside it would import it, dotted.
        folder: absolute path.

    Raises:
        ModuleNotFoundError: as Python raises it; and whatever the module's own code raises.
    """
    module = _imported_otherwise(name, folder)
    return _import(name, _package(folder)) if module is None else module


def forget_own(folder: str | None = None) -> None:
    """Forget the modules of a folder, or of all, so that they are read anew.

    Args:
        folder: absolute path; None for all.
    """
    prefix = _PREFIX if folder is None else _name_of(folder)
    for key, module in list(sys.modules.items()):
        if key.startswith(prefix) or _is_own(module, prefix):
            sys.modules.pop(key, None)


def _name_of(folder: str) -> str:
    return _PREFIX + sha256(folder.encode())[:16]


def _package(folder: str) -> str:
    """Return the name of the hidden package whose submodules are the modules of a folder."""
    name = _name_of(folder)
    if name not in sys.modules:
        if not any(isinstance(each, _Finder) for each in sys.meta_path):
            sys.meta_path.insert(0, _Finder())
        package = ModuleType(name)
        package.__path__ = [folder]
        package.__spec__ = ModuleSpec(name, None, is_package=True)
        sys.modules[name] = package
    return name


def _import(name: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").removeprefix(f"{package}.")
        if missing == error.name:
            raise
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing) from None


def _import_beside(
    package: str,
    folder: str,
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """Import as `builtins.__import__` does, from the importing module's own folder first."""
    top = name.partition(".")[0]
    if level:
        above = (globals or {}).get("__package__") or package
        name = resolve_name("." * level + name, above).removeprefix(package).lstrip(".")
    elif not lies_in(folder, top) or _imported_otherwise(top, folder) is not None:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    module = _import(name, package) if name else sys.modules[package]
    if not fromlist:
        return sys.modules[f"{package}.{top}"]
    if hasattr(module, "__path__"):
        for each in _names(module, fromlist):
            _import_part(".".join(filter(None, (name, each))), package)
    return module


def _names(module: ModuleType, fromlist: Iterable[str]) -> Iterator[str]:
    for name in fromlist:
        for each in getattr(module, "__all__", ()) if name == "*" else (name,):
            if not hasattr(module, each):
                yield each


def _import_part(name: str, package: str) -> None:
    try:
        _import(name, package)
    except ModuleNotFoundError as error:
        if error.name != name:  # the part is there, and something that it imports is not
            raise


class _Finder:
    """Finds the modules of the hidden packages."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(_PREFIX):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Executes a module under the name that its author knows, importing from its folder first."""

    def exec_module(self, module: ModuleType) -> None:
        package, _, name = self.name.partition(".")
        folder = sys.modules[package].__path__[0]
        known = vars(module)
        beside = partial(_import_beside, package, folder)
        known["__builtins__"] = {**vars(builtins), "__import__": beside}
        known["__name__"] = name
        # Pickle, Keras and `inspect` look classes up by their module's name.
        if free := _is_free(name, Path(self.path)):
            sys.modules[name] = module
        try:
            exec(self.get_code(self.name) or "", known)
        except BaseException:
            if free:
                sys.modules.pop(name, None)
            raise


def _is_free(name: str, file: Path) -> bool:
    """Whether a public name means nothing else in this process than this file."""
    if (there := sys.modules.get(name)) is not None:
        return _is_own(there)
    try:
        spec = find_spec(name)
    except (ImportError, ValueError, AttributeError):  # its package is another's, or not imported
        return "." not in name
    return spec is None or (spec.has_location and Path(spec.origin or "").resolve() == file)


def _is_own(module: Any, prefix: str = _PREFIX) -> bool:
    return str(getattr(getattr(module, "__spec__", None), "name", "")).startswith(prefix)


def _imported_otherwise(name: str, folder: str) -> ModuleType | None:
    """Return the module if the process itself has imported the same file under its own name."""
    module = sys.modules.get(name)
    if module is None or _is_own(module):
        return None
    file = getattr(module, "__file__", None)
    path = Path(folder, *name.split("."))
    files = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return module if file is not None and Path(file).resolve() in files else None
