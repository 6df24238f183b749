"""The errors of the project: every one states the rule, what was received, and the next step."""

from __future__ import annotations

import re
from typing import Final

# What Keras and TensorFlow wrap their reasons in: where it happened, and bold letters.
_WRAPPING: Final = re.compile(r"^Exception encountered when calling .*|\{\{.*?\}\} *|\x1b\[\d*m")


class HeterosisError(Exception):
    """Base of all errors raised on purpose; its text is meant for the user."""


class UserError(HeterosisError):
    """Wrong input (file, option, plug-in, data): ends a command with exit code 2."""


def first_line(error: BaseException) -> str:
    r"""Return an error's class and the first line of its text that tells something.

    >>> first_line(ValueError("Exception encountered when calling Dense.call().\n\nno such axis"))
    'ValueError: no such axis'
    """
    lines = (_WRAPPING.sub("", line).strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {next(filter(None, lines), '')}"
