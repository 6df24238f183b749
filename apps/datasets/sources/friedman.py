"""Friedman's first function: a computed regression whose best possible loss is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from apps.datasets.sources.reader import Parts, Reader, Seed, Share, Split, number_of
from apps.seeds import Address, Purpose


class Friedman(Reader):
    """Friedman #1: y = 10 sin(pi x1 x2) + 20 (x3 - 1/2)^2 + 10 x4 + 5 x5 + noise, x in [0, 1].

    Further features carry no information. The noise is normal; its variance is the mean squared
    error of a perfect network.

    Attributes:
        samples: number of samples in all.
        features: number of columns, at least 5.
        noise: its standard deviation.
        test: share or number of the samples that are for testing.
        seed: of the samples; the experiment's if left out.

    Reference:
        Friedman: Multivariate Adaptive Regression Splines. The Annals of Statistics 19 (1991),
        section 4.3.
    """

    samples: Annotated[int, Field(ge=2)] = 2_000
    features: Annotated[int, Field(ge=5)] = 10
    noise: Annotated[float, Field(ge=0)] = 1.0
    test: Share | None = None
    seed: Seed | None = None

    def read(self, folder: Path, split: Split) -> Parts:
        """Return inputs [n, features] and targets [n]; the last samples are for testing."""
        seed = split.seed if self.seed is None else self.seed
        rng = Address(seed).stream(Purpose.MADE_DATA)
        x = rng.uniform(size=(self.samples, self.features))
        y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
        y += 10 * x[:, 3] + 5 * x[:, 4] + self.noise * rng.standard_normal(self.samples)
        train = self.samples - number_of(self.samples, self.test)
        return {"train": (x[:train], y[:train]), "test": (x[train:], y[train:])}
