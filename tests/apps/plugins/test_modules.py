"""The modules of a user's own behind a module: found in the sources, whoever imports them when."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from apps.plugins.modules import label, libraries, own_modules


def found(folder: Path, patch: pytest.MonkeyPatch, **sources: str) -> set[str]:
    """Write modules and return the labels of what the first of them imports; `__` stands for /."""
    patch.syspath_prepend(str(folder))
    names = [name.replace("__", "/").replace("INIT", "__init__") for name in sources]
    paths = [folder / f"{name}.py" for name in names]
    for path, source in zip(paths, sources.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    first = next(iter(sources)).replace("__", ".")
    return {label(name, path) for name, path in own_modules(first, paths[0]).items()}


@pytest.mark.parametrize(
    "source",
    [
        "import own_blocks",
        "import own_blocks as b",
        "from own_blocks import act",
        "from own_blocks import *",
        "def build():\n    from own_blocks import act\n    return act()",
        "class A:\n    def f(self):\n        import own_blocks",
        "import importlib\nblocks = importlib.import_module('own_blocks')",
        "blocks = __import__('own_blocks')",
        "try:\n    import fast_blocks\nexcept ImportError:\n    import own_blocks",
    ],
)
def test_a_helper_is_found_however_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    assert found(tmp_path, monkeypatch, own_net=source, own_blocks="") == {"own_blocks.py"}


def test_helpers_of_helpers_and_packages_are_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(
        tmp_path,
        monkeypatch,
        own_net="import own_layers.dense",
        own_layers__INIT="",
        own_layers__dense="from . import act\nfrom .deep.more import x",
        own_layers__act="import own_net, own_base",
        own_layers__deep__more="from ..act import y",
        own_base="",
        unused="",
    ) == {
        "own_layers/__init__.py",
        "own_layers/dense.py",
        "own_layers/act.py",
        "own_layers/deep/more.py",
        "own_base.py",
    }


def test_libraries_and_the_house_are_no_helpers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import os.path, json, numpy.linalg, keras, apps.errors, workflow, not_there.at_all"
    assert found(tmp_path, monkeypatch, own_net=source) == set()
    assert "not_there" not in sys.modules


def test_what_cannot_be_read_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(tmp_path, monkeypatch, own_net="import own_half", own_half="import (") == {
        "own_half.py"
    }


def test_installed_packages_are_known_that_a_module_and_its_helpers_import(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import os, heterosis\nimport numpy.linalg\nimport aid\n")
    (tmp_path / "aid.py").write_text("def f():\n    from pandas.api import types\n")
    found = libraries("net", tmp_path / "net.py", str(tmp_path))
    assert found == {"numpy", "pandas"}
    assert libraries("pandas.api", Path(pytest.__file__)) == {"pandas"}
