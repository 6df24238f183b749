"""Running statistics of batch normalisation, measured anew for merged and averaged networks."""

from __future__ import annotations

from typing import Any

import numpy as np


class RunningMeans:
    """The batch normalisation of a model, in one pass over the training data.

    In training a layer's running statistics forget by its momentum, 0.99 say: after few batches
    they are still mostly what they were before. Here its momentum at each batch is the share of the
    samples that were seen before it, so the first batch replaces what was there, and in the end
    they are means over all batches, weighted by the batches' sizes: of the inputs exactly their
    mean, and of the variances within the batches, as usual, their mean.

    Reference: Izmailov et al., arXiv:1803.05407, section 3.2; PyTorch's `update_bn`, which gives
    a last batch that is not full the weight of a full one.
    """

    def __init__(self, model: Any) -> None:
        """Find a model's layers, nested ones too; a frozen one keeps its statistics."""
        import keras

        self._model = model
        self._layers = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        ]

    def forget(self) -> None:
        """Reset the statistics, so that not even a NaN of theirs is left."""
        for layer in self._layers:
            layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
            layer.moving_variance.assign(np.ones(layer.moving_variance.shape))

    def include(self, x: Any, momentum: Any) -> None:
        """Show the model a batch in its mode of training.

        Args:
            x: the batch's inputs.
            momentum: samples before this batch, as a share of those with it; also as a tensor.
        """
        import keras

        usual = [(layer.momentum, _renorm(layer)) for layer in self._layers]
        try:
            for layer in self._layers:
                dtype = keras.backend.result_type(layer.compute_dtype, "float32")
                layer.momentum = keras.ops.cast(momentum, dtype)
                layer.renorm = False  # would correct the batch by the statistics put away
            self._model(x, training=True)
        finally:
            for layer, (own_momentum, renorm) in zip(self._layers, usual, strict=True):
                layer.momentum, layer.renorm = own_momentum, renorm

    def conclude(self) -> None:
        """Give batch renormalisation, which keeps the statistics twice, the measured ones."""
        import keras

        for layer in filter(_renorm, self._layers):
            deviation = keras.ops.sqrt(layer.moving_variance + layer.epsilon)
            layer.moving_stddev.assign(deviation)
            layer.renorm_stddev.assign(deviation)
            layer.renorm_mean.assign(layer.moving_mean)


def _renorm(layer: Any) -> bool:
    return getattr(layer, "renorm", False)  # Keras before 3.13 has none
