"""A member in a trainer's model: its whole state, put in and taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from apps.datasets.arrays import Array
from apps.errors import HeterosisError
from apps.networks.build import (
    assign,
    named_optimizer_states,
    named_random_states,
    named_weights,
    read,
)
from apps.networks.optimizers import copies_of_weights, finalizes
from apps.records.checkpoints import Checkpoint
from apps.seeds import seed_integer


class Member:
    """What is in a model: weights, optimiser, random layers."""

    def __init__(self, model: Any) -> None:
        """Remember the optimiser's state as a fresh one.

        Args:
            model: built and compiled, its optimiser built too and not used yet.
        """
        self._model = model
        self._fresh_optimizer = read(named_optimizer_states(model))
        states = {id(state): name for name, state in named_optimizer_states(model).items()}
        weights = {id(weight): name for name, weight in named_weights(model).items()}
        self._copies = {
            states[id(state)]: weights[id(weight)]
            for state, weight in copies_of_weights(model.optimizer)
        }

    def load(self, checkpoint: Checkpoint, random_layers: np.random.Generator) -> None:
        """Load a member; an empty `optimizer` or `random` stands for a fresh state.

        Args:
            checkpoint: weights and, to go on, optimiser and random states.
            random_layers: seeds the random layers when the checkpoint has no states of them.
        """
        self.put(checkpoint.weights)
        optimizer = checkpoint.optimizer or self.adapted(self._fresh_optimizer, checkpoint.weights)
        assign(named_optimizer_states(self._model), optimizer)
        states = named_random_states(self._model)
        assign(states, checkpoint.random or _fresh_random(states, random_layers))

    def put(self, weights: Mapping[str, Array]) -> None:
        """Load weights only; optimiser and random states stay as they are."""
        assign(named_weights(self._model), weights)

    def move(self, weights: Mapping[str, Array]) -> None:
        """Load weights to which a step outside the optimiser has led; see `moved`."""
        states = named_optimizer_states(self._model)
        copies = {name: states[name] for name in self._copies}
        assign(copies, self.moved(read(copies), self.weights(), weights))
        self.put(weights)

    def adapted(
        self, optimizer: Mapping[str, Array], weights: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Return an optimiser's state made one of other weights than those it comes from.

        Its averages of the weights, and what begins as a copy of them, become the weights.
        """
        copies = {state: weights[name] for state, name in self._copies.items()}
        return {**optimizer, **copies}

    def moved(
        self,
        optimizer: Mapping[str, Array],
        before: Mapping[str, Array],
        after: Mapping[str, Array],
    ) -> dict[str, Array]:
        """Return an optimiser's state after its weights were moved as a whole.

        Averages of the weights, and what begins as a copy of them, go as far as the weights: they
        lie to them as before.

        Args:
            optimizer: the state that belongs to `before`.
            before: the weights that the optimiser's last step led to.
            after: those from which its next one starts.
        """
        copies = {
            state: _shifted(optimizer[state], before[name], after[name])
            for state, name in self._copies.items()
        }
        return {**optimizer, **copies}

    def end_training(self, tell: Callable[[], None]) -> dict[str, Array]:
        """End training as `keras.Model.fit` does after its last epoch.

        The optimiser may put other weights than the latest in place, as `use_ema` does; then
        callbacks are told. The latest stay in the model, for training that goes on; what a callback
        puts in place of either stays too.

        Args:
            tell: calls the callbacks' `on_train_end`.

        Returns:
            The weights that training ends with; empty if they are those in the model.
        """
        optimizer = self._model.optimizer
        if not finalizes(optimizer):
            tell()
            return {}
        latest = self.weights()
        optimizer.finalize_variable_values(self._model.trainable_variables)
        final = self.weights()
        tell()
        ended = self.weights()
        if any(not np.array_equal(ended[name], final[name], equal_nan=True) for name in final):
            return {}
        self.put(latest)
        return ended

    def weights(self) -> dict[str, Array]:
        """Return the member's weights, as copies."""
        return read(named_weights(self._model))

    def state(self) -> Checkpoint:
        """Return the member's whole state, as copies."""
        return Checkpoint(
            weights=self.weights(),
            optimizer=read(named_optimizer_states(self._model)),
            random=read(named_random_states(self._model)),
        )

    def snapshot(self) -> Callable[[], None]:
        """Remember the state as it is; return what puts it back."""
        before = self.state()
        return lambda: self.load(before, np.random.default_rng(0))

    @property
    def statistics(self) -> frozenset[str]:
        """Names of the arrays that are not learnt: running means and variances, counters."""
        named = named_weights(self._model).items()
        return frozenset(name for name, variable in named if not variable.trainable)

    @property
    def running(self) -> frozenset[str]:
        """Names of the statistics that a pass may measure: counts are none."""
        named = named_weights(self._model)
        return frozenset(name for name in self.statistics if "float" in named[name].dtype)

    @property
    def learnt(self) -> dict[str, Array]:
        """The arrays that are learnt, as copies."""
        named = named_weights(self._model).items()
        return read({name: variable for name, variable in named if variable.trainable})

    @property
    def parameters(self) -> int:
        """Number of trained weights."""
        return int(sum(np.prod(variable.shape) for variable in self._model.trainable_variables))


def _shifted(copy: Array, before: Array, after: Array) -> Array:
    # A member that diverges may have gone from one infinity to another.
    with np.errstate(invalid="ignore", over="ignore"):
        way = after.astype(np.float64) - before.astype(np.float64)
        there = (copy.astype(np.float64) + way).astype(copy.dtype)
    return np.where(way == 0, copy, there)


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
