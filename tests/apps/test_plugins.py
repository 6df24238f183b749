"""A plug-in is found and called, or one message says what is wrong with it and where."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from apps.errors import UserError
from apps.files import sha256
from apps.plugins import (
    call_plugin,
    check_loaded,
    files_named,
    forget_plugins,
    is_plugin,
    load_plugin,
    plugin_digest,
    plugin_sources,
)
from apps.runtime import load_keras

Write = Callable[[str], str]


@pytest.fixture
def search_path(tmp_path: Path) -> Iterator[str]:
    """A folder for plug-ins; `sys.path` is restored afterwards."""
    before = list(sys.path)
    yield str(tmp_path)
    sys.path[:] = before


@pytest.fixture
def write(search_path: str) -> Write:
    """Writes a module of a fresh name into the search path and returns the name."""

    def write_module(source: str) -> str:
        name = f"plugin_{uuid4().hex}"
        (Path(search_path) / f"{name}.py").write_text(source)
        return name

    return write_module


def test_load_plugin_finds_the_function_in_the_search_path(write: Write, search_path: str) -> None:
    name = write("def double(x):\n    return 2 * x\n")
    assert load_plugin(f"{name}:double", search_path)(4) == 8
    assert call_plugin(f"{name}:double", {"x": 5}, search_path) == 10


def test_load_plugin_takes_dotted_modules_and_attributes() -> None:
    assert load_plugin("os.path:join")("a", "b") == "a/b"
    assert load_plugin("pathlib:Path.cwd")() == Path.cwd()


def test_search_path_shadows_no_installed_module(
    search_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    (Path(search_path) / "colorsys.py").write_text("def rgb_to_hsv(*rgb): return 'shadowed'\n")
    assert load_plugin("colorsys:rgb_to_hsv", search_path)(0, 0, 0) == (0, 0, 0)


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


def test_digest_follows_the_source_and_only_that(write: Write, search_path: str) -> None:
    one, same, other = write("def f(): ..."), write("def f(): ..."), write("def f(): 1")
    digest = plugin_digest(f"{one}:f", search_path)
    assert digest == plugin_digest(f"{same}:f", search_path)
    assert digest != plugin_digest(f"{other}:f", search_path)
    (Path(search_path) / f"{one}.py").write_text("def f(): 2")
    assert digest != plugin_digest(f"{one}:f", search_path)


def test_digest_of_one_file_is_that_of_the_file(write: Write, search_path: str) -> None:
    source = "import json\nimport numpy\ndef f(): ..."
    assert plugin_digest(f"{write(source)}:f", search_path) == sha256(source.encode())


def test_digest_follows_a_helper(write: Write, search_path: str) -> None:
    helper = write("VALUE = 1")
    name = write(f"def f():\n    import {helper}\n    return {helper}.VALUE")
    digest = plugin_digest(f"{name}:f", search_path)
    assert list(plugin_sources(f"{name}:f", search_path)) == [f"{name}.py", f"{helper}.py"]
    (Path(search_path) / f"{helper}.py").write_text("VALUE = 2")
    assert digest != plugin_digest(f"{name}:f", search_path)


def test_a_helper_is_read_anew_with_its_plugin(write: Write, search_path: str) -> None:
    helper = write("VALUE = 1")
    name = write(f"from {helper} import VALUE\ndef f(): return VALUE")
    assert call_plugin(f"{name}:f", {}, search_path) == 1
    (Path(search_path) / f"{helper}.py").write_text("VALUE = 23")
    forget_plugins()
    assert call_plugin(f"{name}:f", {}, search_path) == 23


def test_files_that_params_name_or_the_function_declares_are_known(
    write: Write, search_path: str
) -> None:
    for file in ("a.csv", "b.csv"):
        (Path(search_path) / file).write_text(file)
    name = write("def f(path, more, n): ...\nf.files = ['b.csv']\ndef g(): ...\ng.files = ['c']")
    params = {"path": "a.csv", "more": [{"x": "no.csv"}, "", "a" * 5000, "\0"], "n": 3}
    found = files_named(f"{name}:f", params, search_path)
    assert found == {file: sha256(file.encode()) for file in ("a.csv", "b.csv")}
    with pytest.raises(UserError, match="says that it reads 'c', and there is no such file"):
        files_named(f"{name}:g", {}, search_path)


def test_what_is_loaded_is_held_to_the_digest(write: Write, search_path: str) -> None:
    helper = write("VALUE = 1")
    name = f"{write(f'import {helper}')}:{helper}.VALUE.bit_length"
    digest = plugin_digest(name, search_path)
    alone = next(iter(plugin_sources(name, search_path).values()))
    (Path(search_path) / f"{helper}.py").write_text("VALUE = 2")
    for each in ("", digest, alone):  # as it was loaded; as an older run has it
        check_loaded("network", [name], each, search_path)
    forget_plugins()
    with pytest.raises(UserError, match=rf"network: .* has changed .*{helper}\.py"):
        check_loaded("network", [name], digest, search_path)


def test_digest_of_a_module_without_source() -> None:
    assert plugin_digest("sys:intern") != plugin_digest("builtins:len")


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
