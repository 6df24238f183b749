"""Running statistics of batch normalisation, measured anew for merged and averaged networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from apps.datasets.arrays import listed


class RunningMeans:
    """The batch normalisation of a model, in one pass over the training data.

    In training a layer's running statistics forget by its momentum, 0.99 say: after few batches
    they are still mostly what they were before. Here they become means over all batches, weighted
    by the batches' sizes: of the inputs exactly their mean, and of the variances within the
    batches, as usual, their mean. That is what they tend to in training, the slower they forget.

    A layer that is used several times in a pass is measured in each of its uses. One that a pass
    does not update, since it is frozen, is called with `training=False` or has the momentum 1,
    keeps its statistics, and they are what it normalises by. A subclass that updates them in a way
    of its own does so here too, from where they stand.

    Reference: Izmailov et al., arXiv:1803.05407, section 3.2; PyTorch's `update_bn`, which gives
    a last batch that is not full the weight of a full one.
    """

    def __init__(self, model: Any) -> None:
        """Find a model's layers, nested ones too."""
        import keras

        self._model = model
        self._measured = [
            _Measured(layer)
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization) and layer.momentum < 1.0
        ]

    def forget(self) -> None:
        """Begin anew."""
        for each in self._measured:
            each.forget()

    def include(self, x: Any) -> None:
        """Show the model a batch in its mode of training.

        Args:
            x: the batch's inputs.
        """
        import keras

        size = keras.ops.shape(listed(x)[0])[0]
        with ExitStack() as meanwhile:
            for each in self._measured:
                meanwhile.enter_context(each.watched(size))
            self._model(x, training=True)

    def conclude(self) -> None:
        """Give the layers that were updated what was measured."""
        for each in self._measured:
            each.conclude()


class _Measured:
    """A layer, and the means over what it was shown."""

    def __init__(self, layer: Any) -> None:
        import tensorflow as tf

        self._layer = layer
        self._seen = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._mean, self._variance = (
            tf.Variable(np.zeros(each.shape), dtype=each.dtype, trainable=False)
            for each in (layer.moving_mean, layer.moving_variance)
        )

    def forget(self) -> None:
        """Begin anew, so that not even a NaN is left."""
        for each in (self._seen, self._mean, self._variance):
            each.assign(np.zeros(each.shape))

    @contextmanager
    def watched(self, size: Any) -> Iterator[None]:
        """Include what the layer sees meanwhile; `conclude` overwrites what it updates itself."""
        layer = self._layer
        usual: Callable[..., Any] = layer._moments
        renorm = _renorm(layer)

        def moments(*arguments: Any, **named: Any) -> Any:
            found = usual(*arguments, **named)
            self._include(found[0], found[1], size)
            return found

        layer._moments = moments
        layer.renorm = False  # would correct the batch by the statistics so far
        try:
            yield
        finally:
            del layer._moments
            layer.renorm = renorm

    def _include(self, mean: Any, variance: Any, size: Any) -> None:
        import keras

        added = keras.ops.cast(size, "float64")
        kept = keras.ops.cast(self._seen / (self._seen + added), mean.dtype)
        for average, latest in ((self._mean, mean), (self._variance, variance)):
            before = keras.ops.cast(average, latest.dtype)
            average.assign(keras.ops.cast(before * kept + latest * (1.0 - kept), average.dtype))
        self._seen.assign_add(added)

    def conclude(self) -> None:
        """Give the layer what was measured, if it was updated at all."""
        import keras

        if not float(self._seen.numpy()):
            return
        layer = self._layer
        layer.moving_mean.assign(self._mean)
        layer.moving_variance.assign(self._variance)
        if _renorm(layer):  # keeps its statistics twice
            deviation = keras.ops.sqrt(layer.moving_variance + layer.epsilon)
            layer.moving_stddev.assign(deviation)
            layer.renorm_stddev.assign(deviation)
            layer.renorm_mean.assign(layer.moving_mean)


def _renorm(layer: Any) -> bool:
    return getattr(layer, "renorm", False)  # Keras before 3.13 has none
