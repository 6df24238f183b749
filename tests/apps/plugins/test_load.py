"""A plug-in is found and called, or one message says what is wrong with it and where."""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from apps.plugins.load import call_plugin, check_read, forget_plugins, is_plugin, load_plugin
from apps.runtime import load_keras

Write = Callable[[str], str]


def test_load_plugin_finds_the_function_in_the_search_path(write: Write, search_path: str) -> None:
    name = write("def double(x):\n    return 2 * x\n")
    assert load_plugin(f"{name}:double", search_path)(4) == 8
    assert call_plugin(f"{name}:double", {"x": 5}, search_path) == 10


def test_load_plugin_takes_dotted_modules_and_attributes() -> None:
    assert load_plugin("os.path:join")("a", "b") == "a/b"
    assert load_plugin("pathlib:Path.cwd")() == Path.cwd()


def test_a_users_module_shadows_a_librarys_for_the_user_alone(
    search_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    (Path(search_path) / "colorsys.py").write_text("def rgb_to_hsv(*rgb): return 'own'\n")
    assert load_plugin("colorsys:rgb_to_hsv", search_path)(0, 0, 0) == "own"
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_late_imports_of_a_plugin_find_its_siblings(write: Write, search_path: str) -> None:
    sibling = write("VALUE = 7\n")
    name = write(f"def late():\n    import {sibling}\n    return {sibling}.VALUE\n")
    assert call_plugin(f"{name}:late", {}, search_path) == 7


@pytest.mark.parametrize(
    "reference", ["", "math", "math:", ":sqrt", "a:b:c", "my-data:load", "./m:f"]
)
def test_malformed_reference_is_refused(reference: str) -> None:
    with pytest.raises(UserError, match="module:function") as caught:
        load_plugin(reference)
    assert f'"{reference}"' in str(caught.value)


def test_missing_module_says_where_to_put_it(search_path: str) -> None:
    with pytest.raises(UserError, match=r"no module 'not_there'; put not_there/deep\.py into /"):
        load_plugin("not_there.deep:load", search_path)
    with pytest.raises(UserError, match=r"not_there\.py is not found; put its folder on PYTHON"):
        load_plugin("not_there:load")


def test_import_that_fails_is_told_with_its_own_message_and_line(
    write: Write, search_path: str
) -> None:
    name = write("import os\n\nimport not_installed_anywhere\n")
    with pytest.raises(UserError, match="No module named 'not_installed_anywhere'") as caught:
        load_plugin(f"{name}:load", search_path)
    assert f"{name}.py, line 3" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ndef load(:\n", "SyntaxError"),
        ("\nraise RuntimeError('no\\nluck')\n", "RuntimeError: no luck"),
        ("\nimport json; json.loads('{')\n", "JSONDecodeError"),
        ("\nraise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_module_that_raises_is_told_with_the_users_line(
    write: Write, search_path: str, source: str, expected: str
) -> None:
    name = write(source)
    with pytest.raises(UserError) as caught:
        load_plugin(f"{name}:load", search_path)
    assert expected in str(caught.value)
    assert f"{name}.py, line 2" in str(caught.value)


def test_missing_function_suggests_the_nearest(write: Write, search_path: str) -> None:
    name = write("from os.path import join\ndef load_digits(): ...\ndef other(): ...\n")
    with pytest.raises(UserError, match=r"has no load_digit; did you mean 'load_digits'\?"):
        load_plugin(f"{name}:load_digit", search_path)
    with pytest.raises(UserError, match=r"has no zzz; it has load_digits, other$"):
        load_plugin(f"{name}:zzz", search_path)


def test_value_that_cannot_be_called_is_refused(write: Write, search_path: str) -> None:
    with pytest.raises(UserError, match="must name a function, but it is a int"):
        load_plugin(f"{write('load = 3')}:load", search_path)


def test_params_that_do_not_fit_show_the_arguments(write: Write, search_path: str) -> None:
    name = write("def load(path, size=3): ...\n")
    with pytest.raises(UserError, match=r"\(path, size=3\).*unexpected keyword argument 'sise'"):
        call_plugin(f"{name}:load", {"path": "p", "sise": 4}, search_path)


@pytest.mark.parametrize(
    ("source", "setting"),
    [
        ("def load(size=3): ...", "size"),
        ("def load(path, **rest):\n    return path", r"size \(it goes into \*\*rest\)"),
        ("def load(size=3):\n    size = 4\n    return [0 for _ in 'size']", "size"),
        ("def load(size=3):\n    def inner(): return 1\n    return inner()", "size"),
        ("def load(size=3, *, other=[size for size in (1,)]): ...", "size"),
    ],
)
def test_params_that_are_never_read_are_refused(
    write: Write, search_path: str, source: str, setting: str
) -> None:
    name = write(source)
    params = {"path": "p", "size": 4} if "path" in source else {"size": 4}
    with pytest.raises(UserError, match=f"takes {setting} and never reads it: .*{name}.py, line 1"):
        call_plugin(f"{name}:load", params, search_path)


@pytest.mark.parametrize(
    "source",
    [
        "def load(size=3): return size",
        "def load(size=3): return (lambda: size)()",
        "def load(size=3): return [size for _ in range(1)][0]",
        "def load(**rest): return rest['size']",
        "def load(size=3): return locals()['size']",
        "def load(size=3):\n    size += 0\n    return size",
        "load = lambda size: size",
        "class Loader:\n    @staticmethod\n    def load(size): return size\nload = Loader.load",
        "exec('def load(size): return 4')",
        "import functools\n"
        "def load_size(size, other): return size\n"
        "load = functools.partial(load_size, other=1)",
        "class load(int):\n    def __new__(cls, size): return size",
        "import functools\n"
        "def given(f):\n"
        "    @functools.wraps(f)\n"
        "    def made(size): return size\n"
        "    return made\n"
        "@given\n"
        "def load(size): ...",
    ],
)
def test_params_that_are_read_somehow_are_taken(
    write: Write, search_path: str, source: str
) -> None:
    assert call_plugin(f"{write(source)}:load", {"size": 4}, search_path) == 4


def test_function_that_raises_is_told_with_the_users_line(write: Write, search_path: str) -> None:
    name = write("import json\ndef load():\n    return json.loads('{')\n")
    with pytest.raises(UserError, match="raised JSONDecodeError: Expecting property") as caught:
        call_plugin(f"{name}:load", {}, search_path)
    assert f"{name}.py, line 3" in str(caught.value)


def test_threads_find_a_module_that_another_folder_has_too(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        # Slow to import, so that the threads meet.
        source = "import time\ntime.sleep(0.01)\n"
        (folder / "shared_by_two.py").write_text(f"{source}def where(): return {folder.name!r}\n")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            for folder in folders:
                start = threading.Barrier(4)

                def found(start: threading.Barrier, folder: str) -> Any:
                    start.wait()
                    return load_plugin("shared_by_two:where", folder)()

                with ThreadPoolExecutor(4) as pool:
                    made = [pool.submit(found, start, str(folder)) for _ in range(4)]
                assert [each.result() for each in made] == [folder.name] * 4
    finally:
        sys.setswitchinterval(interval)
        forget_plugins()


def test_only_a_name_with_a_colon_is_a_plugin() -> None:
    assert is_plugin("a:b")
    assert not is_plugin("fashion_mnist")


def test_a_policy_that_a_module_sets_is_refused(write: Write, search_path: str) -> None:
    keras = load_keras()
    name = write("import keras\nkeras.config.set_dtype_policy('mixed_float16')\ndef f(): pass\n")
    for _ in range(2):
        with pytest.raises(UserError, match="sets the dtype policy 'mixed_float16' while"):
            load_plugin(f"{name}:f", search_path)
        assert keras.config.dtype_policy().name == "float32"


def test_settings_are_checked_beside_a_thread_that_parses(write: Write, search_path: str) -> None:
    lines = "".join("    size += size\n" for _ in range(300))
    load = load_plugin(f"{write(f'def load(size=3):{chr(10)}{lines}')}:load", search_path)
    source = inspect.getsource(load)
    failed: list[SystemError] = []

    def give_way(*_: Any) -> None:  # As whoever collects garbage in the middle of parsing may.
        time.sleep(1e-4)

    def often(action: Callable[[], Any]) -> None:
        try:
            for _ in range(20):
                action()
        except SystemError as error:
            failed.append(error)

    before = gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(100)
    try:
        with ThreadPoolExecutor(2) as threads:
            threads.submit(often, lambda: ast.parse(source))
            threads.submit(often, lambda: check_read("load", load, ["size"]))
    finally:
        gc.callbacks.remove(give_way)
        gc.set_threshold(*before)
    assert failed == []
