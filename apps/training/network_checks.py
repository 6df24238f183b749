"""Whether a network can be trained on its data at all, tried with a few samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import numpy as np

from apps.datasets.arrays import Array, mapped
from apps.errors import UserError, first_line
from apps.networks.build import named_weights
from apps.networks.hidden_state import hidden_state, moved
from apps.training.blueprint import Blueprint
from apps.training.data_parts import Parts
from apps.training.graph import metrics_of
from apps.training.input_checks import check_shapes, label_span, two_samples
from apps.training.member import Member

_COMPARED: Final = 8
_LOOKED_AT: Final = 64


class NetworkChecks:
    """Tries what is in a model on samples of the data; the member's state stays as it is."""

    def __init__(self, blueprint: Blueprint, model: Any, member: Member, parts: Parts) -> None:
        """Check nothing yet.

        Args:
            blueprint: what the model was built of, for the messages.
            model: built and compiled.
            member: what is in it.
            parts: the data.
        """
        self._blueprint = blueprint
        self._model = model
        self._member = member
        self._parts = parts

    def fits_the_data(self, built: Collection[str]) -> None:
        """Check that shapes and labels fit, and that one state gives one loss.

        Args:
            built: names of the weights that the model had before it was first called.

        Raises:
            UserError: they do not fit, or the network draws numbers that no checkpoint holds: its
                results would depend on what ran before.
        """
        data, training = self._parts.data, self._blueprint.training
        two = two_samples(self._parts, training)
        check_shapes(self._model, self._blueprint.network, two, partial(label_span, data))
        self._is_built(built)
        self._is_judged()
        self._takes_whole_numbers()
        with self._without_hidden_state():
            self._repeats(two)

    def takes_a_step(self) -> None:
        """Check that one training step with a whole batch works.

        Raises:
            UserError: it fails; the message says why.
        """
        restore = self._member.snapshot()
        batch = self._parts.samples("train", slice(self._blueprint.training.batch_size)).fields
        if self._parts.teaching is not None:
            batch = self._parts.teaching.with_own_lessons(batch)
        try:
            with self._without_hidden_state(), self._parts.steps():
                self._step(batch)
        finally:
            self._model.reset_metrics()
            restore()

    def _step(self, batch: tuple[Any, ...]) -> None:
        network, training = self._blueprint.network, self._blueprint.training
        try:
            self._model.train_step(batch)
        except (Exception, SystemExit):
            try:
                self._model.train_on_batch(*batch)  # with the graph around it that it may want
            except (Exception, SystemExit) as error:
                raise UserError(
                    f"network {network.builder!r} fails in its first step of training, with "
                    f"optimiser {training.optimizer or self._model.optimizer.name!r} and "
                    f"{training.optimizer_params}: {first_line(error)}",
                    code="network-fit",
                ) from error

    def in_memory(self, key: str, why: str) -> None:
        """Check that the training data are arrays, not batches.

        Args:
            key: of the arm, that needs it.
            why: what needs it, for the message.

        Raises:
            UserError: they come in batches.
        """
        if self._parts.in_batches:
            raise UserError(
                f"{key}: the training data come in batches, and {why} held in memory; return "
                f"arrays, or leave {key} out",
                code="training-setting",
            )

    def agrees_with(self, other: Any) -> bool:
        """Whether another model gives the same outputs on a few samples.

        A network that gives others of its own each time agrees with every one.
        """
        from keras import tree

        x = mapped(lambda array: array[:_COMPARED], self._parts.samples("probe").x)
        own, again, others = (
            [np.asarray(each) for each in tree.flatten(model.predict(x, verbose=0))]
            for model in (self._model, self._model, other)
        )
        if not _alike(own, again):
            return True
        return _alike(own, others)

    def judged_otherwise(self, other: Any) -> str:
        """Return which metric another model has another value of, on a few samples; "" if none."""
        fields = self._parts.samples("probe", slice(_COMPARED)).fields
        try:
            own, again, others = (_judged(model, fields) for model in (self._model,) * 2 + (other,))
        except (Exception, SystemExit):
            return ""  # a step may want a graph around it
        for name in own.keys() & others.keys():
            if np.isclose(own[name], again[name], rtol=1e-3, atol=1e-5) and not np.isclose(
                own[name], others[name], rtol=1e-3, atol=1e-5
            ):
                return f"{name} is {own[name]:.4g} before and {others[name]:.4g} then"
        return ""

    @contextmanager
    def _without_hidden_state(self) -> Iterator[None]:
        """Check that steps of training meanwhile move no state that checkpoints leave out."""
        states = hidden_state(self._model)
        before = {name: reading() for name, reading in states.items()}
        yield
        if found := moved(states, before):
            raise UserError(
                f"network {self._blueprint.network.builder!r} keeps state in {found[0]}, which "
                "training changes and no checkpoint holds, so that a member would begin with "
                "another one's: compile the model with its optimiser "
                "(keras.optimizers.MultiOptimizer holds several), and make a state of your own "
                "with add_weight(..., trainable=False)",
                code="network-state",
            )

    def _is_built(self, built: Collection[str]) -> None:
        if late := [name for name in named_weights(self._model) if name not in built]:
            raise UserError(
                f"network.builder {self._blueprint.network.builder!r} returned a model that makes "
                f"{late[0]!r} at its first call only: let it call the model before it returns it, "
                "as in model(numpy.zeros((1, *input_shape)))",
                code="network-builder",
            )

    def _is_judged(self) -> None:
        """Check that the step of evaluation before told the loss."""
        trackers = {metric.name: metric for metric in self._model.metrics}
        builder = f"network.builder {self._blueprint.network.builder!r}"
        if "loss" not in trackers:
            raise UserError(
                f"{builder} returned a model whose metrics {', '.join(trackers)} have no 'loss': "
                "give this name to the keras.metrics.Mean that its steps update by the loss",
                code="network-fit",
            )
        if not any(np.any(variable.numpy()) for variable in trackers["loss"].variables):
            raise UserError(
                f"{builder} returned a model whose test_step does not update its metric 'loss', so "
                "all losses on held-out data would be 0: write a test_step beside its train_step",
                code="network-fit",
            )

    def _takes_whole_numbers(self) -> None:
        """Check that layers which look numbers up are given whole ones: they cut off the rest."""
        import keras

        kinds = (keras.layers.Embedding, keras.layers.CategoryEncoding)
        x = mapped(lambda array: array[:_LOOKED_AT], self._parts.samples("probe").x)
        for layer in self._model._flatten_layers():
            if isinstance(layer, kinds) and _given_fractions(self._model, layer, x):
                raise UserError(
                    f"layer {layer.name!r} looks whole numbers up and is given fractions, which it "
                    "would cut off: return inputs of whole numbers as int32; bytes are taken for "
                    "pixels and multiplied by 1/255, unless input_scale says otherwise",
                    code="network-fit",
                )

    def _repeats(self, samples: tuple[Any, ...]) -> None:
        restore = self._member.snapshot()
        losses = []
        for _ in range(2):
            restore()
            self._model.reset_metrics()
            try:
                self._model.train_step(samples)
            except (Exception, SystemExit):
                return  # A step may want a whole batch, or a graph around it: training will tell.
            losses.append(metrics_of(self._model)["loss"])
        first, again = losses
        if not np.isclose(first, again, rtol=1e-4, equal_nan=True):
            raise UserError(
                f"network {self._blueprint.network.builder!r} draws random numbers that no "
                "checkpoint holds: give every layer that draws a keras.random.SeedGenerator as an "
                "attribute, and draw with keras.random functions and seed=that attribute",
                code="network-seed",
            )


def _judged(model: Any, fields: Any) -> dict[str, float]:
    """Return a model's loss and metrics on samples."""
    model.reset_metrics()
    try:
        model.test_step(fields)
        return metrics_of(model)
    finally:
        model.reset_metrics()


def _given_fractions(model: Any, layer: Any, x: Any) -> bool:
    """Whether a layer's inputs are no whole numbers somewhere."""
    fractions = []
    usual = layer.call

    def call(inputs: Any, *others: Any, **named: Any) -> Any:
        values = np.asarray(inputs)
        fractions.append(values.dtype.kind == "f" and bool(np.any(values != np.round(values))))
        return usual(inputs, *others, **named)

    layer.call = call
    try:
        model(x, training=False)
    except (Exception, SystemExit):
        return False  # a graph around it is wanted: training will tell
    finally:
        del layer.call
    return any(fractions)


def _alike(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return len(one) == len(other) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )
