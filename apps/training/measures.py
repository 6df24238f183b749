"""What is measured of networks of one architecture: losses, outputs, units, statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final

import numpy as np

from apps.architecture.symmetries import Symmetries, symmetries
from apps.architecture.widths import same_but_for_widths
from apps.datasets.arrays import Array, Named, concatenated, listed
from apps.genetics.permutation import PermutationSpec
from apps.genetics.repair import Moments, UnitLayer, moments
from apps.genetics.unit_selection import LinearLayer
from apps.networks.build import assign, named_weights, read
from apps.records.checkpoints import Checkpoint
from apps.training.data_parts import EVALUATION_BATCH, PartName, Parts
from apps.training.epoch_loop import Loop
from apps.training.member import Member
from apps.training.teaching import named_outputs

_ACCURACIES: Final = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy")


def standard_names(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics by the names that they are recorded under.

    Keras names accuracy after the metric's class or its alias; the tables have one name.
    """
    named = dict(metrics)
    for alias in _ACCURACIES[1:]:
        if alias in named and "accuracy" not in named:
            named["accuracy"] = named.pop(alias)
    return named


class Measures:
    """Measures weights by putting them into a model.

    They stay in, but for `refreshed`: what the member was must be put in again.
    """

    def __init__(self, model: Any, member: Member, parts: Parts, loop: Loop) -> None:
        """Measure nothing yet.

        Args:
            model: of the networks' architecture.
            member: what is in it.
            parts: the data; their probe is what outputs and units are watched on.
            loop: evaluates.
        """
        self._model = model
        self._member = member
        self._parts = parts
        self._loop = loop

    @property
    def spec(self) -> PermutationSpec:
        """The symmetries of the network.

        Raises:
            UnknownSymmetry: a layer's are not known; the message says what still works.
        """
        return self._symmetries.spec

    @property
    def observed(self) -> Observed:
        """What is seen of networks of the architecture on the probe, for a crossover.

        Raises:
            UnknownSymmetry: a layer's symmetries are not known.
        """
        return Observed(self._member.put, self._symmetries, self._parts.samples("probe").x)

    def observed_beside(self, models: Sequence[Any]) -> ObservedWidths:
        """Return what is seen of networks of the architecture, and of others' of other widths.

        Args:
            models: built, each with the layers of this architecture.

        Raises:
            UnknownSymmetry: a layer's symmetries are not known.
        """
        probe = self._parts.samples("probe").x
        own = self.observed
        others = {
            _shapes(read(named)): Observed(partial(assign, named), symmetries(model), probe)
            for model, named in ((each, named_weights(each)) for each in models)
        }
        return ObservedWidths(own, {**others, _shapes(self._member.weights()): own})

    def differs_in_width_only(self, model: Any) -> bool:
        """Whether another model has the layers of this architecture, with other numbers of units.

        Raises:
            UnknownSymmetry: a layer's symmetries are not known.
        """
        return same_but_for_widths(self._model, model, self._symmetries, symmetries(model))

    @property
    def unit_layers(self) -> tuple[UnitLayer, ...]:
        """The hidden layers whose units can be rescaled, from the inputs on."""
        return self._symmetries.unit_layers

    def activations(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Return what the units of each group say about the probe."""
        self._member.put(weights)
        return self._symmetries.activations(self._parts.samples("probe").x)

    def moments(self, weights: Mapping[str, Array], layers: Sequence[UnitLayer]) -> list[Moments]:
        """Return the moments of layers' units before their activation on the probe, in one pass."""
        self._member.put(weights)
        x = self._parts.samples("probe").x
        return [moments(each) for each in self._symmetries.pre_activations(layers, x)]

    def loss_of(self, weights: Mapping[str, Array], part: PartName) -> dict[str, float]:
        """Return loss and metrics of weights on a part of the data."""
        self._member.put(weights)
        return self._loop.evaluate(part)

    def predictions(self, weights: Mapping[str, Array]) -> Array:
        """Return the outputs on the probe.

        Returns:
            [samples, ...]; of several outputs, all their numbers side by side [samples, numbers].
        """
        self._member.put(weights)
        x = self._parts.samples("probe").x
        made = listed(self._model.predict(x, batch_size=EVALUATION_BATCH, verbose=0))
        if len(made) == 1 and not isinstance(made[0], list | tuple):
            return np.asarray(made[0])
        outputs = made[0] if isinstance(made[0], list | tuple) else made
        return np.concatenate([np.reshape(each, (len(each), -1)) for each in outputs], axis=1)

    def training_predictions(self, weights: Mapping[str, Array]) -> Named:
        """Return the outputs on the training set, which must be arrays.

        Returns:
            [samples, ...], or several by name.
        """
        self._member.put(weights)
        # One `predict` sets up a pipeline of its own, which takes longer than a small network does.
        made = [
            named_outputs(
                self._model,
                self._model.predict_on_batch(
                    self._parts.samples("train", slice(start, start + EVALUATION_BATCH)).x
                ),
            )
            for start in range(0, self._parts.size("train"), EVALUATION_BATCH)
        ]
        return concatenated(made)

    def refreshed(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Return weights whose running statistics are those of the training data.

        The statistics of an averaged or merged network are not the average of its parents': one
        pass over the training data in the mode of training measures them anew, those of batch
        normalisation from nothing (see `batch_norm`). Nothing but the statistics changes, and
        counters among them stay.
        Without any the weights are returned as given. The member stays as it is.
        """
        statistics = self._member.running
        if not statistics:
            return dict(weights)
        restore = self._member.snapshot()
        # Random layers start anew too: what ran before must leave no trace.
        self._member.load(Checkpoint(weights), np.random.default_rng(0))
        self._loop.measure_statistics()
        measured = self._member.weights()
        restore()
        return {
            name: measured[name] if name in statistics else np.array(array)
            for name, array in weights.items()
        }

    @cached_property
    def _symmetries(self) -> Symmetries:
        return symmetries(self._model)


class Observed:
    """Networks of one architecture on a probe, as `apps.genetics.unit_selection.Network`.

    Attributes:
        spec: their symmetries.
        layers: their linear layers, from the inputs on.
    """

    def __init__(
        self, put: Callable[[Mapping[str, Array]], None], found: Symmetries, probe: Named
    ) -> None:
        """Observe nothing yet.

        Args:
            put: puts weights into the model that is watched.
            found: its symmetries.
            probe: inputs.
        """
        self.spec = found.spec
        self.layers = tuple(layer for layer, _, _ in found.linear)
        self._put = put
        self._found = found
        self._probe = probe

    def units(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return group -> activations [samples, units], means over positions."""
        self._put(weights)
        return self._found.unit_means(self._probe)

    def inputs(self, weights: Mapping[str, Array], layers: Sequence[LinearLayer]) -> list[Array]:
        """Return what each of some layers reads [rows, inputs]."""
        self._put(weights)
        return self._found.rows(layers, self._probe)


class ObservedWidths:
    """Networks of several widths on a probe, as `apps.genetics.unit_selection.Network`.

    Attributes:
        spec: the symmetries of the child's architecture.
        layers: the linear layers, from the inputs on, which all have.
    """

    def __init__(self, child: Observed, by_shapes: Mapping[_Shapes, Observed]) -> None:
        """Observe nothing yet.

        Args:
            child: of the child's architecture.
            by_shapes: what sees networks of given shapes, those of the child's too.
        """
        self.spec = child.spec
        self.layers = child.layers
        self._by_shapes = by_shapes

    def units(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return group -> activations [samples, units], means over positions."""
        return self._by_shapes[_shapes(weights)].units(weights)

    def inputs(self, weights: Mapping[str, Array], layers: Sequence[LinearLayer]) -> list[Array]:
        """Return what each of some layers reads [rows, inputs]."""
        return self._by_shapes[_shapes(weights)].inputs(weights, layers)


_Shapes = tuple[tuple[str, tuple[int, ...]], ...]


def _shapes(weights: Mapping[str, Array]) -> _Shapes:
    return tuple((name, array.shape) for name, array in weights.items())
