"""A run that cannot begin as it was asked for: one line, and nothing is computed."""

from __future__ import annotations

import gzip
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.datasets import fashion_mnist
from apps.records.run_dir import RunDir
from tests.support.experiments import changed, contents, write
from tests.workflow.conftest import Heterosis
from workflow.experiment.file import load_experiment

SAMPLE = Path(fashion_mnist.__file__).parent / "data" / "fashion-mnist-sample"

Prepare = Callable[[Path, Path], list[str | Path]]


def misspelt(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", write(folder / "file", changed(trails=3))]


def nowhere(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", "quik"]


def bad_setting(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--set", "trails=3"]


def missing_plugin(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--set", "network.builder=nowhere:build"]


def too_much_held_out(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--set", "data.validation=100000"]


def truncated_data(folder: Path, tiny: Path) -> list[str | Path]:
    data = Path(shutil.copytree(SAMPLE, folder / "data"))
    file = data / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:1000])
    return ["run", "quick", "--set", f"data.folder={data}"]


def other_data(folder: Path, tiny: Path) -> list[str | Path]:
    data = folder / "data"
    data.mkdir()
    for file in fashion_mnist.FASHION_MNIST.files.values():
        content = bytes(file.header_bytes + math.prod(file.shape))
        (data / f"{file.name}.gz").write_bytes(gzip.compress(content, compresslevel=1))
    return ["run", "quick", "--set", f"data.folder={data}"]


def unknown_site(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--site", "local_thread"]


def missing_site(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--site", folder / "nowhere.py"]


def site(folder: Path, source: str) -> Path:
    (folder / "own.py").write_text(source)
    return folder / "own.py"


def empty_site(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--site", site(folder, "x = 1\n")]


def broken_site(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--site", site(folder, "import nowhere\n")]


def raising_site(folder: Path, tiny: Path) -> list[str | Path]:
    source = "def make_config(options):\n    raise OSError('no queue')\n"
    return ["run", tiny, "--site", site(folder, source)]


def wrong_site(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--site", site(folder, "def make_config(options):\n    return 5\n")]


def unwritable_runs(folder: Path, tiny: Path) -> list[str | Path]:
    (folder / "file").write_text("not a folder")
    return ["run", tiny, "--runs", folder / "file"]


def unwritable_run(folder: Path, tiny: Path) -> list[str | Path]:
    """The lock cannot be written: as in a folder of somebody else, which root cannot have."""
    RunDir(folder / "runs" / "tiny").lock.mkdir(parents=True)
    return ["run", tiny]


def run_that_is_a_file(folder: Path, tiny: Path) -> list[str | Path]:
    (folder / "runs").mkdir()
    (folder / "runs" / "tiny").write_text("not a folder")
    return ["run", tiny, "--fresh"]


def unknown_data_of_a_plan(folder: Path, tiny: Path) -> list[str | Path]:
    return ["plan", tiny, "--no-measure", "--set", "data.name=fashion_mnits"]


def named(name: str) -> Prepare:
    """A run with a name that is none; a folder that it may mean is there."""

    def prepare(folder: Path, tiny: Path) -> list[str | Path]:
        (folder / "up").mkdir()
        return ["run", tiny, "--runs", folder / "runs", "--name", name]

    prepare.__name__ = f"named {name!r}"
    return prepare


def absolute_name(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--name", folder / "up"]


def folder_of_something_else(folder: Path, tiny: Path) -> list[str | Path]:
    (folder / "runs" / "tiny").mkdir(parents=True)
    (folder / "runs" / "tiny" / "thesis.tex").write_text("")
    return ["run", tiny]


def fresh_in_a_folder_of_something_else(folder: Path, tiny: Path) -> list[str | Path]:
    return [*folder_of_something_else(folder, tiny), "--fresh"]


def seen_on_the_workers_only(folder: Path, tiny: Path) -> list[str | Path]:
    return ["run", tiny, "--set", "training.optimizer=adm"]


def seen_on_the_workers_only_of_a_plan(folder: Path, tiny: Path) -> list[str | Path]:
    return ["plan", tiny, "--set", "training.optimizer=adm"]


BAD: list[tuple[Prepare, list[str]]] = [
    (seen_on_the_workers_only, ["tiny.toml: ", "training.optimizer 'adm'"]),
    (seen_on_the_workers_only_of_a_plan, ["tiny.toml: ", "training.optimizer 'adm'"]),
    (unknown_data_of_a_plan, ["tiny.toml: ", "data.name", "fashion_mnist"]),
    *((named(name), ["--name", repr(name), "--runs"]) for name in (".", "..", "../up", "", "a/b")),
    (absolute_name, ["--name", "up", "--runs"]),
    (folder_of_something_else, ["runs/tiny", "not a run directory", "--name"]),
    (fresh_in_a_folder_of_something_else, ["runs/tiny", "not a run directory", "--name"]),
    (misspelt, ["'trails'", "did you mean 'trials'?"]),
    (nowhere, ["'quik'", "did you mean 'quick'?", "smoke"]),
    (bad_setting, ["'trails'"]),
    (missing_plugin, ["nowhere:build", "no module 'nowhere'"]),
    (too_much_held_out, ["data.validation", "100,000"]),
    (truncated_data, ["train-images-idx3-ubyte.gz"]),
    (other_data, ["SHA-256"]),
    (unknown_site, ["'local_thread'", "did you mean 'local_threads'?", "PATH.py"]),
    (missing_site, ["nowhere.py", "no such file"]),
    (empty_site, ["own.py", "make_config(options)", "parsl.Config"]),
    (broken_site, ["own.py", "ModuleNotFoundError", "nowhere"]),
    (raising_site, ["own.py", "make_config raised OSError: no queue"]),
    (wrong_site, ["own.py", "int", "parsl.Config"]),
    (unwritable_runs, ["cannot be written", "Not a directory", "--runs"]),
    (unwritable_run, ["driver.lock", "cannot be written", "--runs"]),
    (run_that_is_a_file, ["cannot be written"]),
]


@pytest.mark.parametrize(("prepare", "told"), BAD, ids=[prepare.__name__ for prepare, _ in BAD])
def test_bad_input_is_one_line_and_code_2_and_nothing_is_computed(
    prepare: Prepare,
    told: list[str],
    tmp_path: Path,
    tiny_file: Path,
    heterosis: Heterosis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HETEROSIS_DATA", str(tmp_path / "cache"))
    arguments = prepare(tmp_path, tiny_file)
    before = contents(tmp_path)
    ended = heterosis(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("error: ")
    assert all(part in line for part in told), line
    after = contents(tmp_path)
    assert {name: after.get(name) for name in before} == before
    assert not list(tmp_path.rglob("result.json"))
    assert not list(tmp_path.rglob("experiment.toml"))


def test_a_run_of_another_experiment_is_left_alone(
    finished: Path, tiny_file: Path, heterosis: Heterosis
) -> None:
    before = contents(finished)
    ended = heterosis(
        "run",
        tiny_file,
        "--runs",
        finished.parent,
        "--set",
        "training.fitness=loss",
        "--set",
        "arms.mean.parents=1",
        "--set",
        "network.params.units=5",
    )
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert f"{finished} belongs to another experiment" in line
    assert "more;" not in line
    assert "training.fitness (there 'val_loss', here 'loss')" in line
    assert "arms.mean.halts.0.parents (there 2, here 1)" in line
    assert "network.params.units (there 4, here 5)" in line
    assert "--name" in line
    assert "--fresh" in line
    assert contents(finished) == before


def test_of_many_differences_a_few_are_told(
    finished: Path, tiny_file: Path, heterosis: Heterosis
) -> None:
    keys = ("seed", "trials", "data.train_limit", "network.params.units", "training.batch_size")
    changes = [part for key in keys for part in ("--set", f"{key}=7")]
    names = ", ".join(f'"{"x" * 50}{number}"' for number in range(9))
    ended = heterosis(
        "run", tiny_file, "--runs", finished.parent, *changes, "--set", f"data.params.x=[{names}]"
    )
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert line.count("(there ") == 4
    assert "; and 1 more; choose another --name" in line  # more trials are none
    assert len(line) < 500


def test_a_changed_plugin_is_another_experiment(tmp_path: Path, heterosis: Heterosis) -> None:
    table = changed(trials=1, arms=[{"name": "control"}], network={"builder": "own_net:build"})
    file = write(tmp_path, table)
    plugin = tmp_path / "own_net.py"
    plugin.write_text("def build(units=4):\n    raise ValueError('not today')\n")
    run_dir = RunDir(tmp_path / "runs" / "tiny")
    write(run_dir.root, load_experiment(file).completed(), run_dir.experiment_toml.name)
    result = run_dir.root / "trial-000/segment-0/member-00/result.json"
    result.parent.mkdir(parents=True)
    result.write_text("{}")
    plugin.write_text("def build(units=5):\n    raise ValueError('not today')\n")
    ended = heterosis("run", file, "--runs", tmp_path / "runs")
    assert ended.code == 2
    assert "network.digest" in ended.err
