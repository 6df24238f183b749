"""How progress is shown: redrawn in place in a terminal, line by line elsewhere."""

from __future__ import annotations

import math
import time

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from workflow.driver.progress import Tally, clock_time, four_digits, summary


class _Remarks:
    """Prints each remark of training once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()

    def show(self, tally: Tally) -> None:
        for remark in [each for each in tally.remarks if each not in self._told]:
            self._told.add(remark)
            self._console.print(f"note: {remark}", markup=False, highlight=False, soft_wrap=True)


class LiveDisplay:
    """A table in a terminal that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        """Show nothing until the first tally."""
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._open = False
        self._remarks = _Remarks(console)

    def show(self, tally: Tally) -> None:
        """Redraw."""
        if not self._open:
            self._live.start()
            self._open = True
        self._remarks.show(tally)
        self._live.update(draw(tally))

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self, tally: Tally) -> None:
        """Take the table away and leave one line."""
        if self._open:
            self._live.stop()
        self._remarks.show(tally)
        self._live.console.print(summary(tally), highlight=False)


class PlainDisplay:
    """A line every few seconds, where there is no terminal; only the last one when quiet."""

    def __init__(self, console: Console, every_s: float = 10.0) -> None:
        """Say nothing before `every_s` seconds have gone by."""
        self._console = console
        self._every_s = every_s
        self._next = time.monotonic() + every_s
        self._remarks = None if math.isinf(every_s) else _Remarks(console)

    def show(self, tally: Tally) -> None:
        """Print a line when it is time, and a remark at once."""
        if self._remarks is not None:
            self._remarks.show(tally)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every_s
            self._console.print(summary(tally), highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """Print a line at once, also when quiet."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self, tally: Tally) -> None:
        """Print the last line."""
        if self._remarks is not None:
            self._remarks.show(tally)
        self._console.print(summary(tally), highlight=False, soft_wrap=True)


def draw(tally: Tally) -> Group:
    """Return a tally as something rich can print."""
    bar = Table.grid(padding=(0, 1))
    cells: list[ProgressBar | str] = [
        # What members will not come to is not waited for.
        ProgressBar(
            total=max(tally.epochs - tally.epochs_lost, 1), completed=tally.epochs_done, width=40
        ),
        f"{tally.epochs_done}/{tally.epochs} network-epochs",
        f"{tally.epochs_a_second:.2f}/s",
    ]
    if not tally.ended:
        left = clock_time(tally.left_s) if math.isfinite(tally.left_s) else "-:--"
        cells.append(f"{left} left")
    bar.add_row(*cells)
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for name in ("arm", "segments", "done", "failed"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    for arm, total in tally.segments.items():
        failed = tally.segments_failed[arm]
        table.add_row(
            arm, str(total), str(tally.segments_done[arm]), Text(str(failed), "red" * (failed > 0))
        )
    line = f"trials {tally.trials_done}/{tally.trials}"
    if tally.running is not None:
        line += f"   {tally.running} running"
    if math.isfinite(tally.best):
        line += f"   best {tally.fitness} {four_digits(tally.best)} ({tally.best_folder})"
    return Group(bar, table, Text(line))
