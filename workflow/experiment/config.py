"""The tables of an experiment, checked once, completed with every default, then passed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Final, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from apps.errors import UserError, did_you_mean
from apps.messages.objective import HELD_OUT, WHOLE, Mode, Objective
from apps.messages.specs import ADDED, DataSpec, NetworkSpec, TrainingSpec
from apps.messages.values import GivenClassWeight
from apps.records.metric_modes import mode_of
from apps.records.run_dir import RunDir
from apps.strict import Strict
from workflow.experiment.arms import Arm
from workflow.experiment.functions import by_name
from workflow.experiment.options import Name
from workflow.experiment.recipes import with_recipes
from workflow.experiment.space import GeneSettings, as_space
from workflow.experiment.wording import explained

CONTROL: Final = "control"


@dataclass(frozen=True, kw_only=True)
class Training(TrainingSpec):
    """`[training]`: epochs K, batch size, optimiser, loss, and the fitness that chooses.

    Attributes:
        epochs: K, the same for every network, halted or not.
        metrics: names or plug-ins, or a table of these by output; if left out, `accuracy` for a
            loss of classes.
        fitness: what ranks the members and chooses the champions: the loss on held-out data, on
            the training data, or its running mean over the last epoch; or a metric, likewise
            (`val_auc`, `train_auc`, `auc`).
        fitness_mode: whether its lowest value is the best (`min`) or its highest (`max`); needed
            for a metric of your own.
    """

    epochs: Annotated[int, Field(ge=1)]
    class_weight: GivenClassWeight = field(default=None, metadata=ADDED)
    fitness: str = "val_loss"
    fitness_mode: Mode | None = None

    @classmethod
    def unfolded(cls, table: Any) -> Any:
        """Return the table with the metrics that go with its loss."""
        if not isinstance(table, Mapping) or "metrics" in table:
            return table
        loss = table.get("loss", cls.loss)
        classes = isinstance(loss, str) and "crossentropy" in loss.lower()
        return {**table, "metrics": ("accuracy",) if classes else ()}

    @property
    def objective(self) -> Objective:
        """What ranks the members, and its direction.

        Raises:
            ValueError: the fitness chooses by test data, or its direction is not known.
        """
        if self.fitness.startswith("test_"):
            raise ValueError(
                f"fitness = {self.fitness!r}: test data choose nothing; say "
                f"{HELD_OUT + self.fitness.removeprefix('test_')!r}"
            )
        name = Objective(self.fitness).name
        mode = mode_of(name, {"metrics": self.metrics, "loss": self.loss})
        if self.fitness_mode is None and mode is None:
            raise ValueError(
                f"fitness = {self.fitness!r}: whether it is to be low or high is not known: say "
                f'fitness_mode = "min" or "max"; {self._known_fitness()}'
            )
        if name == "loss" and self.fitness_mode == "max":
            raise ValueError(f'fitness_mode = "max": a loss is to be low ({self.fitness})')
        return Objective(self.fitness, self.fitness_mode or mode or "min")

    def _known_fitness(self) -> str:
        """Return what a fitness may be, as far as the file tells: a network may measure more."""
        by_output = self.metrics if isinstance(self.metrics, Mapping) else {"": self.metrics}
        names = [
            f"{output}_{name}" if output else name
            for output, own in by_output.items()
            for name in (each.rpartition(":")[2] for each in own)
        ]
        known = [part + name for name in ("loss", *names) for part in (HELD_OUT, WHOLE, "")]
        listed = ", ".join(map(repr, known))
        return f"{did_you_mean(self.fitness, known)}of this file there are {listed}"

    @property
    def spec(self) -> TrainingSpec:
        """The table as it travels in messages, without the epochs, which each segment has."""
        return TrainingSpec(**self.part(TrainingSpec))


class Experiment(Strict):
    """A whole experiment: what is run, not where.

    Attributes:
        name: the run directory's, unless `--name` gives another.
        seed: the only source of everything that is drawn.
        trials: number of repetitions; arms are compared trial by trial.
        population: N, the number of networks of an arm.
        data: the table `[data]`.
        network: the table `[network]`.
        training: the table `[training]`.
        space: the table `[space]` of a search: its parameters by name.
        arms: the tables `[[arms]]`; one is named `control` and has no halts. `recipe` stands for
            the keys of `workflow.experiment.recipes`.
    """

    name: Name
    seed: int = Field(default=0, ge=0)
    trials: int = Field(default=1, ge=1)
    population: int = Field(ge=1)
    data: DataSpec = Field(default_factory=DataSpec)
    network: NetworkSpec = Field(default_factory=NetworkSpec)
    training: Training
    space: dict[str, GeneSettings] | None = None
    arms: tuple[Arm, ...] = Field(min_length=1, strict=False)

    def __init__(self, **tables: Any) -> None:
        """Make an experiment of the tables that a file would have; functions may be themselves.

        Raises:
            UserError: they break a rule: one line a breach; or a function has no name to import.
        """
        tables = by_name(tables)
        try:
            super().__init__(**tables)
        except ValidationError as error:
            text = explained(f"experiment {tables.get('name', '')!r}", error, tables)
            raise UserError(text, code="experiment-object") from error

    # pydantic's own mark of an `__init__` that it passes over when it reads a table, as of a file:
    # the file tells what is wrong there.
    vars(__init__)["__pydantic_base_init__"] = True

    @model_validator(mode="before")
    @classmethod
    def _recipes(cls, table: Any) -> Any:
        return with_recipes(table)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            _ = self.training.objective
        except ValueError as error:
            raise ValueError(f"training.{error}") from error
        names = [arm.name for arm in self.arms]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"arms: two arms are named {name!r}; give each its own name")
            if RunDir.is_kept_for_folders(name):
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
                if gene.of == "training":
                    if name == "optimizer" and self.training.optimizer is not None:
                        raise ValueError(
                            "space.optimizer: the experiment sets it too; take it out of training"
                        )
                    continue  # a batch size of the space counts, whatever that of the training
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
        for arm in arms:
            arm.check_budget(self.training.epochs, self.population)
            self._check_settings(arm)
        object.__setattr__(self, "arms", arms)
        return self

    def _check_settings(self, arm: Arm) -> None:
        """Check that an arm's settings of the optimiser are no genes."""
        for epoch in {0, *(int(halt.at) for halt in arm.halts)}:
            for key in arm.setting(epoch).optimizer:
                if self.space is not None and key in self.space:
                    raise ValueError(
                        f"space.{key}: arms.{arm.name} sets it too; take it out of one of them"
                    )

    @property
    def asked(self) -> dict[str, Any]:
        """What every task of the experiment is asked, but where its result goes."""
        return {
            "seed": self.seed,
            "data": self.data,
            "network": self.network,
            "training": self.training.spec,
        }

    @property
    def ranked(self) -> dict[str, Any]:
        """What its tasks rank a population by."""
        return {"fitness": self.training.fitness, "fitness_mode": self.training.objective.mode}

    def segments(self, arm: Arm) -> tuple[tuple[int, int], ...]:
        """Return an arm's segments, each as completed epochs before and after it.

        A segment ends where the arm halts, and where another arm that was equal so far departs from
        it: up to there both share what is computed.
        """
        own = self.timeline(arm)
        cuts = {0, len(own), *(int(halt.at) for halt in arm.halts)}
        cuts |= {_departure(own, self.timeline(other)) for other in self.arms}
        return tuple(pairwise(sorted(cuts)))

    def timeline(self, arm: Arm) -> tuple[object, ...]:
        """Return what an arm does in each of its epochs."""
        return arm.timeline(arm.length(self.training.epochs))

    @property
    def network_epochs(self) -> int:
        """Epochs of training in all, if no arm shared a segment."""
        return self.trials * sum(arm.spent(self.training.epochs) for arm in self.arms)

    def completed(self) -> dict[str, Any]:
        """Return the experiment as a table with every default written out."""
        table: dict[str, Any] = _without_none(self.model_dump(mode="json"))
        return table

    def to_toml(self) -> str:
        """Return the completed experiment as TOML; it loads again as an equal experiment."""
        return tomli_w.dumps(self.completed())


def _departure(one: Sequence[object], other: Sequence[object]) -> int:
    """Return the first epoch in which two timelines differ, or the length of the shorter one."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((epoch for epoch, (a, b) in pairs if a != b), min(len(one), len(other)))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
