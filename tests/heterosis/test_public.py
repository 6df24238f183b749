"""The public names: there, documented, and light to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import heterosis

ROOT = Path(__file__).parents[2]


def test_importing_all_of_them_loads_no_tensorflow() -> None:
    program = (
        "import sys; from heterosis import *; "
        "print(*sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_the_package_alone_loads_only_itself_and_the_names_of_the_rooms() -> None:
    program = (
        "import sys; before = set(sys.modules); import heterosis; "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}"
        " - sys.stdlib_module_names))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert out.split() == ["analysis", "apps", "heterosis", "site_configs", "workflow"]


@pytest.mark.parametrize("name", heterosis.__all__)
def test_each_name_is_there_and_documented(name: str) -> None:
    value = getattr(heterosis, name)
    assert inspect.getdoc(value)
    assert f"`{name}`" in (heterosis.__doc__ or "")
    assert name in dir(heterosis)


def test_other_names_are_not_found_and_some_are_told_apart() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'rum'$"):
        _ = heterosis.rum
    with pytest.raises(AttributeError, match=r"here it is heterosis\.Run\.open\(.*champion\(\)"):
        _ = heterosis.best_model
    for hint in heterosis._ELSEWHERE.values():
        assert hint.partition("(")[0].partition(".")[0] in heterosis.__all__


def test_the_example_is_an_experiment() -> None:
    code = (heterosis.__doc__ or "").partition("```python\n")[2].partition("done = run")[0]
    known: dict[str, object] = {}
    exec(code, known)
    experiment = known["experiment"]
    assert isinstance(experiment, heterosis.Experiment)
    assert [halt.at for halt in experiment.arms[1].halts] == [2]


def test_it_has_its_version() -> None:
    assert heterosis.__version__


def test_an_experiment_in_python_tells_its_mistakes_as_a_file_does() -> None:
    arms = [{"name": "control"}, {"name": "mean", "halts": [0.5], "parents": "two"}]
    with pytest.raises(heterosis.UserError) as told:
        heterosis.Experiment(name="tiny", population="4", training={"epochs": 2}, arms=arms)
    rule = "Input should be a valid integer"
    assert str(told.value).splitlines() == [
        f"experiment 'tiny': population = '4': {rule}",
        f"experiment 'tiny': arms.mean.parents = 'two': {rule}",
    ]
    assert told.value.code == "experiment-object"
    with pytest.raises(heterosis.UserError, match="did you mean 'population'"):
        heterosis.Experiment(name="tiny", populaton=4, training={"epochs": 2}, arms=arms)
