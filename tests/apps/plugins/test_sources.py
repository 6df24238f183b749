"""A run is held to the files that its plug-ins are in and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from apps.errors import UserError
from apps.files import sha256
from apps.plugins.load import call_plugin, forget_plugins
from apps.plugins.sources import check_loaded, files_named, plugin_digest, plugin_sources

Write = Callable[[str], str]


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
