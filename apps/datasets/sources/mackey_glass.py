"""The Mackey-Glass series: a computed regression for recurrent networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from apps.datasets.sources.reader import Parts, Reader, Share, Split, number_of

_Count = Annotated[int, Field(ge=1)]

_TOLERANCE: Final = 1e-8


class MackeyGlass(Reader):
    """The series of dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t), one value a time unit.

    A sample is a window of the series, its target the value some time after it. The test part is
    the end of the series, the validation part what comes before it; no value is in two parts.

    Attributes:
        samples: number of windows in all.
        steps: length of a window.
        ahead: how much later than the window's last value the target is.
        tau: the delay; the series is chaotic from about 17 on.
        start: value of the series before time 0; the first 500 values are left out.
        test: share or number of the samples that are for testing.

    Reference:
        Mackey and Glass: Oscillation and chaos in physiological control systems. Science 197
        (1977), https://doi.org/10.1126/science.267326. The integration goes from delay to delay,
        each piece with the one before as its past (the method of steps).
    """

    samples: _Count = 2_000
    steps: _Count = 20
    ahead: _Count = 6
    tau: Annotated[float, Field(gt=0)] = 17.0
    start: Annotated[float, Field(gt=0)] = 1.2
    test: Share | None = None

    def read(self, folder: Path, split: Split) -> Parts:
        """Return windows [n, steps, 1] and the values after them [n]."""
        test = number_of(self.samples, self.test)
        held = split.held_out(self.samples - test)
        sizes = {"train": self.samples - test - held, "validation": held, "test": test}
        used = {part: size for part, size in sizes.items() if size}
        # Windows of one part overlap; between parts lies what the last of them reaches into.
        reach = self.steps + self.ahead - 1
        values = series(self.samples + len(used) * reach, self.tau, self.start)
        parts, begin = {}, 0
        for part, size in used.items():
            end = begin + size + reach
            parts[part] = self._windows(values[begin:end])
            begin = end
        return parts

    def _windows(self, values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        x = np.lib.stride_tricks.sliding_window_view(values[: -self.ahead], self.steps)
        return x[..., np.newaxis], values[self.steps + self.ahead - 1 :]


def series(
    length: int, tau: float = 17.0, start: float = 1.2, skipped: int = 500
) -> NDArray[np.float64]:
    """Return the Mackey-Glass series at whole numbers of time units.

    Args:
        length: number of values.
        tau: the delay, in time units.
        start: value up to time 0.
        skipped: values at the beginning that are left out, until the series has settled.

    Returns:
        The values [length].

    >>> series(2, skipped=0).round(3)
    array([1.2  , 1.118])
    """
    from scipy.integrate import solve_ivp

    def slope(t: float, x: Any, past: Callable[[Any], Any]) -> Any:
        delayed = past(t - tau)
        return 0.2 * delayed / (1 + delayed**10) - 0.1 * x

    def begins(t: Any) -> Any:
        return np.full((1, *np.shape(t)), start)

    past: Any = begins
    values: list[NDArray[np.float64]] = []
    last, begin, pieces = start, 0, 0
    while begin < skipped + length:
        span = (pieces * tau, (pieces + 1) * tau)
        piece: Any = solve_ivp(
            slope, span, [last], args=(past,), dense_output=True, rtol=_TOLERANCE, atol=_TOLERANCE
        )
        past, last, pieces = piece.sol, piece.y[0, -1], pieces + 1
        if (times := np.arange(begin, span[1])).size:
            values.append(past(times)[0])
        begin += times.size
    return np.concatenate(values)[skipped : skipped + length]
