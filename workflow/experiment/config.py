"""The tables of an experiment, checked once, completed with every default, then passed on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

import tomli_w
from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from apps.messages.specs import DataSpec, EngineName, NetworkSpec, TrainingSpec
from apps.plugins import is_plugin
from apps.strict import Strict
from workflow.experiment.arms import Arm
from workflow.experiment.options import Name, OperatorField, Params
from workflow.experiment.space import GeneSettings, as_space

CONTROL: Final = "control"


class Data(Strict):
    """`[data]`: which data, and how they are split.

    Attributes:
        name: of a built-in data set, or a plug-in `"module:function"`.
        params: settings of the data set, keyword arguments of the plug-in.
        validation: samples held out of the training data, where there are no others.
        train_limit: use only so many of the remaining training samples.
        folder: where Fashion-MNIST's files are; the usual places are searched without it.
        digest: filled in when the run begins: SHA-256 of what the data are made of.
    """

    name: str = "fashion_mnist"
    params: Params = Field(default_factory=dict)
    validation: int = Field(default=10_000, ge=1)
    train_limit: int | None = Field(default=None, ge=1)
    folder: str | None = None
    digest: str = ""

    @property
    def spec(self) -> DataSpec:
        """The table as it travels in messages."""
        return DataSpec(**self.model_dump())


class Network(Strict):
    """`[network]`: a named builder or a plug-in, and its arguments.

    Attributes:
        builder: of a built-in network, or a plug-in `"module:function"`.
        params: its keyword arguments.
        digest: filled in when the run begins: SHA-256 of the plug-in's source.
    """

    builder: str = "two_layer_dense"
    params: Params = Field(default_factory=dict)
    digest: str = ""

    @property
    def spec(self) -> NetworkSpec:
        """The table as it travels in messages."""
        return NetworkSpec(**self.model_dump())


Names = Annotated[tuple[str, ...], Field(strict=False)]


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def _one_loss(value: Any) -> Any:
    # A union's own errors are one for each of its kinds.
    losses = value.values() if isinstance(value, dict) else [value]
    if not all(isinstance(each, str) for each in losses):
        raise ValueError("should be a name, or a table of names by output")
    return value


def _lists_of_names(value: Any) -> Any:
    lists = value.values() if isinstance(value, dict) else [value]
    if not all(map(_is_names, lists)):
        raise ValueError("should be an array of names, or a table of arrays by output")
    return value


Loss = Annotated[str | dict[str, str], BeforeValidator(_one_loss)]
Metrics = Annotated[Names | dict[str, Names], BeforeValidator(_lists_of_names)]


class Training(Strict):
    """`[training]`: epochs K, batch size, optimiser, loss, and the fitness that chooses.

    Attributes:
        epochs: of every network, halts or not: K.
        batch_size: samples a step; batches that come from a data set keep their own size.
        optimizer: a Keras optimiser's name or a plug-in; without one the model's own, or Adam.
        optimizer_params: its keyword arguments, schedules of the learning rate among them.
        loss: a Keras loss's name or a plug-in, or one for each output by name; a compiled model
            keeps its own.
        metrics: names or plug-ins, or several for each output by name; `accuracy` with a loss of
            classes if left out.
        callbacks: names with settings, or plug-ins; they are told of a member's epochs.
        digest: filled in when the run begins: SHA-256 of the plug-ins' sources.
        engine: what trains: `xla` compiles an epoch, `graph` does without compiling, `fit` is
            Keras's own loop; `auto` chooses by the network.
        fitness: what ranks the members and chooses the champions: the loss on held-out data, on
            the training data, or its running mean over the last epoch.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=128, ge=1)
    optimizer: str | None = None
    optimizer_params: Params = Field(default_factory=dict)
    loss: Loss = "sparse_categorical_crossentropy"
    metrics: Metrics | None = None
    callbacks: tuple[OperatorField, ...] = Field(default=(), strict=False)
    digest: str = ""
    engine: EngineName = "auto"
    fitness: Literal["loss", "train_loss", "val_loss"] = "val_loss"

    @model_validator(mode="after")
    def _completed(self) -> Self:
        if self.metrics is None:
            classes = isinstance(self.loss, str) and "crossentropy" in self.loss.lower()
            object.__setattr__(self, "metrics", ("accuracy",) if classes else ())
        return self

    @property
    def spec(self) -> TrainingSpec:
        """What of the table travels in messages: a segment brings its own epochs."""
        given = self.model_dump(exclude={"epochs", "fitness", "callbacks"})
        return TrainingSpec(**given, callbacks=tuple(each.spec for each in self.callbacks))

    @property
    def plugins(self) -> list[str]:
        """The plug-ins that it names."""
        metrics = self.metrics if isinstance(self.metrics, tuple) else ()
        by_output = self.metrics.values() if isinstance(self.metrics, dict) else ()
        losses = self.loss.values() if isinstance(self.loss, dict) else (self.loss,)
        named = [
            self.optimizer or "",
            *losses,
            *metrics,
            *(n for names in by_output for n in names),
        ]
        return [each for each in (*named, *(c.name for c in self.callbacks)) if is_plugin(each)]


class Experiment(Strict):
    """A whole experiment: what is run, and nothing of where.

    Attributes:
        name: of the run directory.
        seed: everything that is drawn depends on it and on nothing else.
        trials: repetitions; arms are compared trial by trial.
        population: networks of an arm, N.
        data: the table `[data]`.
        network: the table `[network]`.
        training: the table `[training]`.
        space: the table `[space]` of a search: its parameters by name.
        arms: the tables `[[arms]]`; one is named `control` and has no halts.
    """

    name: Name
    seed: int = Field(default=0, ge=0)
    trials: int = Field(default=1, ge=1)
    population: int = Field(ge=1)
    data: Data = Field(default_factory=Data)
    network: Network = Field(default_factory=Network)
    training: Training
    space: dict[str, GeneSettings] | None = None
    arms: tuple[Arm, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [arm.name for arm in self.arms]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"arms: two arms are named {name!r}; give each its own name")
            if name.startswith("segment-"):
                raise ValueError(f"arms: {name!r} is kept for folders; choose another name")
        control = next((arm for arm in self.arms if arm.name == CONTROL), None)
        if control is None or control.halts:
            raise ValueError(
                f"arms: one arm named {CONTROL!r} and without halts is needed, to compare with; "
                'add [[arms]] name = "control"'
            )
        if self.space is not None:
            as_space(self.space)
            for name, gene in self.space.items():
                given = self.network if gene.of == "network" else self.training
                key = "params" if gene.of == "network" else "optimizer_params"
                if name in getattr(given, key):
                    raise ValueError(
                        f"space.{name}: the experiment sets it too; take it out of "
                        f"{'network' if gene.of == 'network' else 'training'}.{key}"
                    )
        arms = tuple(
            arm.completed(self.training.epochs, self.population, self.space is not None)
            for arm in self.arms
        )
        object.__setattr__(self, "arms", arms)
        return self

    def segments(self, arm: Arm) -> tuple[tuple[int, int], ...]:
        """Return an arm's stretches of training, each from and to completed epochs.

        An arm is stored where it halts, and where another arm that went along so far departs from
        it: up to there they share what is computed.
        """
        epochs = self.training.epochs
        own = arm.timeline(epochs)
        cuts = {0, epochs, *(int(halt.at) for halt in arm.halts)}
        cuts |= {_departure(own, other.timeline(epochs)) for other in self.arms}
        return tuple(pairwise(sorted(cuts)))

    @property
    def network_epochs(self) -> int:
        """Epochs of training in all, when no arm shared a segment with another."""
        epochs = range(self.training.epochs)
        return self.trials * sum(arm.size(epoch) for arm in self.arms for epoch in epochs)

    def completed(self) -> dict[str, Any]:
        """Return the experiment as a table with every default written out."""
        table: dict[str, Any] = _without_none(self.model_dump(mode="json"))
        return table

    def to_toml(self) -> str:
        """Return the completed experiment as TOML; it loads again as an equal experiment."""
        return tomli_w.dumps(self.completed())


def _departure(one: Sequence[object], other: Sequence[object]) -> int:
    """Return the first epoch in which two timelines differ, or their length."""
    pairs = enumerate(zip(one, other, strict=True))
    return next((epoch for epoch, (a, b) in pairs if a != b), len(one))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
