"""Docstrings as the reference shows them: examples are code, and so are formulas."""

from __future__ import annotations

import re
from typing import Any, Final

from griffe import Extension, Object

EXAMPLE: Final = re.compile(r"^>>> .*(?:\n(?!\n).+)*(?:\n\n>>> .*(?:\n(?!\n).+)*)*", re.MULTILINE)
FORMULA: Final = re.compile(r"^\.\. math::\n\n((?: +.*\n?)+)", re.MULTILINE)


class Docstrings(Extension):
    """Puts the doctests and the formulas of every docstring into blocks of code."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Change the docstring of an object that has been read."""
        if obj.docstring is None:
            return
        text = EXAMPLE.sub(_example, obj.docstring.value)
        text = FORMULA.sub(_formula, text)
        obj.docstring.value = text.replace(":math:`", "`")


def _example(found: re.Match[str]) -> str:
    return f"```pycon\n{found[0].rstrip()}\n```"


def _formula(found: re.Match[str]) -> str:
    lines = "\n".join(line.strip() for line in found[1].strip().splitlines())
    return f"```tex\n{lines}\n```\n"
