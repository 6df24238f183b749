"""Numbers as text for readers: percentages, intervals, p-values, durations."""

from __future__ import annotations

import math
import re
from typing import Final

MINUS: Final = "\u2212"

NOTHING: Final = "\u2013"
"""Shown in place of a number that does not exist."""


def percent(fraction: float, digits: int = 1, *, sign: bool = True) -> str:
    """Return a fraction as a percentage with a true minus sign, `NOTHING` if it is not finite.

    >>> percent(0.1), percent(0.00001), percent(0.1234, 0, sign=False)
    ('+10.0 %', '0.0 %', '12 %')
    """
    if not math.isfinite(fraction):
        return NOTHING
    value = round(100 * fraction, digits) + 0.0
    return _typeset(f"{value:+.{digits}f} %" if sign and value else f"{value:.{digits}f} %")


def span(low: float, high: float, digits: int = 1) -> str:
    """Return an interval of fractions as percentages in brackets, "" if it has no ends.

    >>> span(0.012, 0.034)
    '[1.2, 3.4]'
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    ends = [f"{round(100 * end, digits) + 0.0:.{digits}f}" for end in (low, high)]
    return _typeset(f"[{ends[0]}, {ends[1]}]")


def p_value(p: float) -> str:
    """Return a p-value to two digits, never as zero; `NOTHING` if there is none.

    >>> p_value(0.0421), p_value(0.00012), p_value(1.0)
    ('0.042', '< 0.001', '1')
    """
    if not math.isfinite(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def number(value: float | None, digits: int = 4) -> str:
    """Return a number to some significant digits, `NOTHING` if it is none or not finite.

    >>> number(0.416), number(1555.4)
    ('0.4160', '1555')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    return _typeset(f"{value:#.{digits}g}".removesuffix("."))


def whole(value: int) -> str:
    """Return a whole number with thin spaces between thousands, from five digits on.

    >>> whole(9999)
    '9999'
    """
    return str(value) if abs(value) < 10_000 else f"{value:,}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Return a time in the largest fitting units.

    >>> duration(42.04), duration(150), duration(7500), duration(200_000)
    ('42.0 s', '2 min 30 s', '2 h 5 min', '2 d 7 h')
    """
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def count(n: int, thing: str) -> str:
    """Return a number with its noun: "1 trial", "10 trials"."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def unbroken(text: str) -> str:
    r"""Return a text in which no line ends within a percentage or an interval.

    >>> unbroken("by 9.2 % [7.0, 11.1]").split(" ")
    ['by', '9.2\xa0%', '[7.0,\xa011.1]']
    """
    return re.sub(r"(?<=\d) (?=%)|(?<=\d,) (?=[^\]]{1,9}\])", "\u00a0", text)


def plain(text: str) -> str:
    """Return a text with ASCII in place of the signs of this module, for terminals and files."""
    return text.replace(MINUS, "-").replace(NOTHING, "-")


def _typeset(text: str) -> str:
    """Return a number with true minus signs."""
    return text.replace("-", MINUS)
