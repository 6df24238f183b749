"""The errors of the project: every one states the rule, what was received, and the next step.

    HeterosisError              raised on purpose; ends a command with exit code 1
    |-- UserError               wrong input: file, option, plug-in, data; exit code 2
    |   |-- ReportError         a run that nothing can be said of
    |   |   `-- NotebookError   the same in a notebook: one line (analysis.notebook.opening)
    |   |-- UnknownAnatomy      a network that cannot be grown (apps.architecture.morphable)
    |   `-- UnknownSymmetry     a layer that cannot be aligned (apps.architecture.unit_trace)
    |-- DamagedFile             a file is not what its record says (apps.files)
    |-- NotWritten              the disk takes no more, or a folder nothing
    |-- GeneticsError           an operator cannot take its arguments (apps.genetics.errors)
    |-- SiteError               workers cannot be had, or are lost (workflow.driver.engine)
    |-- Stopped                 a task was told to end (apps.worker.stopping)
    |-- TimedOut                a task took too long (apps.worker.stopping)
    `-- TooFewSurvivors         a halt has nobody to mate (apps.breeding.population)

Each carries a `code`, by which docs/errors.md explains it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal

Code = Literal[
    "alignment",
    "callback",
    "champion",
    "command-option",
    "damaged-file",
    "data-batches",
    "data-busy",
    "data-changed",
    "data-damaged",
    "data-form",
    "data-labels",
    "data-not-found",
    "data-setting",
    "data-split",
    "data-values",
    "data-weights",
    "environment",
    "experiment-file",
    "experiment-object",
    "experiment-setting",
    "file-system",
    "folder-not-writable",
    "growth",
    "internal",
    "network-builder",
    "network-fit",
    "network-seed",
    "network-state",
    "no-workers",
    "operator",
    "package-missing",
    "plugin-changed",
    "plugin-not-found",
    "plugin-raised",
    "plugin-setting",
    "predict-input",
    "project-folder",
    "rehearsal",
    "report",
    "run-busy",
    "run-damaged",
    "run-differs",
    "run-folder",
    "seed",
    "site-address",
    "site-file",
    "site-option",
    "stopped",
    "survivors",
    "timeout",
    "training-setting",
    "unknown-name",
    "worker-lost",
]
"""The codes of errors: they never change, and docs/errors.md explains each."""

# What Keras and TensorFlow wrap their reasons in: where it happened, and bold letters.
_WRAPPING: Final = re.compile(r"^Exception encountered when calling .*|\{\{.*?\}\} *|\x1b\[\d*m")


class HeterosisError(Exception):
    """Base of all errors raised on purpose; its text is meant for the user.

    Attributes:
        code: one of `Code`, stable where the text is not.
    """

    code: Code = "internal"

    def __init__(self, text: str, *, code: Code | None = None) -> None:
        """Raise with the text; `code` replaces the class's own."""
        super().__init__(text)
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[Callable[..., HeterosisError], tuple[object, ...]]:
        """Pickle by text and state, since subclasses have other arguments."""
        return _raised_elsewhere, (type(self), self.args, self.__dict__)


def _raised_elsewhere(
    kind: type[HeterosisError], args: tuple[object, ...], state: dict[str, object]
) -> HeterosisError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


def with_code(error: HeterosisError) -> str:
    """Return an error's text in one line, and its code.

    >>> with_code(UserError("data.validation must be at least 0, got -1", code="data-split"))
    'data.validation must be at least 0, got -1 [data-split]'
    """
    return f"{' '.join(str(error).split())} [{error.code}]"


class UserError(HeterosisError):
    """Wrong input (file, option, plug-in, data): ends a command with exit code 2."""

    def __init__(self, text: str, *, code: Code) -> None:
        """Raise with the text: the place, the rule, what was received, the next step."""
        super().__init__(text, code=code)


class NotWritten(HeterosisError):
    """The system refused to write: the disk is full, say. What was computed is stored."""

    code: Code = "file-system"

    def __init__(self, where: Path | str, what: str, error: OSError, do: str) -> None:
        """Raise for what the system said.

        Args:
            where: the folder that was written to.
            what: it is, for the message.
            error: of the system.
            do: the next step.
        """
        reason = error.strerror or str(error)
        named = error.filename is not None and Path(error.filename) != Path(where)
        at = f" ({error.filename})" if named else ""
        super().__init__(f"{where}: {what} cannot be written: {reason}{at}; {do}")


class ReportError(UserError):
    """A run is not what a report, a comparison or a statistic is made of."""

    def __init__(self, text: str) -> None:
        """Raise with the text: the file or name, the rule, what was found, the next step."""
        super().__init__(text, code="report")


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return the question that names the nearest known names, or nothing where none is near.

    Args:
        name: what was received.
        known: what it could have been.
        most: how many are named at most.

    Returns:
        A question and a blank, to be put before what a message goes on with; or "".

    >>> f"there is no key 'trails'; {did_you_mean('trails', ['trials', 'seed'])}there are ..."
    "there is no key 'trails'; did you mean 'trials'? there are ..."
    """
    nearest = get_close_matches(name, list(known), n=most)
    return f"did you mean {' or '.join(map(repr, nearest))}? " if nearest else ""


def first_few(each: Sequence[object], most: int = 3) -> str:
    """Return the first ones with commas between them, and the number of the others.

    >>> first_few(["a", "b", "c"]), first_few(["a", "b", "c"], 2)
    ('a, b, c', 'a, b and 1 more')
    """
    more = len(each) - most
    return ", ".join(map(str, each[:most])) + (f" and {more:,} more" if more > 0 else "")


def first_line(error: BaseException) -> str:
    r"""Return an error's class and the first informative line of its text.

    >>> first_line(ValueError("Exception encountered when calling Dense.call().\n\nno such axis"))
    'ValueError: no such axis'
    """
    lines = (_WRAPPING.sub("", line).strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {next(filter(None, lines), '')}"
