"""The only place where functions become Parsl apps.

Parsl knows an app by its module and name alone, so each kind of task has one function of its own,
and what varies (an operator, say) travels in the message. The functions stay undecorated in
`apps.tasks.perform`, where a worker finds them by name.
"""

from __future__ import annotations

from typing import Any, Final

import parsl

from apps.messages.tasks import ExportTask, HarvestTask, MateTask, Task, TrainTask
from apps.tasks import checkup, perform

APPS: Final[dict[type[Task], Any]] = {
    TrainTask: parsl.python_app(perform.train, cache=True),
    MateTask: parsl.python_app(perform.mate, cache=True),
    HarvestTask: parsl.python_app(perform.harvest, cache=True),
    ExportTask: parsl.python_app(perform.export, cache=True),
}
"""The app of each kind of task: called with the task, its workplace and the upstream futures."""


def checkup_app(executor: str) -> Any:
    """Return the app that looks at a worker of one executor; its answer is never stored."""
    return parsl.python_app(checkup.checkup, executors=[executor], cache=False)
