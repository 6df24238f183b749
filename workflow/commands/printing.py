"""Tables as commands print them, in a terminal or into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def bare_table() -> Table:
    """Return a table without lines."""
    from rich.table import Table

    return Table(box=None, padding=(0, 2, 0, 0), header_style="bold")


def wide(console: Console) -> Console:
    """Return the console of a terminal; where the output goes to a file, one without an edge."""
    from rich.console import Console

    return console if console.is_terminal else Console(width=200)
