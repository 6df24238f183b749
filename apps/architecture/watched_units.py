"""A model's symmetries, and what its units and layers give on samples, batch after batch.

What may be permuted is found in `symmetries`; here the model is only called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Final

import numpy as np

from apps.architecture.linear_rows import rows_of
from apps.datasets.arrays import Named, listed, mapped
from apps.genetics.permutation import PermutationSpec
from apps.genetics.repair import UnitLayer
from apps.genetics.unit_selection import LinearLayer
from apps.genetics.weights import Array

_HELD: Final = 2**25
"""Pre-activations that are seen in one pass, unless a single layer has more: 128 MB, and as much
again while batches are joined."""


@dataclass(frozen=True, eq=False)
class Symmetries:
    """What may be permuted in a model, and where its units' activations can be read.

    Attributes:
        spec: the permutations.
        unit_layers: the hidden layers that REPAIR can rescale, from the inputs on.
        inputs: of the model's graph: a tensor, a list, or several by name.
        signals: group -> the last of the largest tensors on whose last axis the group's units lie
            once, in order, and where they begin.
        layers: kernel of a unit layer -> the layer and the tensor that it reads.
        linear: the linear layers from the inputs on, each with the layer and what it reads.
    """

    spec: PermutationSpec
    unit_layers: tuple[UnitLayer, ...]
    inputs: Any
    signals: Mapping[str, tuple[Any, int]]
    layers: Mapping[str, tuple[Any, Any]]
    linear: tuple[tuple[LinearLayer, Any, Any], ...]

    def activations(self, x: Named, batch_size: int = 500) -> dict[str, Array]:
        """Return the activations of each group's units on samples, for `match_activations`.

        Args:
            x: inputs [samples, ...], or several by name.
            batch_size: samples at a time.

        Returns:
            Group -> [samples, ..., units]. Groups inside a layer (the heads of an attention) or
            inside a nested model have no activations here: keep these in place by `identity(spec) |
            match_activations(...)`.
        """
        seen = self._outputs([tensor for tensor, _ in self.signals.values()], x, batch_size)
        return self._of_groups(seen)

    def pre_activations(
        self, layers: Sequence[UnitLayer], x: Named, batch_size: int = 500
    ) -> Iterator[Array]:
        """Yield the pre-activations of layers' units on samples, for `repair`.

        All are seen in one pass, unless they are more than `_HELD` numbers: then in several. The
        model must keep its weights until the last one is taken.

        Args:
            layers: some of `unit_layers`.
            x: inputs [samples, ...], or several by name.
            batch_size: samples at a time.

        Yields:
            Of each layer [samples, ..., units].
        """
        for together in self._passes(layers, x):
            yield from self._before_activations(together, x, batch_size)

    def unit_means(self, x: Named, batch_size: int = 500) -> dict[str, Array]:
        """Return `activations` as means over the positions: group -> [samples, units]."""
        tensors = [tensor for tensor, _ in self.signals.values()]
        reduced = [_mean_over_positions] * len(tensors)
        return self._of_groups(self._outputs(tensors, x, batch_size, reduced))

    def rows(self, layers: Sequence[LinearLayer], x: Named, batch_size: int = 500) -> list[Array]:
        """Return what linear layers read on samples, for least squares: of all in one pass.

        Args:
            layers: some of `linear`.
            x: inputs [samples, ...], or several by name.
            batch_size: samples at a time.

        Returns:
            For each [rows, inputs]: of every sample some positions, the same number of each.
        """
        found = {each: (layer, source) for each, layer, source in self.linear}
        sources = [found[each][1] for each in layers]
        reduced = [partial(rows_of, found[each][0]) for each in layers]
        return self._outputs(sources, x, batch_size, reduced)

    def _passes(self, layers: Sequence[UnitLayer], x: Named) -> list[list[UnitLayer]]:
        """Divide layers into those whose pre-activations are held at a time."""
        if len(layers) < 2:
            return [[*layers]]
        samples, first = len(listed(x)[0]), mapped(itemgetter(slice(1)), x)
        passes: list[list[UnitLayer]] = [[]]
        held = 0
        for layer, seen in zip(layers, self._before_activations(layers, first, 1), strict=True):
            size = samples * seen.size
            if passes[-1] and held + size > _HELD:
                passes.append([])
                held = 0
            passes[-1].append(layer)
            held += size
        return passes

    def _before_activations(
        self, layers: Sequence[UnitLayer], x: Named, batch_size: int
    ) -> list[Array]:
        found = [self.layers[each.kernel] for each in layers]
        reduced = [partial(_before_activation, layer) for layer, _ in found]
        return self._outputs([source for _, source in found], x, batch_size, reduced)

    def _of_groups(self, seen: list[Array]) -> dict[str, Array]:
        """Return each group's units of the tensors of `signals` [..., units]."""
        return {
            group: values[..., start : start + self.spec.groups[group]]
            for (group, (_, start)), values in zip(self.signals.items(), seen, strict=True)
        }

    def _outputs(
        self,
        tensors: list[Any],
        x: Named,
        batch_size: int,
        reduced: Sequence[Callable[[Array], Array]] = (),
    ) -> list[Array]:
        """Return tensors on samples, or what `reduced` makes of the batches of each."""
        import keras

        if not tensors:
            return []
        watched = keras.Model(self.inputs, tensors)
        makes = reduced or [np.asarray] * len(tensors)
        parts = []
        for each in _batches(x, batch_size):
            seen = keras.tree.flatten(watched(each, training=False))
            parts.append([make(np.asarray(one)) for make, one in zip(makes, seen, strict=True)])
        return [np.concatenate(values) for values in zip(*parts, strict=True)]


def _before_activation(layer: Any, values: Array) -> Array:
    import keras

    kept = layer.activation
    layer.activation = keras.activations.linear
    try:
        return np.asarray(layer(values))
    finally:
        layer.activation = kept


def _mean_over_positions(values: Array) -> Array:
    return np.asarray(values.reshape(len(values), -1, values.shape[-1]).mean(axis=1))


def _batches(x: Named, size: int) -> list[Any]:
    starts = range(0, len(listed(x)[0]), size)
    return [mapped(itemgetter(slice(start, start + size)), x) for start in starts]
