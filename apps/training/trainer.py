"""A compiled network that is reused: members are loaded into it, trained, and read out."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import Named, listed
from apps.datasets.load import load_dataset
from apps.messages.fingerprints import to_json
from apps.messages.specs import (
    NO_GENOME,
    DataSpec,
    Genome,
    NetworkSpec,
    TrainingSpec,
    phenotype,
)
from apps.messages.tasks import Lesson, Workplace
from apps.networks.build import named_optimizer_states, named_weights
from apps.plugins.load import is_plugin
from apps.recent import Recent
from apps.runtime import load_keras
from apps.training.blueprint import Blueprint
from apps.training.class_weights import with_class_weights
from apps.training.data_parts import PartName, Parts
from apps.training.engine_choice import EngineChoice
from apps.training.epoch_loop import Loop
from apps.training.learning_rate import LearningRate
from apps.training.measures import Measures
from apps.training.member import Member
from apps.training.network_checks import NetworkChecks
from apps.training.target_shapes import with_fitting_targets
from apps.training.targets import ignored_label, losses_of, with_scaled_targets
from apps.training.teaching import Teaching

_TRAINERS_A_THREAD: Final = 32
_ALWAYS_KEPT: Final = 6
_ALLOWED_BYTES: Final = 2**27
"""A search trains many architectures in turn, and many of them again in the next generation.
Trainers of a thread that hold more together are dropped, but for the few that the arms of a run go
through."""

_BYTES_A_NUMBER: Final = 4

_local = threading.local()


class Trainer:
    """A network with its compiled training, reused for one member after another.

    It belongs to one thread. All of a member's state is put in by `member.load` and taken out by
    `member.state`, so what ran before leaves no trace in the numbers.

    Attributes:
        model: the Keras model, compiled.
        blueprint: what it was built of; gives initial weights, and networks beside this one.
        member: what is in it.
        rate: the learning rate.
        measures: of other networks of this architecture.
        checks: whether it can be trained on its data.
        predictions: the teachers', that members learn from.
        in_batches: whether the training data come in batches.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        model: Any,
        parts: Parts,
        few_steps: bool = False,
        remarks: Sequence[str] = (),
    ) -> None:
        """Train nothing yet.

        Args:
            blueprint: what the model was built of.
            model: built and compiled.
            parts: the data.
            few_steps: whether the architecture is one of many, each trained for few steps.
            remarks: on the data, for the user.
        """
        self.model = model
        self.blueprint = blueprint
        self._parts = parts
        self.predictions: Named | None = None
        self.in_batches = parts.in_batches
        self._remarks = tuple(remarks)
        model.optimizer.build(model.trainable_variables)
        self.member = Member(model)
        self.rate = LearningRate(model.optimizer)
        self._loop = Loop(model, parts, blueprint.training, few_steps, self.member.snapshot)
        self.measures = Measures(model, self.member, parts, self._loop)
        self.checks = NetworkChecks(blueprint, model, self.member, parts)

    def order(
        self, rng: np.random.Generator, earlier: Iterable[np.random.Generator] = ()
    ) -> NDArray[np.int64]:
        """Return the order of the training data for one epoch, as `run_epoch` takes it.

        Args:
            rng: of the epoch.
            earlier: those of the member's epochs before it.
        """
        return self._parts.order(rng, earlier)

    def run_epoch(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch and return its metrics, running means over the batches.

        Args:
            order: of the training data, from `order`.
        """
        return self._loop.run_epoch(order)

    def learn_from(self, predictions: Named) -> None:
        """Take the teachers' predictions of the training set, which the next epochs learn from."""
        if self._parts.teaching is not None and predictions is not self.predictions:
            self.predictions = predictions
            self._parts.teaching.learn_from(predictions)

    @property
    def nbytes(self) -> int:
        """About what it holds beside the data: model, optimiser, the teachers' predictions.

        The optimiser's states are there twice, the second time as they begin, and so are the
        predictions, as tensors.
        """
        states = [*named_optimizer_states(self.model).values()]
        numbers = sum(
            int(np.prod(each.shape)) for each in [*self.model.variables, *states, *states]
        )
        lessons = [] if self.predictions is None else listed(self.predictions)
        return _BYTES_A_NUMBER * numbers + 2 * sum(int(each.nbytes) for each in lessons)

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Return loss and metrics on a whole part of the data; the state stays as it is."""
        return self._loop.evaluate(part)

    def evaluate_other(self, model: Any) -> dict[str, float]:
        """Return loss and metrics of another compiled model on the test set, by Keras itself."""
        return self._loop.evaluate_other(model)

    @property
    def engine(self) -> EngineChoice:
        """What trains, and why."""
        return self._loop.choice

    @property
    def remarks(self) -> list[str]:
        """Remarks for the user, for example why training is not fused."""
        return [*self._remarks, *self._loop.remarks]


def new_trainer(
    data: DataSpec,
    network: NetworkSpec,
    training: TrainingSpec,
    seed: int,
    place: Workplace,
    few_steps: bool = False,
    lesson: Lesson | None = None,
) -> Trainer:
    """Build a network and return what trains it.

    Args:
        data: what it learns.
        network: its builder.
        training: its optimiser, loss and batch size.
        seed: of the experiment.
        place: where plug-ins are found, and how many threads compute.
        few_steps: whether the architecture is one of many, each trained for few steps.
        lesson: how members learn from teachers; None where they have none.

    Raises:
        UserError: network and data do not fit together, or members cannot be taught.
    """
    loaded = load_dataset(data, seed, place.search_path)
    load_keras(place.threads)
    blueprint = Blueprint(loaded, network, training, place)
    model = blueprint.build(0)
    built = named_weights(model).keys()
    learnt = with_scaled_targets(loaded, losses_of(model))
    learnt, remarks = with_fitting_targets(learnt, model)
    made_otherwise = [*sorted(learnt.byte_targets), *remarks]
    learnt, told = with_class_weights(learnt, losses_of(model), training.class_weight)
    weights = ""
    if training.class_weight is not None:  # balanced ones leave out what the loss ignores
        ignored = [ignored_label(loss) for loss in listed(losses_of(model))]
        weights = f"{training.class_weight} {ignored}"
    key = to_json(data) + f"{seed} {place.search_path} {made_otherwise}{weights}".encode()
    parts = Parts(learnt, key)
    made = Trainer(blueprint, model, parts, few_steps, (*remarks, *told))
    if lesson is not None:
        made.checks.in_memory("teach", "teachers predict for samples")
    made.checks.fits_the_data(built)
    if lesson is not None:
        parts.teaching = Teaching(model, lesson)
    return made


def forget_trainers() -> None:
    """Drop the trainers that this thread keeps: the next one is built anew."""
    _local.trainers = Recent(
        _TRAINERS_A_THREAD, lambda trainer: trainer.nbytes, _ALLOWED_BYTES, _ALWAYS_KEPT
    )


def trainer_for(
    data: DataSpec,
    network: NetworkSpec,
    training: TrainingSpec,
    seed: int,
    place: Workplace,
    genome: Genome = NO_GENOME,
    lesson: Lesson | None = None,
) -> Trainer:
    """Return this thread's trainer for a member of the specs and a genome.

    A bounded number is kept a thread, so that the next member of the same kind costs no compilation
    and a worker that is reused does not grow without end.
    """
    if not hasattr(_local, "trainers"):
        forget_trainers()
    trainers: Recent[Trainer] = _local.trainers
    # Members of a search differ in their rates: it is set, and one trainer serves them all. What a
    # function of the user's own makes of a rate is its own business.
    network, training = phenotype(network, training, genome)
    few_steps = bool(genome.network or genome.training)
    others = dict(training.optimizer_params)
    rate = None if is_plugin(training.optimizer or "") else others.pop("learning_rate", None)
    if not isinstance(rate, float):
        rate, others = None, dict(training.optimizer_params)
    kind = replace(training, optimizer_params=others)
    way = None if lesson is None else (lesson.weight, lesson.temperature)
    specs = (to_json(data), to_json(network), to_json(kind))
    # One who names no rate must not get the trainer in which another's rate is left.
    key = (*specs, rate is None, seed, place.search_path, few_steps, way)
    found = trainers.get(
        key, lambda: new_trainer(data, network, training, seed, place, few_steps, lesson)
    )
    if rate is not None:
        found.rate.set_base(rate)
    return found
