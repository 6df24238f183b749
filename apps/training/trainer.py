"""A network in a worker's hands: built once, then every member is put in and taken out of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.architecture import morphable
from apps.architecture.symmetries import Symmetries, symmetries
from apps.datasets.arrays import Array, listed
from apps.datasets.load import load_dataset
from apps.errors import HeterosisError, UserError, first_line
from apps.genetics.anatomy import Anatomy
from apps.genetics.permutation import PermutationSpec
from apps.genetics.repair import UnitLayer
from apps.messages.fingerprints import to_json
from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import Workplace
from apps.networks.build import (
    assign,
    named_optimizer_states,
    named_random_states,
    named_weights,
    read,
)
from apps.records.checkpoints import Checkpoint
from apps.runtime import load_keras
from apps.seeds import seed_integer
from apps.training.epoch_loop import EVALUATION_BATCH, Loop, PartName
from apps.training.input_checks import build_for, check_shapes, label_span, two_samples
from apps.training.targets import with_scaled_targets

_PROGRAMS_A_THREAD: Final = 4

_local = threading.local()


class Program:
    """A network with its compiled training, reused for one member after another.

    It belongs to one thread. All of a member's state is put in by `load` and taken out by
    `state`, so what ran before leaves no trace in the numbers.

    Attributes:
        model: the Keras model, compiled.
    """

    def __init__(
        self,
        data: DataSpec,
        network: NetworkSpec,
        training: TrainingSpec,
        seed: int,
        place: Workplace,
    ) -> None:
        self._specs = (network, training)
        self._place = place
        self._batch_size = training.batch_size
        self._data = load_dataset(data, seed, place.search_path)
        load_keras(place.threads)
        self.model = self._build(0)
        self._data = with_scaled_targets(self._data, self.model.loss)
        self.model.optimizer.build(self.model.trainable_variables)
        self._rate = _own_rate(self.model.optimizer)
        self._fresh_optimizer = read(named_optimizer_states(self.model))
        bytes_left = sorted(self._data.byte_targets)
        key = to_json(data) + f"{seed} {place.search_path} {bytes_left}".encode()
        self._loop = Loop(self.model, self._data, key, training.batch_size, self._snapshot)
        self._two = two_samples(self._data, self._loop, training)
        check_shapes(self.model, network, self._two, partial(label_span, self._data))
        self._try_repeat()

    # --------------------------------------------------------------------------------- state
    def initial_weights(self, seed: int) -> dict[str, Array]:
        """Return the weights that the builder gives for a seed below 2**31."""
        return read(named_weights(self._build(seed)))

    def load(self, checkpoint: Checkpoint, random_layers: np.random.Generator) -> None:
        """Put a member in: an empty `optimizer` or `random` stands for a fresh one.

        Args:
            checkpoint: weights and, to go on, optimiser and random states.
            random_layers: seeds the random layers when the checkpoint has no states of them.
        """
        self.put(checkpoint.weights)
        assign(named_optimizer_states(self.model), checkpoint.optimizer or self._fresh_optimizer)
        states = named_random_states(self.model)
        assign(states, checkpoint.random or _fresh_random(states, random_layers))

    def put(self, weights: Mapping[str, Array]) -> None:
        """Put weights in and leave optimiser and random states as they are."""
        assign(named_weights(self.model), weights)

    def weights(self) -> dict[str, Array]:
        """Return the member's weights, as copies."""
        return read(named_weights(self.model))

    def state(self) -> Checkpoint:
        """Return the member's whole state, as copies."""
        return Checkpoint(
            weights=self.weights(),
            optimizer=read(named_optimizer_states(self.model)),
            random=read(named_random_states(self.model)),
        )

    # ------------------------------------------------------------------------ other networks
    @property
    def spec(self) -> PermutationSpec:
        """The symmetries of the network.

        Raises:
            UnknownSymmetry: a layer's are not known; the message says what still works.
        """
        return self._symmetries.spec

    @property
    def unit_layers(self) -> tuple[UnitLayer, ...]:
        """The hidden layers whose units can be rescaled, from the inputs on."""
        return self._symmetries.unit_layers

    def activations(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Return what the units of each group say about the probe; the weights stay in."""
        self.put(weights)
        return self._symmetries.activations(self._loop.samples("probe").x)

    def pre_activations(self, weights: Mapping[str, Array], layer: UnitLayer) -> Array:
        """Return a layer's units before their activation on the probe; the weights stay in."""
        self.put(weights)
        return self._symmetries.pre_activations(layer, self._loop.samples("probe").x)

    def morphed(
        self,
        rng: np.random.Generator,
        weights: Mapping[str, Array],
        specs: tuple[NetworkSpec, TrainingSpec],
        seed: int,
    ) -> dict[str, Array]:
        """Return the weights of a network of another architecture, grown or cut to this one.

        Args:
            rng: draws what the change leaves open.
            weights: the other network's.
            specs: what it was built of.
            seed: of the initial weights, below 2**31, that new units and layers start from.

        Raises:
            UserError: a layer is not known to grow; the message names it.
        """
        if _shapes(weights) == _shapes(self.weights()):
            return dict(weights)
        parent = self._build(0, specs)
        before, after = morphable.anatomy(parent), self._anatomy
        fresh = self.initial_weights(seed)
        return dict(morphable.morphed(rng, weights, fresh, before, after).weights)

    @cached_property
    def _anatomy(self) -> Anatomy:
        return morphable.anatomy(self.model)

    @cached_property
    def _symmetries(self) -> Symmetries:
        return symmetries(self.model)

    def loss_of(self, weights: Mapping[str, Array], part: PartName) -> dict[str, float]:
        """Return loss and metrics of other weights of this architecture on a part of the data.

        The weights stay in: what the member was must be put in again.
        """
        self.put(weights)
        return self.evaluate(part)

    def predictions(self, weights: Mapping[str, Array]) -> Array:
        """Return the outputs of other weights on the probe; the weights stay in.

        Returns:
            [samples, ...]; of several outputs, all their numbers side by side [samples, numbers].
        """
        self.put(weights)
        x = self._loop.samples("probe").x
        made = listed(self.model.predict(x, batch_size=EVALUATION_BATCH, verbose=0))
        if len(made) == 1 and not isinstance(made[0], list | tuple):
            return np.asarray(made[0])
        outputs = made[0] if isinstance(made[0], list | tuple) else made
        return np.concatenate([np.reshape(each, (len(each), -1)) for each in outputs], axis=1)

    def refreshed(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Return weights whose running statistics are those of the training data.

        The statistics of an averaged or merged network are not the average of its parents': one
        pass over the training data in the mode of training measures them anew, those of batch
        normalisation from nothing (see `batch_norm`). Nothing but the statistics changes.
        Without any the weights are returned as given.
        """
        if not self.statistics:
            return dict(weights)
        kept = self.state()
        # Random layers start anew too: what ran before must leave no trace.
        self.load(Checkpoint(weights), np.random.default_rng(0))
        self._loop.measure_statistics()
        measured = self.weights()
        self.load(kept, np.random.default_rng(0))
        return {
            name: measured[name] if name in self.statistics else np.array(array)
            for name, array in weights.items()
        }

    # ------------------------------------------------------------------------------ training
    def set_rate(self, factor: float) -> None:
        """Set the learning rate to a multiple of the optimiser's own.

        Raises:
            UserError: the optimiser has a schedule of its own.
        """
        optimizer = self.model.optimizer
        if self._rate is None:
            if factor == 1.0:
                return
            raise UserError(
                "a schedule is set for an optimizer that was compiled with a schedule of its own; "
                "leave one of them out",
                code="training-setting",
            )
        optimizer.learning_rate.assign(self._rate * factor)

    def set_base_rate(self, rate: float) -> None:
        """Set the learning rate that `set_rate` takes multiples of."""
        self._rate = rate

    @property
    def statistics(self) -> frozenset[str]:
        """Names of the arrays that are not learnt: running means and variances, counters."""
        named = named_weights(self.model).items()
        return frozenset(name for name, variable in named if not variable.trainable)

    @property
    def parameters(self) -> int:
        """Number of trained weights."""
        return int(sum(np.prod(variable.shape) for variable in self.model.trainable_variables))

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the order of the training data for one epoch, as `run_epoch` takes it."""
        return self._data.train.order(rng)

    @property
    def remarks(self) -> list[str]:
        """What the user should know, for example why training is not fused."""
        return list(self._loop.remarks)

    def run_epoch(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch and return its metrics, running means over the batches.

        Args:
            order: of the training data, from `order`.
        """
        return self._loop.run_epoch(order)

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Return loss and metrics on a whole part of the data; the state stays as it is."""
        return self._loop.evaluate(part)

    def evaluate_other(self, model: Any) -> dict[str, float]:
        """Return loss and metrics of another compiled model on the test set, by Keras itself."""
        return self._loop.evaluate_other(model)

    def try_step(self) -> None:
        """Take one training step with a whole batch; the state stays as it is.

        Raises:
            UserError: it fails; the message says why.
        """
        restore = self._snapshot()
        batch = self._loop.samples("train", slice(self._batch_size)).fields
        try:
            self.model.train_step(batch)
        except (Exception, SystemExit):
            try:
                self.model.train_on_batch(*batch)  # with the graph around it that a step may want
            except (Exception, SystemExit) as error:
                network, training = self._specs
                raise UserError(
                    f"network {network.builder!r} fails in its first step of training, with "
                    f"optimizer {training.optimizer or self.model.optimizer.name!r} and "
                    f"{training.optimizer_params}: {first_line(error)}",
                    code="network-fit",
                ) from error
        finally:
            self.model.reset_metrics()
            restore()

    def _snapshot(self) -> Callable[[], None]:
        before = self.state()
        return lambda: self.load(before, np.random.default_rng(0))

    def _build(self, seed: int, specs: tuple[NetworkSpec, TrainingSpec] | None = None) -> Any:
        network, training = specs or self._specs
        return build_for(self._data, network, training, seed, self._place)

    def _try_repeat(self) -> None:
        """Check that one state gives one loss: else a result would depend on what ran before."""
        before = self.state()
        losses = []
        for _ in range(2):
            self.load(before, np.random.default_rng(0))
            self.model.reset_metrics()
            try:
                self.model.train_step(self._two)
            except (Exception, SystemExit):
                return  # A step may want a whole batch, or a graph around it: training will tell.
            losses.append(self._loop.metrics()["loss"])
        first, again = losses
        if not np.isclose(first, again, rtol=1e-4, equal_nan=True):
            network, _ = self._specs
            raise UserError(
                f"network {network.builder!r} draws random numbers that no checkpoint holds: give "
                "every layer that draws a keras.random.SeedGenerator as an attribute, and draw "
                "with keras.random functions and seed=that attribute",
                code="network-seed",
            )


def program(
    data: DataSpec, network: NetworkSpec, training: TrainingSpec, seed: int, place: Workplace
) -> Program:
    """Return this thread's program for the specs, compiled at the first request.

    A bounded number is kept a thread: a worker that is reused does not grow, and the next member
    of the same kind costs no compilation.
    """
    if not hasattr(_local, "programs"):
        _local.programs = OrderedDict()
    programs: OrderedDict[tuple[Any, ...], Program] = _local.programs
    # Members of a search differ in their rates: it is set, and one program serves them all.
    others = dict(training.optimizer_params)
    rate = others.pop("learning_rate", None)
    if not isinstance(rate, float):
        others = training.optimizer_params
    kind = replace(training, optimizer_params=others)
    key = (to_json(data), to_json(network), to_json(kind), seed, place.search_path)
    if key not in programs:
        programs[key] = Program(data, network, training, seed, place)
        while len(programs) > _PROGRAMS_A_THREAD:
            programs.popitem(last=False)
    programs.move_to_end(key)
    if isinstance(rate, float):
        programs[key].set_base_rate(rate)
    return programs[key]


def _shapes(weights: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in weights.items()}


def _own_rate(optimizer: Any) -> float | None:
    # A schedule object has no value to assign to.
    rate = getattr(optimizer, "_learning_rate", None)
    return float(rate.numpy()) if rate is not None and hasattr(rate, "assign") else None


def _fresh_random(states: dict[str, Any], rng: np.random.Generator) -> dict[str, Array]:
    # A Keras seed generator's state is a pair: its seed, and the number of draws so far.
    fresh = {}
    for name, state in states.items():
        if tuple(state.shape) != (2,):
            raise HeterosisError(
                f"random state {name!r} has shape {state.shape}, expected (2,)", code="run-damaged"
            )
        fresh[name] = np.array([seed_integer(rng), 0])
    return fresh
