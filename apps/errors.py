"""The errors of the project: every one states the rule, what was received, and the next step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

Code = Literal[
    "alignment",
    "callback",
    "champion",
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
    "no-workers",
    "operator",
    "package-missing",
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
"""What an error is about: stable words, each explained in docs/errors.md."""

# What Keras and TensorFlow wrap their reasons in: where it happened, and bold letters.
_WRAPPING: Final = re.compile(r"^Exception encountered when calling .*|\{\{.*?\}\} *|\x1b\[\d*m")


class HeterosisError(Exception):
    """Base of all errors raised on purpose; its text is meant for the user.

    Attributes:
        code: what it is about.
    """

    code: Code = "internal"

    def __init__(self, text: str, *, code: Code | None = None) -> None:
        """Raise with the text; without a code the class has one."""
        super().__init__(text)
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[Callable[..., HeterosisError], tuple[object, ...]]:
        """Go from a worker to the driver as it is, whatever its class's arguments are."""
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


def first_line(error: BaseException) -> str:
    r"""Return an error's class and the first line of its text that tells something.

    >>> first_line(ValueError("Exception encountered when calling Dense.call().\n\nno such axis"))
    'ValueError: no such axis'
    """
    lines = (_WRAPPING.sub("", line).strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {next(filter(None, lines), '')}"
