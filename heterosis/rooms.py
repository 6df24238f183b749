"""The packages of this distribution, found where it lies, whatever else has their names.

`apps`, `workflow`, `analysis` and `site_configs` are common words: a folder on `sys.path` (the
current one, one of PYTHONPATH) may have an `analysis.py` of the user's own. Each process of
heterosis imports this package first, and with it those four, from beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

ROOMS: Final = ("apps", "workflow", "analysis", "site_configs")

_HOME: Final = Path(__file__).resolve().parents[1]


def claim() -> None:
    """Import the rooms from beside this package; what they import follows them.

    Raises:
        ImportError: the process has imported something else under one of their names.
    """
    for name in ROOMS:
        there = sys.modules.get(name)
        if there is None:
            _import(name)
        elif not _is_ours(there):
            raise ImportError(
                f"heterosis has a package {name!r}, and {_place(there)} was imported under that "
                "name before it: import heterosis first, or call the other one differently",
                name=name,
            )


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of a room in a process of its own.

    Args:
        module: dotted; it finds itself as `__main__`.
        arguments: its own, from `sys.argv[1]` on.
    """
    program = f"import heterosis, runpy; runpy.run_module({module!r}, None, '__main__', True)"
    # -P: the current folder is no place to look for modules.
    return [sys.executable, "-P", "-c", program, *arguments]


@dataclass(frozen=True)
class Function:
    """A function of a room on its way to another process: it goes by its name.

    Whoever reads its pickle imports this package first, so that the names of the rooms mean them,
    there too.

    Attributes:
        module: where it is.
        function: its name there.
        __name__: what to call it in logs.
    """

    module: str
    function: str
    __name__: str

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        function: Callable[..., Any] = getattr(import_module(self.module), self.function)
        return function(*arguments)


def _import(name: str) -> None:
    spec = PathFinder.find_spec(name, [str(_HOME)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{_HOME} lacks {name}: install heterosis anew", name=name)
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _is_ours(module: ModuleType) -> bool:
    folders = getattr(module, "__path__", ())
    return any(Path(folder).resolve().parent == _HOME for folder in folders)


def _place(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or module)
