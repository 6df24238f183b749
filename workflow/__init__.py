"""The driver: decides what runs next. Its Python interface is what is named here.

`run` does what `heterosis run` does and returns a `Run`; `Run.open` opens one on disk.

The rooms, each of which may import those below it:

* `cli`, `commands`: the command `heterosis`
* `launch`: one run from its experiment to its report
* `watching`: looking at a run from another process
* `runs`, `preflight`: a run on disk; before a run: plan, rehearsal, doctor
* `driver`: while a run goes on: each trial's graph, Parsl's engine, retention, progress
* `experiment`: the experiment file, checked and completed

Beside them lie `experiments/`, the ready ones, and `templates/`, what `heterosis new` writes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from workflow.experiment.config import Experiment
    from workflow.experiment.file import load_experiment
    from workflow.launch import run
    from workflow.runs.run import Run

__all__ = ["Experiment", "Run", "load_experiment", "run"]

_HOMES: Final = {
    "Experiment": "workflow.experiment.config",
    "Run": "workflow.runs.run",
    "load_experiment": "workflow.experiment.file",
    "run": "workflow.launch",
}


def __getattr__(name: str) -> Any:
    # Late: whoever imports one of the rooms does not load all that runs experiments.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'workflow' has no attribute {name!r}")
