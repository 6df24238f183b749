"""The experiment file: TOML, checked once, completed with every default, then passed on."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import tomli_w
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from apps.errors import UserError
from apps.genetics.crossover import CROSSOVERS
from apps.genetics.mutation import MUTATIONS
from apps.genetics.selection import SELECTIONS
from apps.messages import DataSpec, NetworkSpec, OperatorSpec, TrainingSpec
from apps.plugins import is_plugin, plugin_digest
from apps.registries import check_settings, lookup

READY: Final = Path(__file__).parent / "experiments"
"""Folder of the ready experiments."""

CONTROL: Final = "control"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+.\-]*$", max_length=60)]


class _Strict(BaseModel):
    """A table of the experiment file: unknown keys are refused, the nearest known one is named."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, table: Any) -> Any:
        if isinstance(table, Mapping):
            check_keys(table, cls.known_keys())
        return table

    @classmethod
    def known_keys(cls) -> Sequence[str]:
        """Keys that the table may have."""
        return list(cls.model_fields)


def check_keys(table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Check a table's keys.

    Raises:
        ValueError: a key is unknown; the message names it and the nearest known one.
    """
    for key in table:
        if key not in known:
            nearest = get_close_matches(key, known, n=1)
            hint = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise ValueError(f"unknown key {key!r}; {hint}known keys are {', '.join(known)}")


class Operator(_Strict):
    """A registered operator or a plug-in, and its settings: `"mean"` or `{ name = ..., ... }`."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)

    @property
    def spec(self) -> OperatorSpec:
        """The operator as it travels in messages."""
        return OperatorSpec(self.name, self.params)


def _operator_table(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and "params" not in value:
        return {
            "name": value.get("name"),
            "params": {key: item for key, item in value.items() if key != "name"},
        }
    return value


OperatorField = Annotated[Operator, BeforeValidator(_operator_table)]


class Data(_Strict):
    """`[data]`: which data, and how they are split."""

    name: str = "fashion_mnist"
    params: dict[str, Any] = Field(default_factory=dict)
    validation: int = Field(default=10_000, ge=1)
    train_limit: int | None = Field(default=None, ge=1)
    folder: str | None = None
    digest: str = ""

    @property
    def spec(self) -> DataSpec:
        """The table as it travels in messages."""
        return DataSpec(**self.model_dump())


class Network(_Strict):
    """`[network]`: a named builder or a plug-in, and its arguments."""

    builder: str = "two_layer_dense"
    params: dict[str, Any] = Field(default_factory=dict)
    digest: str = ""

    @property
    def spec(self) -> NetworkSpec:
        """The table as it travels in messages."""
        return NetworkSpec(**self.model_dump())


class Training(_Strict):
    """`[training]`: epochs K, batch size, optimiser, loss, and the fitness that chooses."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=128, ge=1)
    optimizer: str | None = None
    optimizer_params: dict[str, Any] = Field(default_factory=dict)
    loss: str = "sparse_categorical_crossentropy"
    metrics: tuple[str, ...] = ("accuracy",)
    fitness: Literal["loss", "train_loss", "val_loss"] = "val_loss"

    @property
    def spec(self) -> TrainingSpec:
        """What of the table travels in messages: a segment brings its own epochs."""
        return TrainingSpec(**self.model_dump(exclude={"epochs", "fitness"}))


class Halt(_Strict):
    """What is done with the population at one halt.

    Attributes:
        at: a fraction of the epochs as written, completed epochs once checked.
        mating: `all`: the survivors are merged into one network, the parent of all children;
            `self`: every member goes on from its own weights.
        parents: number of survivors, T.
    """

    at: float | int
    mating: Literal["all", "self"] = "all"
    parents: int = Field(default=2, ge=1)
    selection: OperatorField = Operator(name="truncation")
    crossover: OperatorField = Operator(name="mean")
    mutation: OperatorField = Operator(name="gaussian", params={"scale": 0.05})
    optimizer: Literal["fresh", "inherit"] = "fresh"


class Arm(_Strict):
    """`[[arms]]`: one strategy. Keys of a halt that stand here hold for all of its halts."""

    name: Name
    halts: tuple[Halt, ...] = ()

    @classmethod
    def known_keys(cls) -> Sequence[str]:
        """Keys of the table once the halts' shared keys are spread over them."""
        return ["name", "halts"]

    @model_validator(mode="before")
    @classmethod
    def _spread_over_halts(cls, table: Any) -> Any:
        if not isinstance(table, Mapping) or not isinstance(table.get("halts", []), list | tuple):
            return table
        shared_keys = [key for key in Halt.model_fields if key != "at"]
        check_keys(table, ["name", "halts", *shared_keys])
        shared = {key: table[key] for key in shared_keys if key in table}
        halts = table.get("halts", [])
        if shared and not halts:
            raise ValueError(f"{next(iter(shared))!r} is set, but the arm has no halts")
        return {
            "halts": [
                shared | (dict(halt) if isinstance(halt, Mapping) else {"at": halt})
                for halt in halts
            ],
            **{key: value for key, value in table.items() if key == "name"},
        }

    def halt_after(self, epoch: int) -> Halt | None:
        """Return the halt after `epoch` completed epochs, if the arm has one there."""
        return next((halt for halt in self.halts if halt.at == epoch), None)


class Experiment(_Strict):
    """A whole experiment: what is run, and nothing of where."""

    name: Name
    seed: int = Field(default=0, ge=0)
    trials: int = Field(default=1, ge=1)
    population: int = Field(ge=1)
    data: Data = Field(default_factory=Data)
    network: Network = Field(default_factory=Network)
    training: Training
    arms: tuple[Arm, ...] = Field(min_length=1)

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
        arms = tuple(
            arm.model_copy(update={"halts": tuple(self._checked(arm, halt) for halt in arm.halts)})
            for arm in self.arms
        )
        for arm in arms:
            epochs = [halt.at for halt in arm.halts]
            if epochs != sorted(set(epochs)):
                raise ValueError(
                    f"arms.{arm.name}.halts: halts are in order and after different epochs, "
                    f"these are after epochs {epochs} of {self.training.epochs}"
                )
        object.__setattr__(self, "arms", arms)
        return self

    def _checked(self, arm: Arm, halt: Halt) -> Halt:
        where = f"arms.{arm.name}"
        epochs = self.training.epochs
        at = round(halt.at * epochs) if isinstance(halt.at, float) else halt.at
        if isinstance(halt.at, float) and not 0 < halt.at < 1:
            raise ValueError(
                f"{where}.halts: {halt.at} is neither a fraction between 0 and 1 nor a whole "
                "number of epochs"
            )
        if not 0 < at < epochs:
            raise ValueError(
                f"{where}.halts: a halt comes after at least 1 and before all of the {epochs} "
                f"epochs, {halt.at} is after epoch {at}"
            )
        if halt.mating == "all" and halt.parents > self.population:
            raise ValueError(
                f"{where}.parents: {halt.parents} parents cannot be chosen from a population "
                f"of {self.population}"
            )
        for registry, operator, what in (
            (SELECTIONS, halt.selection, "selection"),
            (CROSSOVERS, halt.crossover, "crossover"),
            (MUTATIONS, halt.mutation, "mutation"),
        ):
            if is_plugin(operator.name):
                continue
            try:
                function = lookup(registry, operator.name, f"{where}.{what}")
                check_settings(f"{where}.{what} {operator.name!r}", function, operator.params)
            except UserError as error:
                raise ValueError(str(error)) from error
        return halt.model_copy(update={"at": at})

    @property
    def cuts(self) -> tuple[int, ...]:
        """Epochs after which some arm halts, and the end: every arm is stored there."""
        halts = {int(halt.at) for arm in self.arms for halt in arm.halts}
        return (*sorted(halts), self.training.epochs)

    @property
    def network_epochs(self) -> int:
        """Epochs of training in all, when no arm shared a segment with another."""
        return self.trials * len(self.arms) * self.population * self.training.epochs

    def completed(self) -> dict[str, Any]:
        """Return the experiment as a table with every default written out."""
        table: dict[str, Any] = _without_none(self.model_dump(mode="json"))
        return table

    def to_toml(self) -> str:
        """Return the completed experiment as TOML; it loads again as an equal experiment."""
        return tomli_w.dumps(self.completed())


def find_experiment(reference: str) -> Path:
    """Return the file of an experiment: a ready one by name, or a path.

    Raises:
        UserError: there is neither.
    """
    path = Path(reference)
    ready = READY / f"{reference}.toml"
    if path.suffix != ".toml" and ready.is_file():
        return ready
    if path.is_file():
        return path
    names = sorted(file.stem for file in READY.glob("*.toml"))
    nearest = get_close_matches(reference, names, n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise UserError(
        f"experiment {reference!r}: no such file, and no ready experiment of that name; "
        f"{hint}ready are {', '.join(names)}"
    )


def load_experiment(path: Path, settings: Sequence[str] = ()) -> Experiment:
    """Read and check an experiment file.

    Args:
        path: the file.
        settings: `key=value` pairs that replace what the file says; keys are dotted, an arm is
            named by its name or number (`arms.mean.parents=3`), values are TOML or plain text.

    Raises:
        UserError: the file cannot be read, is not TOML, or breaks a rule: one line a breach.
    """
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML: {error}") from error
    for setting in settings:
        _apply(table, setting)
    try:
        experiment = Experiment.model_validate(table)
    except ValidationError as error:
        raise UserError("\n".join(_explain(path, error))) from error
    return _with_digests(experiment, str(path.resolve().parent))


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys in which two completed experiments differ, with both values."""
    left, right = dict(_flat(one)), dict(_flat(other))
    keys = dict.fromkeys([*left, *right])
    nothing = "(not set)"
    return [
        f"{key} (there {left.get(key, nothing)!r}, here {right.get(key, nothing)!r})"
        for key in keys
        if left.get(key, nothing) != right.get(key, nothing)
    ]


def _with_digests(experiment: Experiment, folder: str) -> Experiment:
    changes: dict[str, Any] = {}
    if is_plugin(experiment.data.name):
        digest = plugin_digest(experiment.data.name, folder)
        changes["data"] = experiment.data.model_copy(update={"digest": digest})
    if is_plugin(experiment.network.builder):
        digest = plugin_digest(experiment.network.builder, folder)
        changes["network"] = experiment.network.model_copy(update={"digest": digest})
    if experiment.data.folder is not None:
        # Workers run in other folders.
        folder = str(Path(experiment.data.folder).expanduser().absolute())
        data = changes.get("data", experiment.data)
        changes["data"] = data.model_copy(update={"folder": folder})
    return experiment.model_copy(update=changes)


def _apply(table: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise UserError(f"--set {setting!r}: a setting has the form key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *path, last = key.strip().split(".")
    place: Any = table
    for part in path:
        place = _step(place, part, setting)
    if not isinstance(place, dict):
        raise UserError(f"--set {setting!r}: {'.'.join(path)} is not a table")
    place[last] = value


def _step(place: Any, part: str, setting: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(part, {})
    if isinstance(place, list):
        for index, item in enumerate(place):
            if part == str(index) or (isinstance(item, dict) and item.get("name") == part):
                return item
        names = [item.get("name") for item in place if isinstance(item, dict)]
        raise UserError(f"--set {setting!r}: there is no {part!r} among {names}")
    raise UserError(f"--set {setting!r}: {part!r} is below a plain value")


def _explain(path: Path, error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ")
        value = item["input"]
        shown = (
            "" if isinstance(value, dict | list) or item["type"] == "missing" else f" = {value!r}"
        )
        yield f"{path}: {where}{shown}: {text}" if where else f"{path}: {text}"


def _flat(table: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(table, Mapping):
        items = [(str(key), item) for key, item in table.items()]
    elif isinstance(table, list) and table and isinstance(table[0], Mapping):
        items = [(str(item.get("name", index)), item) for index, item in enumerate(table)]
    else:
        yield prefix, table
        return
    for key, item in items:
        yield from _flat(item, f"{prefix}.{key}" if prefix else key)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
