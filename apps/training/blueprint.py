"""What a network is built of, and the building."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.datasets.arrays import Array
from apps.datasets.dataset import Dataset
from apps.messages.specs import NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.networks.build import named_weights, read
from apps.training.input_checks import build_for

if TYPE_CHECKING:
    import keras


class Blueprint:
    """Network and training of one architecture, for the data that it is to learn.

    Attributes:
        network: which builder, and its arguments.
        training: optimiser, loss, metrics.
    """

    def __init__(
        self, data: Dataset, network: NetworkSpec, training: TrainingSpec, place: Workplace
    ) -> None:
        """Build nothing yet.

        Args:
            data: what is learnt: builders are told its shapes.
            network: what to build.
            training: what it is compiled with.
            place: where plug-ins are looked for.
        """
        self.network = network
        self.training = training
        self._data = data
        self._place = place

    def build(self, seed: int) -> keras.Model:
        """Return a built and compiled network with the initial weights of a seed below 2**31."""
        return build_for(self._data, self.network, self.training, seed, self._place)

    def initial_weights(self, seed: int) -> dict[str, Array]:
        """Return the weights that the builder gives for a seed below 2**31."""
        return read(named_weights(self.build(seed)))

    def of(self, network: NetworkSpec, training: TrainingSpec) -> Blueprint:
        """Return the blueprint of another architecture for the same data."""
        return Blueprint(self._data, network, training, self._place)
