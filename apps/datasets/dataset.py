"""A data set in three parts, as the training takes it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from apps.datasets.arrays import Samples
from apps.datasets.batches import PROBE, Batches
from apps.datasets.checks import Part
from apps.datasets.sources.reader import Form
from apps.datasets.weighing import ClassWeights


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets; the arrays are read-only when they come from `load_dataset`.

    Attributes:
        train: training data.
        validation: held-out data; may be empty.
        test: test data, which choose nothing.
        input_scale: factor on the inputs, applied as float32 when they are batched.
        byte_targets: names of the targets that are bytes like the inputs; "" of a single array.
        form: what other samples are made to inputs with; {} where they are taken as they are.
        drawn: names of the parts that were drawn, and did not come as they are.
    """

    train: Part
    validation: Part
    test: Part
    input_scale: float = 1.0
    byte_targets: frozenset[str] = frozenset()
    form: Form = field(default_factory=dict)
    drawn: frozenset[str] = frozenset()
    _derived: dict[Hashable, Dataset] = field(default_factory=dict, repr=False)

    @cached_property
    def probe(self) -> Samples:
        """The first training samples, for uses that need arrays."""
        return self.train.probe() if isinstance(self.train, Batches) else self.train[slice(PROBE)]

    def with_scaled_targets(self, names: frozenset[str]) -> Dataset:
        """Return it with some of its targets multiplied by the scale of the inputs, as float32.

        Args:
            names: of targets; "" of a single array.
        """
        if not names:
            return self
        return self._once(names, lambda: self._scaled(names))

    def with_weights(self, weights: ClassWeights) -> Dataset:
        """Return it with training batches whose samples count by their classes.

        Args:
            weights: by class.

        Raises:
            TypeError: the training data are arrays.
        """
        train = self.train
        if not isinstance(train, Batches):
            raise TypeError("only batches are weighed while they are read")
        key = tuple(sorted(weights.items()))
        return self._once(key, lambda: replace(self, train=train.weighted(weights), _derived={}))

    def _once(self, key: Hashable, make: Callable[[], Dataset]) -> Dataset:
        """Return what is derived from it, one for all who ask: each has a probe of its own."""
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]

    def _scaled(self, names: frozenset[str]) -> Dataset:
        train, validation, test = (
            _scaled_targets(part, names, self.input_scale)
            for part in (self.train, self.validation, self.test)
        )
        left = self.byte_targets - names
        return Dataset(train, validation, test, self.input_scale, left, self.form, self.drawn)


def _scaled_targets(part: Part, names: frozenset[str], scale: float) -> Part:
    if isinstance(part, Batches):
        return part
    if not isinstance(part.y, Mapping):
        return replace(part, y=part.y.astype(np.float32) * np.float32(scale))
    y = {
        name: each.astype(np.float32) * np.float32(scale) if name in names else each
        for name, each in part.y.items()
    }
    return replace(part, y=y)
