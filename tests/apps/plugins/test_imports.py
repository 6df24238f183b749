"""A project's modules are its own: no name collides with ours, a library's or another project's."""

from __future__ import annotations

import importlib
import multiprocessing
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apps.errors import UserError
from apps.plugins.load import forget_plugins, load_plugin, sources_loaded
from apps.plugins.modules import own_modules
from apps.plugins.sources import plugin_sources

TAKEN = ("analysis", "apps", "workflow", "site_configs", "utils", "tests", "json", "numpy", "own")
LATE = "def load():\n    import {0}\n    from {0} import FOLDER\n    return FOLDER, {0}.FOLDER\n"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """The process's modules are the same ones before and after."""
    forget_plugins()
    before = dict(sys.modules)
    yield
    forget_plugins()
    for name in set(sys.modules) - set(before):
        sys.modules.pop(name)


def write(folder: Path, **sources: str) -> str:
    """Write modules into a folder, `__` for /, and return it."""
    for name, source in sources.items():
        path = folder / f"{name.replace('INIT', '_init_').replace('__', '/')}.py"
        path = path.with_name("__init__.py") if path.stem == "_init_" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return str(folder)


@pytest.mark.parametrize("name", TAKEN)
def test_a_plugin_may_have_any_name(tmp_path: Path, name: str) -> None:
    before = sys.modules.get(name)
    folder = write(tmp_path, **{name: "def load(): return __file__"})
    assert load_plugin(f"{name}:load", folder)() == str(tmp_path / f"{name}.py")
    forget_plugins()
    assert sys.modules.get(name) is before


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("package", [False, True])
def test_a_neighbour_may_have_any_name(tmp_path: Path, name: str, package: bool) -> None:
    file = f"{name}__INIT" if package else name
    folder = write(tmp_path, mine=LATE.format(name), **{file: "FOLDER = __file__"})
    found = load_plugin("mine:load", folder)()
    assert set(found) == {str(tmp_path / (f"{name}/__init__.py" if package else f"{name}.py"))}
    assert len(plugin_sources("mine:load", folder)) == 2


@pytest.mark.parametrize("name", ["workflow", "apps", "own"])
def test_a_folder_without_init_is_a_package(tmp_path: Path, name: str) -> None:
    folder = write(
        tmp_path,
        **{
            f"{name}__data": "from .more import SIZE\ndef load(): return SIZE",
            f"{name}__more": "SIZE = 3",
            "mine": f"from {name} import data\nimport {name}.more\nload = data.load",
        },
    )
    assert load_plugin(f"{name}.data:load", folder)() == 3
    assert load_plugin("mine:load", folder)() == 3
    labels = set(plugin_sources("mine:load", folder))
    assert labels == {"mine.py", f"{name}/data.py", f"{name}/more.py"}


def test_a_folder_of_files_hides_no_library(tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "notes.txt").write_text("")
    folder = write(tmp_path, mine="import numpy\ndef load(): return numpy.float32(2)")
    assert load_plugin("mine:load", folder)() == 2


def test_a_clone_beside_a_plugin_hides_no_public_name(tmp_path: Path) -> None:
    write(tmp_path, heterosis__apps__files="")
    folder = write(tmp_path, mine="from heterosis import UserError\ndef load(): return UserError")
    assert load_plugin("mine:load", folder)() is UserError


@pytest.mark.parametrize("name", ["analysis", "apps"])
def test_a_plugin_of_the_path_may_have_the_name_of_a_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    on_path = write(tmp_path / "path", **{name: "def load(): return __file__"})
    monkeypatch.syspath_prepend(on_path)
    (tmp_path / "project").mkdir()
    found = load_plugin(f"{name}:load", str(tmp_path / "project"))()
    assert found == str(tmp_path / "path" / f"{name}.py")
    assert plugin_sources(f"{name}:load", str(tmp_path / "project")).keys() == {f"{name}.py"}


def test_two_projects_in_one_process_keep_their_own(tmp_path: Path) -> None:
    folders = [
        write(tmp_path / each, mine=LATE.format("utils"), utils=f"FOLDER = {each!r}")
        for each in ("first", "second")
    ]
    functions = [load_plugin("mine:load", folder) for folder in folders]
    for _ in range(2):
        assert [function()[0] for function in functions] == ["first", "second"]
    with ThreadPoolExecutor(8) as pool:
        wanted = [index % 2 for index in range(64)]
        found = list(pool.map(lambda index: load_plugin("mine:load", folders[index])()[0], wanted))
    assert found == [("first", "second")[index] for index in wanted]


def test_a_neighbour_comes_before_another_projects_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write(tmp_path / "other", utils="FOLDER = 'other'", lib="import utils")
    monkeypatch.syspath_prepend(other)
    folder = write(
        tmp_path / "own", mine="import lib\n" + LATE.format("utils"), utils="FOLDER = 'own'"
    )
    assert load_plugin("mine:load", folder)() == ("own", "own")
    assert importlib.import_module("utils").FOLDER == "other"
    assert importlib.import_module("lib").utils.FOLDER == "other"


@pytest.mark.parametrize(
    "imports",
    [
        "from . import act",
        "from .act import *\nfrom . import act",
        "import layers.act\nfrom layers import act",
        "import layers.act as act",
        "from .deep import more\nfrom .deep.more import act",
        "from . import *",
    ],
)
def test_packages_import_their_parts(tmp_path: Path, imports: str) -> None:
    folder = write(
        tmp_path,
        layers__INIT="__all__ = ['act']",
        layers__dense=f"{imports}\nload = act.load",
        layers__act="def load(): return 5",
        layers__deep__INIT="",
        layers__deep__more="from .. import act",
    )
    assert load_plugin("layers.dense:load", folder)() == 5
    assert own_modules("layers.dense", tmp_path / "layers/dense.py", folder)


def test_classes_and_functions_can_be_pickled_to_a_pool(tmp_path: Path) -> None:
    source = (
        "import multiprocessing\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Row:\n    x: 'int'\n"
        "def double(row): return Row(2 * row.x)\n"
        "def load():\n"
        "    with multiprocessing.get_context('fork').Pool(1) as pool:\n"
        "        return pool.map(double, [Row(1), Row(2)])\n"
    )
    folder = write(tmp_path, own_rows=source)
    load = load_plugin("own_rows:load", folder)
    if "fork" in multiprocessing.get_all_start_methods():
        assert [row.x for row in load()] == [2, 4]
    row = load_plugin("own_rows:Row", folder)(3)
    assert pickle.loads(pickle.dumps(row)) == row
    assert type(row).__module__ == "own_rows"


def test_what_is_missing_beside_a_plugin_is_told_by_its_own_name(tmp_path: Path) -> None:
    folder = write(tmp_path, mine="import layers\nimport layers.dense", layers="")
    with pytest.raises(Exception, match=r"No module named 'layers\.dense' .*mine\.py, line 2"):
        load_plugin("mine:load", folder)


def test_a_module_that_the_process_imported_itself_is_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path, own_once="class Net: ...", mine="from own_once import Net")
    monkeypatch.syspath_prepend(folder)
    own = importlib.import_module("own_once")
    assert load_plugin("own_once:Net", folder) is own.Net
    assert load_plugin("mine:Net", folder) is own.Net


def test_a_project_that_fails_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    first = write(tmp_path / "first", mine="import utils\nNet = utils.Net", utils="class Net: ...")
    second = write(tmp_path / "second", mine="import utils\n1 / 0", utils="class Net: ...")
    net, digest = load_plugin("mine:Net", first), plugin_sources("mine:Net", first)
    with pytest.raises(UserError, match="ZeroDivisionError"):
        load_plugin("mine:Net", second)
    assert load_plugin("mine:Net", first) is net
    assert sources_loaded("mine:Net", first) == digest
    (tmp_path / "second" / "mine.py").write_text("import utils\nNet = utils.Net")
    assert load_plugin("mine:Net", second) is not net
