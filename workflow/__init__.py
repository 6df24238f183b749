"""The driver: decides what runs next. Its Python interface is what is named here.

`run` does what `heterosis run` does and returns a `Run`; `Run.open` opens a finished one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from workflow.config import Experiment
    from workflow.experiment_file import load_experiment
    from workflow.finished import Run
    from workflow.study import run

__all__ = ["Experiment", "Run", "load_experiment", "run"]

_HOMES: Final = {
    "Experiment": "workflow.config",
    "Run": "workflow.finished",
    "load_experiment": "workflow.experiment_file",
    "run": "workflow.study",
}


def __getattr__(name: str) -> Any:
    # Late: who reads a run's tables imports `workflow.schema`, and nothing that runs experiments.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'workflow' has no attribute {name!r}")
