"""Populations of neural networks as Parsl tasks: halted, crossed, mutated, compared.

What a user imports is here, and nowhere else:

* `run`: runs an experiment, or continues it; returns a `Run`
* `Run`: a run on disk: `Run.open(folder)`, its `arms`, `tables`, `report` and `champion()`
* `Experiment`: what is run, made in Python; `load_experiment`: read from its file
* `FailedArm`: an arm without a champion, of `Run.failed`
* `notebook`: tables, figures and words to look at in Jupyter
* `register_layer`: says what a layer of one's own does with its units
* `UserError`: a mistake in what was asked; `HeterosisError`: it, and all other errors

```python
from heterosis import Experiment, Run, run

experiment = Experiment(
    name="tiny",
    population=4,
    data={"name": "fashion_mnist_sample"},
    training={"epochs": 4},
    arms=[
        {"name": "control"},
        {"name": "mean", "halts": [0.5], "parents": 2, "crossover": "mean"},
    ],
)
done = run(experiment, workers=2)
done.arms
model = Run.open("runs/tiny").champion()  # a keras.Model
```

`python -m heterosis` is the command `heterosis`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from heterosis.rooms import claim

claim()

if TYPE_CHECKING:
    from analysis import notebook
    from apps.architecture import register_layer
    from apps.errors import HeterosisError, UserError
    from workflow.experiment.config import Experiment
    from workflow.experiment.file import load_experiment
    from workflow.launch import run
    from workflow.runs.run import FailedArm, Run

__all__ = [
    "Experiment",
    "FailedArm",
    "HeterosisError",
    "Run",
    "UserError",
    "load_experiment",
    "notebook",
    "register_layer",
    "run",
]

_HOMES: Final = {
    "Experiment": "workflow.experiment.config",
    "FailedArm": "workflow.runs.run",
    "HeterosisError": "apps.errors",
    "Run": "workflow.runs.run",
    "UserError": "apps.errors",
    "load_experiment": "workflow.experiment.file",
    "register_layer": "apps.architecture",
    "run": "workflow.launch",
}

_ELSEWHERE: Final = {
    "best_model": "Run.open(folder).champion()",
    "best_params": "Run.open(folder).card",
    "create_study": "Experiment(...)",
    "fit": "run(experiment)",
    "get_best_models": "Run.open(folder).champion()",
    "load_run": "Run.open(folder)",
    "open_run": "Run.open(folder)",
    "optimize": "run(experiment)",
    "search": "run(experiment)",
    "Study": "Experiment(...)",
    "Tuner": "Experiment(...)",
}
"""What users of other projects look for, and what it is here."""


def __getattr__(name: str) -> Any:
    # Late: a plug-in that imports one name does not load all that runs experiments.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "notebook":
        return import_module("analysis.notebook")
    if name == "__version__":
        return _version()
    hint = f"; here it is heterosis.{_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
    raise AttributeError(f"module 'heterosis' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("heterosis")
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"
