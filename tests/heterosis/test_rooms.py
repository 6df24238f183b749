"""The rooms are found beside the package, whatever a user's files are called."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from heterosis.rooms import ROOMS, Function, command
from tests.support.experiments import read_tables
from tests.support.names import NEAR, environment, project

ROOT = Path(__file__).parents[2]
TELL = f"import json, sys; print(json.dumps({{n: sys.modules[n].__path__[0] for n in {ROOMS!r}}}))"


def python(*arguments: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=check,
    )


def places(out: str) -> set[Path]:
    return {Path(place).parent for place in json.loads(out).values()}


def test_files_of_their_names_on_the_path_do_not_hide_them(tmp_path: Path) -> None:
    folder = project(tmp_path)
    hidden = python("-c", "import apps; print(apps.__file__)", folder=folder).stdout.strip()
    assert hidden == str(folder / "apps.py"), "else this shows nothing"
    assert places(python("-c", f"import heterosis; {TELL}", folder=folder).stdout) == {ROOT}


def test_a_module_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    folder = project(tmp_path)
    argv = command("site_configs.interchange", "no number")
    done = subprocess.run(argv, cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert "invalid literal for int() with base 10: 'no number'" in done.stderr
    assert f"{ROOT}/site_configs/interchange.py" in done.stderr


def test_it_looks_for_nothing_in_the_current_folder(tmp_path: Path) -> None:
    for name in ("heterosis", "runpy", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    argv = command("site_configs.interchange", "no number")
    path = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        argv, cwd=tmp_path, env=os.environ | path, capture_output=True, text=True, check=False
    )
    assert "invalid literal for int() with base 10: 'no number'" in done.stderr


def test_a_function_on_its_way_brings_the_rooms_with_it(tmp_path: Path) -> None:
    folder = project(tmp_path)
    sent = Function("apps.errors", "did_you_mean", "asked")
    assert sent.__name__ == "asked"
    program = (
        f"import pickle; print(pickle.loads({pickle.dumps(sent)!r})('trails', ['trials'])); {TELL}"
    )
    said, where = python("-c", program, folder=folder).stdout.splitlines()
    assert said == "did you mean 'trials'? "
    assert places(where) == {ROOT}


def test_a_name_that_was_taken_before_is_told(tmp_path: Path) -> None:
    folder = project(tmp_path)
    done = python("-c", "import apps, heterosis", folder=folder, check=False)
    assert done.returncode == 1
    assert f"a package 'apps', and {folder / 'apps.py'} was imported" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("site", "workers"), [("local_threads", 2), ("local_processes", 1)])
def test_a_project_may_call_its_files_as_it_likes(tmp_path: Path, site: str, workers: int) -> None:
    folder = project(tmp_path)
    arguments = ["-m", "heterosis", "run", "--site", site, "--workers", str(workers), "--quiet"]
    done = python(*arguments, folder=folder, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    run = folder / "runs" / "names"
    assert set(read_tables(run)["trials"]["status"]) == {"done"}
    seen = {path.name: path.read_text() for path in folder.glob("seen-*.txt")}
    assert seen == dict.fromkeys(("seen-data.txt", "seen-network.txt", "seen-mutation.txt"), NEAR)
