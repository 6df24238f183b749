"""The modules of a user's own that a module imports, found in the sources: nothing is imported."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Final

from apps.files import sha256, sha256_file
from heterosis.rooms import ROOMS

_LIBRARIES: Final = tuple(
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platlib", "purelib")
)
_INSTALLED: Final = frozenset(("site-packages", "dist-packages"))
_HOME: Final = Path(__file__).resolve().parents[2]
_ROOMS: Final = tuple(_HOME / name for name in ROOMS)
_HOUSE: Final = (*_ROOMS, _HOME / "heterosis")
_NO_LIBRARIES: Final = frozenset((*sys.stdlib_module_names, *ROOMS, "heterosis"))
_IMPORTERS: Final = ("import_module", "__import__")


def own_modules(name: str, path: Path, folder: str | None = None) -> dict[str, Path]:
    """Return the files of the user's own modules that a module imports, by the modules' names.

    Imports anywhere in a source count, those within functions too, and so on from module to
    module; of `import_module(...)` those whose name is written out. A module is a user's own that
    is neither Python's nor installed nor of heterosis.

    Args:
        name: of the module, as it is imported.
        path: its file.
        folder: looked in first, as `import_own` does.
    """
    found: dict[str, Path] = {}
    left = [(name, path)]
    while left:
        for wanted in _imported(*left.pop()):
            for each in _with_packages(wanted):
                if each == name or each in found or (file := _own_file(each, folder)) is None:
                    continue
                found[each] = file
                left.append((each, file))
    return found


def libraries(name: str, path: Path, folder: str | None = None) -> frozenset[str]:
    """Return the installed packages that a module and its `own_modules` import, by their names.

    Python's own and heterosis are none; of a module that is installed itself, it is its package.

    Args:
        name: of the module, as it is imported.
        path: its file.
        folder: looked in first.
    """
    if is_library(path):
        return frozenset((_top(name),)) - _NO_LIBRARIES
    files = {name: path} | own_modules(name, path, folder)
    imported = {_top(each) for own, file in files.items() for each in _imported(own, file)}
    return frozenset(imported - {_top(own) for own in files} - _NO_LIBRARIES)


def _top(name: str) -> str:
    return name.partition(".")[0]


def sources(name: str, path: Path, folder: str | None = None) -> dict[str, str]:
    """Return the SHA-256 of a module's file and of its `own_modules`, by the files' labels.

    The module's own is the first. A module without a file has the digest of its name.
    """
    if not path.is_file():
        return {name: sha256(name.encode())}
    own = {} if is_library(path) else own_modules(name, path, folder)
    files = {label(name, path): path} | {
        label(each, file): file for each, file in sorted(own.items())
    }
    return {called: sha256_file(file) for called, file in files.items()}


def label(name: str, path: Path) -> str:
    """Return how a module's file is called, wherever it lies.

    >>> label("layers.blocks", Path("/home/user/project/layers/blocks.py"))
    'layers/blocks.py'
    """
    above = name.count(".") + (path.stem == "__init__")
    return path.relative_to(path.parents[above]).as_posix()


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[: count + 1]) for count in range(len(parts)))


def lies_in(folder: str, name: str) -> bool:
    """Whether a folder has a user's own module or package of this name, without dots.

    A folder without `__init__.py` is one where no installed package has its name; before the
    packages of heterosis, whose names a user need not know, it has the way.
    """
    spec = PathFinder.find_spec(name, [folder])
    if spec is None or spec.origin is not None:
        return spec is not None and not is_library(Path(spec.origin or ""))
    other, _ = _found_first(name)
    return other is None or any(other.is_relative_to(each) for each in _ROOMS)


def _own_file(name: str, folder: str | None) -> Path | None:
    """Return the file of a module, if it is a user's own."""
    file, _ = _found(name, folder)
    return None if file is None or is_library(file) else file


def is_library(file: Path) -> bool:
    """Whether a file is Python's, a package's that was installed, or of heterosis."""
    file = file.resolve()
    return bool(
        _INSTALLED & set(file.parts)
        or any(file.is_relative_to(folder) for folder in (*_LIBRARIES, *_HOUSE))
    )


def _found(name: str, folder: str | None) -> tuple[Path | None, list[Path]]:
    """Return a module's file, and the folders that its submodules are in."""
    package, _, last = name.rpartition(".")
    if not package:
        if folder is not None and lies_in(folder, name):
            return _place(PathFinder.find_spec(name, [folder]))
        return _found_first(name)
    # By hand: Python's own finders want the package imported.
    folders = [each / last for each in _found(package, folder)[1]]
    for path in folders:
        for file in (path / "__init__.py", path.with_name(f"{last}.py")):
            if file.is_file():
                return file, [path] if file.parent == path else []
    return None, folders


def _found_first(name: str) -> tuple[Path | None, list[Path]]:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return _place(spec)
    return None, []


def _place(spec: ModuleSpec | None) -> tuple[Path | None, list[Path]]:
    if spec is None:
        return None, []
    folders = [Path(each) for each in spec.submodule_search_locations or ()]
    there = spec.has_location and spec.origin is not None and Path(spec.origin).is_file()
    return Path(spec.origin) if there and spec.origin else None, folders


def _imported(name: str, path: Path) -> tuple[str, ...]:
    """Return the names of modules that a source imports; of `from a import b` also `a.b`."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    try:
        return () if path.suffix != ".py" else _names_imported(path.read_bytes(), package)
    except (OSError, SyntaxError, ValueError):
        return ()  # who imports it is told


# Kept, so that tasks in threads do not parse what their driver did: see `load._names_read`.
@lru_cache(maxsize=512)
def _names_imported(source: bytes, package: str) -> tuple[str, ...]:
    return tuple(_each_imported(ast.parse(source), package))


def _each_imported(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(filter(None, [*above, base]))
            yield from filter(None, [base, *(f"{base}.{n.name}".strip(".") for n in node.names)])
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            written = getattr(node.args[0], "value", None)
            if called in _IMPORTERS and isinstance(written, str) and written.strip("."):
                yield written.lstrip(".")
