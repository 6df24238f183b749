"""What `python -m analysis.report.storing` and its like do with arguments and mistakes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from analysis.tables import ReportError


def answer(
    command: Callable[[Sequence[str]], str], usage: str, least: int, arguments: Sequence[str]
) -> int:
    """Print what a command says and return its exit code; a mistake is one line and 2.

    Args:
        command: from arguments to text.
        usage: the command line, as it is told where arguments are missing.
        least: how many arguments it needs.
        arguments: those given.
    """
    if {"-h", "--help"} & set(arguments):
        print(f"usage: {usage}")
        return 0
    try:
        if len(arguments) < least:
            raise ReportError(f"usage: {usage}")
        print(command(arguments), end="")
    except (ReportError, OSError) as error:
        print("error:", " ".join(str(error).split()), "[report]", file=sys.stderr)
        return 2
    return 0
