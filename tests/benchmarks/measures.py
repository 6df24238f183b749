"""A measured number, what is required of it, and the table that shows both."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        what: what was measured.
        value: the result; NaN if this machine cannot measure it.
        unit: of the value.
        least: the value must be at least this; None for no such rule.
        most: the value must be below this; None for no such rule.
        details: how the value came about.
    """

    what: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None
    details: str = ""

    @property
    def missed(self) -> bool:
        """Whether the requirement is missed; a value that was not measured misses none."""
        if math.isnan(self.value):
            return False
        return (self.least is not None and self.value < self.least) or (
            self.most is not None and self.value >= self.most
        )

    @property
    def required(self) -> str:
        """The requirement in words."""
        if self.least is not None:
            return f"at least {_number(self.least)} {self.unit}".rstrip()
        if self.most is not None:
            return f"below {_number(self.most)} {self.unit}".rstrip()
        return ""

    @property
    def verdict(self) -> str:
        """`ok`, `MISSED`, `not measured`, or nothing where nothing is required."""
        if math.isnan(self.value):
            return "not measured"
        if not self.required:
            return ""
        return "MISSED" if self.missed else "ok"


def draw(measures: Sequence[Measure]) -> str:
    """Return the measures as a table of plain text, the details below."""
    rows = [("what", "measured", "required", "")]
    for each in measures:
        value = "-" if math.isnan(each.value) else f"{_number(each.value)} {each.unit}".rstrip()
        rows.append((each.what, value, each.required, each.verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{what:{widths[0]}}  {value:>{widths[1]}}  {required:{widths[2]}}  {verdict}".rstrip()
        for what, value, required, verdict in rows
    ]
    lines.insert(1, "-" * (sum(widths) + 6))
    notes = [f"{each.what}: {each.details}" for each in measures if each.details]
    return "\n".join([*lines, "", *notes])


def machine() -> str:
    """Return what the numbers hold for: processor, cores, versions, other load."""
    processor = platform.processor() or "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy"))
    return (
        f"{processor}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, "
        f"{packages}; load before: {os.getloadavg()[0]:.2f}"
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
