"""A site is found by its name or file, or one line says what is wrong with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import parsl
import pytest

from apps.errors import UserError
from site_configs import local_processes, local_threads
from site_configs.options import SITES, SiteOptions, find_site, interpreter_first_on_path

OWN = """
import parsl

def make_config(options):
    return parsl.Config(
        executors=[parsl.ThreadPoolExecutor(max_threads=options.workers)], run_dir=options.run_dir
    )
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own site.py"


def test_a_ready_site_is_found_by_its_name() -> None:
    assert find_site("local_threads").make_config is local_threads.make_config
    assert find_site("local_processes").make_config is local_processes.make_config
    assert all(find_site(name) for name in SITES)


def test_a_site_of_ones_own_is_found_by_its_path(own: Path) -> None:
    own.write_text(OWN)
    config = find_site(str(own)).config(Path("here"), 3)
    assert isinstance(config, parsl.Config)
    assert config.executors[0].max_threads == 3
    assert config.run_dir == "here"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "no function make_config"),
        ("make_config = 5", "no function make_config"),
        ("1 / 0", "raised ZeroDivisionError"),
        ("def make_config(:", "raised SyntaxError"),
        ("raise SystemExit(3)", "raised SystemExit"),
    ],
)
def test_a_bad_file_is_told(source: str, told: str, own: Path) -> None:
    own.write_text(source)
    with pytest.raises(UserError, match=told) as caught:
        find_site(str(own))
    assert str(own) in str(caught.value)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def make_config(options): return None", "returned a NoneType"),
        ("def make_config(options): return options.partitions", "raised AttributeError"),
        ("def make_config(): return None", "raised TypeError"),
    ],
)
def test_a_factory_that_fails_is_told(source: str, told: str, own: Path) -> None:
    own.write_text(source)
    site = find_site(str(own))
    with pytest.raises(UserError, match=told) as caught:
        site.config(Path("here"), None)
    assert str(own) in str(caught.value)


def test_an_unknown_site_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'local_processes'"):
        find_site("local_process")
    with pytest.raises(UserError, match="known are local_threads, local_processes"):
        find_site("zzz")
    with pytest.raises(UserError, match="no such file"):
        find_site(str(tmp_path / "missing.py"))


@pytest.mark.parametrize(("threads", "workers"), [(1, 8), (2, 4), (3, 2), (16, 1)])
def test_workers_fill_the_cores_unless_their_number_is_given(
    threads: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert SiteOptions(run_dir="", threads=threads).workers_here == workers
    assert SiteOptions(run_dir="", threads=threads, workers=5).workers_here == 5


@pytest.mark.parametrize("path", ["/usr/bin:/bin", "", None])
def test_the_interpreters_own_programs_come_first(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path is None:
        monkeypatch.delenv("PATH")
    else:
        monkeypatch.setenv("PATH", path)
    first = interpreter_first_on_path()
    assert first.split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert os.environ["PATH"] == first
    assert (path or os.defpath) in first or path == ""
    assert interpreter_first_on_path() == first


def test_a_file_of_options_names_its_site(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[site]\nname = "slurm"\nnodes = 2\ncores_per_node = 8\naddress = "::1"\n')
    site = find_site(str(file), ["nodes=3", "partition=fast", "cores_per_task=2"])
    assert site.settings == {
        "nodes": 3,
        "cores_per_node": 8,
        "address": "::1",
        "partition": "fast",
        "cores_per_task": 2,
    }
    assert site.threads == 2
    (executor,) = site.config(tmp_path / "parsl", None).executors
    assert (executor.provider.nodes_per_block, executor.max_workers_per_node) == (3, 4)


def test_a_file_of_options_may_name_a_factory_beside_it(tmp_path: Path, own: Path) -> None:
    own.write_text(OWN.replace("options.workers", 'options.settings["threads_here"]'))
    (tmp_path / "mine.toml").write_text(f'[site]\nname = "{own.name}"\nthreads_here = 5\n')
    config = find_site(str(tmp_path / "mine.toml")).config(Path("here"), None)
    assert config.executors[0].max_threads == 5


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "has one table"),
        ("[site]", "has one table"),
        ("site = 3", "has one table"),
        ('[site]\nname = "slurm"\n[other]', "has one table"),
        ("[site", "not TOML"),
        ('[site]\nname = "slurmm"', "did you mean 'slurm'"),
    ],
)
def test_a_bad_file_of_options_is_told(source: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(source)
    with pytest.raises(UserError, match=told):
        find_site(str(file))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("key=5", 5),
        ("key=true", True),
        ("key=fast", "fast"),
        ('key="5"', "5"),
        ("key=a=b", "a=b"),
        ("key=", ""),
        ("key=1\nother=2", "1\nother=2"),
    ],
)
def test_an_option_is_toml_or_plain_text(option: str, value: object) -> None:
    assert find_site("slurm", [option]).settings == {"key": value}


@pytest.mark.parametrize("option", ["", "key", "=5"])
def test_an_option_without_key_or_value_is_refused(option: str) -> None:
    with pytest.raises(UserError, match="key=value"):
        find_site("slurm", [option])
