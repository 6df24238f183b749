"""A trial in small: whatever would fail on a worker is told before anything is stored."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.errors import UserError
from apps.genetics.domains import Choice
from apps.genetics.genes import Gene, Space
from apps.messages.specs import (
    CrossoverSpec,
    DataSpec,
    Genome,
    NetworkSpec,
    OperatorSpec,
    SearchSpec,
    SpeciesSpec,
    TrainingSpec,
)
from apps.messages.tasks import (
    Fresh,
    HarvestTask,
    Lesson,
    MateTask,
    Offspring,
    TrainTask,
    Workplace,
)
from apps.preflight import rehearsed_halts
from apps.preflight.rehearsal import HarvestRehearsal, SettingRehearsal, rehearse
from apps.preflight.rehearsed_halts import HaltRehearsal
from apps.training.trainer import trainer_for
from tests.support.small import ADAM, DATA, PLAIN, RICH, SEED, net, training

HERE = "tests.apps.preflight.test_rehearsal"
NONE = OperatorSpec("none")
MEAN = CrossoverSpec("mean")


def refuses(*_: object, **__: object) -> Any:
    """An operator with a mistake of its own."""
    raise ArithmeticError("no such\nnumber")


def exits(*_: object, **__: object) -> Any:
    """An operator that ends the process, as a script's `main` does."""
    sys.exit("no more")


def stumbles(input_shape: Any, classes: int, width: int = 4) -> Any:
    """A network that can be built with every width, and not trained with 5."""
    import keras

    @keras.saving.register_keras_serializable("rehearsal")
    class Stumbling(keras.layers.Dense):
        def call(self, x: Any, training: bool = False) -> Any:
            if training and self.units == 5:
                raise ValueError("5 units are too many")
            return super().call(x)

    last = keras.layers.Dense(classes, activation="softmax")
    return keras.Sequential(
        [keras.layers.Input(input_shape), keras.layers.Flatten(), Stumbling(width), last]
    )


def narrow(input_shape: Any, classes: int, width: int = 4, depth: int = 1) -> Any:
    """A network that cannot be built with two layers of 5 units."""
    import keras

    if (width, depth) == (5, 2):
        raise ValueError("5 units are too many twice")
    hidden = [keras.layers.Dense(width) for _ in range(depth)]
    last = keras.layers.Dense(classes, activation="softmax")
    return keras.Sequential(
        [keras.layers.Input(input_shape), keras.layers.Flatten(), *hidden, last]
    )


def searched(input_shape: Any, classes: int, how: str = "", width: int = 4) -> Any:
    """A network of a search that compiles itself, if it is told how."""
    import keras

    @keras.saving.register_keras_serializable("rehearsal")
    class OwnStep(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            return super().train_step(data)

    @keras.saving.register_keras_serializable("rehearsal")
    class OwnLoss(keras.Sequential):
        def compute_loss(self, *given: Any, **named: Any) -> Any:
            return super().compute_loss(*given, **named)

    kind = {"train_step": OwnStep, "compute_loss": OwnLoss}.get(how, keras.Sequential)
    last = keras.layers.Dense(classes, activation="softmax" if classes > 1 else None)
    model = kind([keras.layers.Input(input_shape), keras.layers.Dense(width), last])
    if how == "ignore_class":
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(ignore_class=7))
    elif how == "falling":
        rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
        model.compile(keras.optimizers.SGD(rate), "mse")
    elif how:
        model.compile("sgd", "mse")
    return model


def distance(y_true: Any, y_pred: Any) -> Any:
    """A loss of one's own."""
    return abs(y_true - y_pred)


def halt(
    first: TrainTask,
    crossover: CrossoverSpec = MEAN,
    mutation: OperatorSpec = NONE,
    rates: tuple[float, ...] = (),
    **settings: Any,
) -> HaltRehearsal:
    """One halt after the second epoch."""
    fields: dict[str, Any] = {
        "epoch": 2,
        "members": 4,
        "fitness": "val_loss",
        "mating": "all",
        "parents": 2,
        "selection": OperatorSpec("truncation"),
        "optimizer": "average",
        "first_unmutated": True,
        "species": None,
        "crossover": crossover,
        "measure": True,
        "folder": "halt",
    }
    shared = {"data": first.data, "network": first.network, "training": first.training}
    mate = MateTask(seed=SEED, trial=0, **shared, **fields | settings)
    child = replace(first, start=Offspring(crossover, mutation), first_epoch=2, rates=rates)
    return HaltRehearsal("arms.mean, halt after epoch 2", mate, first, child)


def harvest(first: TrainTask, **settings: Any) -> HarvestRehearsal:
    task = HarvestTask(
        seed=SEED,
        trial=0,
        members=4,
        epochs=4,
        data=first.data,
        network=first.network,
        training=first.training,
        folder="harvest",
        **{"method": "mean", "align": "none", "repair": False, "fitness": "val_loss"} | settings,
    )
    return HarvestRehearsal("arms.mean, harvest", task)


def task(network: NetworkSpec = PLAIN, how: TrainingSpec = ADAM) -> TrainTask:
    return training(network=network, training=how, start=Fresh())


# -------------------------------------------------------------------------------------- fitness
@pytest.mark.parametrize("fitness", ["val_auc", "train_auc", "auc", "val_val_loss"])
def test_a_fitness_that_nothing_measures_is_refused(place: Workplace, fitness: str) -> None:
    first = task()
    given = harvest(first, fitness=fitness, fitness_mode="max")
    with pytest.raises(UserError, match=r"^training.fitness: .* no metric .* val_accuracy"):
        rehearse([first], [], [given], place)


@pytest.mark.parametrize("fitness", ["val_accuracy", "train_accuracy", "accuracy", "val_auc"])
def test_a_metric_may_be_the_fitness(place: Workplace, fitness: str) -> None:
    how = TrainingSpec(16, loss="categorical_crossentropy", metrics=("acc", "auc"))
    first = replace(
        task(NetworkSpec("tests.support.against_keras:dense"), how),
        data=DataSpec("tests.support.against_keras:one_hot"),
    )
    rehearse([first], [], [harvest(first, fitness=fitness, fitness_mode="max")], place)


# ------------------------------------------------------------------------------ nothing is wrong
SPECIES = SpeciesSpec(OperatorSpec("aligned"), OperatorSpec("count", {"count": 2}))


@pytest.mark.parametrize("network", [PLAIN, RICH, net("spectral")])
def test_what_is_right_is_gone_through_and_nothing_is_written(
    place: Workplace, network: NetworkSpec
) -> None:
    first = task(network)
    noise = OperatorSpec("gaussian", {"scale": 0.1})
    halts = [halt(first, mutation=noise, rates=(1.0, 0.5))]
    if network == PLAIN:
        halts.append(halt(first, mating="species", species=SPECIES))
    rehearse([first], halts, [harvest(first)], place)
    assert not Path(place.root).exists()


def test_a_network_without_halts_is_tried(place: Workplace) -> None:
    rehearse([task()], [], [harvest(task(), method="best")], place)


def test_a_large_population_is_rehearsed_with_few_members(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    plan_mating = rehearsed_halts.plan_mating

    def count(mate: MateTask, population: Any, *others: Any) -> Any:
        sizes.append(len(population))
        return plan_mating(mate, population, *others)

    monkeypatch.setattr(rehearsed_halts, "plan_mating", count)
    first = task()
    parents = [halt(first, members=500, parents=parents) for parents in (2, 9)]
    rehearse([first], [*parents, halt(first, members=3)], [], place)
    assert sizes == [6, 9, 3]


def test_a_population_grows_or_shrinks_in_the_rehearsal_as_in_its_halt(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    plan_mating = rehearsed_halts.plan_mating

    def count(mate: MateTask, population: Any, *others: Any) -> Any:
        plan = plan_mating(mate, population, *others)
        sizes.append((len(population), len(plan.children)))
        return plan

    monkeypatch.setattr(rehearsed_halts, "plan_mating", count)
    first = task()
    changes = [(2, 4), (500, 1000), (500, 0), (500, 2), (2, 1), (1, 3)]
    rehearse(
        [first],
        [
            halt(first, members=members, offspring=after, parents=min(2, members))
            for members, after in changes
        ],
        [],
        place,
    )
    assert sizes == [(2, 3), (6, 7), (6, 6), (6, 5), (2, 1), (1, 2)]


def test_the_step_of_the_rehearsal_leaves_the_state_as_it_was(place: Workplace) -> None:
    trainer = trainer_for(DATA, RICH, ADAM, SEED, place)
    before = trainer.member.state()
    trainer.checks.takes_a_step()
    after = trainer.member.state()
    for group in ("weights", "optimizer", "random"):
        kept, found = getattr(before, group), getattr(after, group)
        assert all(np.array_equal(kept[name], found[name]) for name in kept)


def test_a_step_that_wants_a_graph_around_it_is_right(place: Workplace) -> None:
    rehearse([task(net("graph_in_training"))], [], [], place)


# ------------------------------------------------------------------------- network and training
def adam(**settings: Any) -> TrainingSpec:
    return TrainingSpec(32, "adam", settings)


FALLING = {
    "module": "keras.optimizers.schedules",
    "class_name": "ExponentialDecay",
    "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "registered_name": None,
}
BUILDING: dict[str, tuple[TrainTask, str]] = {
    "optimizer": (
        task(how=TrainingSpec(32, "adamm")),
        "training.optimizer 'adamm' .*did you mean 'adam'",
    ),
    "optimizer's setting": (task(how=adam(lr=0.1)), "training.optimizer 'adam' .*'lr'"),
    "learning rate": (
        task(how=adam(learning_rate="fast")),
        "training.optimizer 'adam' .*should be float.*fast",
    ),
    "what only a step tells": (task(how=adam(beta_1="big")), "first step .*'adam' .*'big'"),
    "loss": (
        task(how=TrainingSpec(32, loss="crossentropee")),
        "training.loss 'crossentropee': .*identifier",
    ),
    "loss that does not fit": (
        task(how=TrainingSpec(32, loss="categorical_crossentropy")),
        r"loss 'categorical_crossentropy' do not fit .*outputs \(10,\), targets \(\) .*same rank",
    ),
    "metric": (
        task(how=TrainingSpec(32, metrics=("acuracy",))),
        "training.metrics 'acuracy': .*did you mean 'accuracy'",
    ),
    "builder that is not there": (task(net("not_there")), "has no not_there"),
    "builder that raises": (
        task(net("raises")),
        r"network.builder .* ValueError: no such luck \(.*nets.py, line",
    ),
    "builder that exits": (task(net("exits")), "network.builder .* SystemExit: no more"),
    "builder's setting": (
        task(NetworkSpec("two_layer_dense", {"unit": 3})),
        "network.builder 'two_layer_dense' has no setting 'unit'; did you mean 'units'",
    ),
    "value of it": (task(NetworkSpec("two_layer_dense", {"units": -3})), "units=-3"),
    "layer that does not fit the data": (
        task(NetworkSpec("two_layer_dense", {"input_shape": [28, 27]})),
        r"takes inputs \(28, 27\), and the data have \(28, 28\)",
    ),
    "step that exits": (task(net("exits_in_training")), "first step .*SystemExit: no more"),
    "schedule of rates for an optimizer that has one": (
        replace(task(how=adam(learning_rate=FALLING)), rates=(1.0, 0.5)),
        "a schedule of its own",
    ),
}


def refused(first: TrainTask, halts: Any, harvests: Any, place: Workplace) -> str:
    with pytest.raises(UserError) as caught:
        rehearse([first], halts, harvests, place)
    assert not Path(place.root).exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("first", "message"), BUILDING.values(), ids=BUILDING.keys())
def test_what_is_wrong_with_the_network_is_told(
    place: Workplace, first: TrainTask, message: str
) -> None:
    assert re.search(message, refused(first, [], [], place))


# ------------------------------------------------------------------------------------ operators
def operator(name: str, **settings: Any) -> OperatorSpec:
    return OperatorSpec(name, settings)


OPERATORS: dict[str, tuple[dict[str, Any], str]] = {
    "crossover": ({"crossover": CrossoverSpec("blend", {"alpha": -1.0})}, "alpha must be"),
    "crossover's setting": ({"crossover": CrossoverSpec("blend", {"alfa": 1.0})}, "'alfa'"),
    "mutation": ({"mutation": operator("gaussian", scale=-1.0)}, "scale must be"),
    "selection": ({"selection": operator("tournament", size=0)}, "size >= 1"),
    "unknown mutation": ({"mutation": operator("gausian")}, "did you mean 'gaussian'"),
    "unknown crossover": ({"crossover": CrossoverSpec("means")}, "did you mean 'mean'"),
    "method of species": (
        {
            "mating": "species",
            "species": replace(SPECIES, method=operator("threshold", threshold=-1.0)),
        },
        "threshold must be >= 0",
    ),
    "distance of species": (
        {"mating": "species", "species": replace(SPECIES, distance=operator("rawe"))},
        "did you mean 'raw'",
    ),
    **{
        f"{what} that {name}": (
            {what: CrossoverSpec(f"{HERE}:{name}") if what == "crossover" else own},
            f"{told} \\(.*test_rehearsal.py, line",
        )
        for name, told in (
            ("refuses", "ArithmeticError: no such number"),
            ("exits", "SystemExit: no more"),
        )
        for own in [operator(f"{HERE}:{name}")]
        for what in ("crossover", "mutation", "selection")
    },
}


@pytest.mark.parametrize(("settings", "message"), OPERATORS.values(), ids=OPERATORS.keys())
def test_what_is_wrong_with_an_operator_is_told_with_its_halt(
    place: Workplace, settings: dict[str, Any], message: str
) -> None:
    first = task()
    told = refused(first, [halt(first), halt(first, **settings)], [], place)
    assert told.startswith("arms.mean, halt after epoch 2: ")
    assert re.search(message, told)


# --------------------------------------------------------------------------------------- searches
def test_a_combination_that_fails_in_its_first_step_is_a_failed_member(place: Workplace) -> None:
    space = Space((Gene("width", Choice((4, 5))),))
    whole = task(NetworkSpec(f"{HERE}:stumbles"))
    first = [
        replace(whole, member=member, genome=Genome({"width": width}))
        for member, width in enumerate((5, 4, 4))
    ]
    (remark,) = rehearse(first, [halt(whole)], [], place, space)
    assert remark.startswith("member 0 will fail: network ")
    assert "ValueError: 5 units are too many" in remark
    with pytest.raises(UserError, match="only 1 of 3 members can be built, and a halt takes 2"):
        rehearse([first[0], first[1], first[0]], [halt(whole)], [], place, space)


WIDTHS = Space((Gene("width", Choice((4, 5))),))
NUMBERS = DataSpec("tests.support.kinds:regression")
OF_CLASSES = DataSpec("tests.support.kinds:labels_from", {"lowest": 0}, validation=16)
IN_BATCHES = DataSpec("tests.support.kinds:streamed", {"kind": "dataset"})
PLAIN_LESSON = Lesson(0.5, 1.0)


def of_search(
    data: DataSpec, how: str = "", loss: str = "mse", optimizer: str | None = None
) -> TrainTask:
    """The task of a network whose width is searched."""
    params = {"how": how} if how else {}
    training = TrainingSpec(32, optimizer, loss=loss, metrics=())
    return replace(task(NetworkSpec(f"{HERE}:searched", params), training), data=data)


SPARSE = "sparse_categorical_crossentropy"
OF_HALTS: dict[str, tuple[TrainTask, dict[str, Any], str]] = {
    **{
        f"taught {what}": (first, {"lesson": PLAIN_LESSON}, f"teach: .*{said}")
        for what, first, said in (
            ("by hinge", of_search(NUMBERS, loss="hinge"), "of the loss hinge"),
            ("by a cosine", of_search(NUMBERS, loss="cosine_similarity"), "cosine_similarity"),
            ("by a loss of one's own", of_search(NUMBERS, loss=f"{HERE}:distance"), "distance"),
            ("by a step of one's own", of_search(NUMBERS, "train_step"), "train_step of its own"),
            ("by its compute_loss", of_search(NUMBERS, "compute_loss"), "compute_loss of its own"),
            (
                "without a class",
                of_search(OF_CLASSES, "ignore_class", SPARSE),
                "leaves a class out",
            ),
            ("in batches", of_search(IN_BATCHES, loss=SPARSE), "come in batches"),
        )
    },
    "taught numbers with a temperature": (
        of_search(NUMBERS),
        {"lesson": Lesson(0.5, 2.0)},
        "teach: a temperature is of classes",
    ),
    "optimiser's setting": (
        of_search(NUMBERS, optimizer="adam"),
        {"training": TrainingSpec(32, "adam", {"lr": 0.1}, loss="mse", metrics=())},
        "training.optimizer 'adam' .*'lr'",
    ),
    "what only a step tells": (
        of_search(NUMBERS, optimizer="adam"),
        {"training": TrainingSpec(32, "adam", {"beta_1": "big"}, loss="mse", metrics=())},
        "first step .*'adam' .*'big'",
    ),
    "rate beside a schedule": (
        of_search(NUMBERS, "falling"),
        {"training": TrainingSpec(32, None, {"learning_rate": 0.1}, metrics=())},
        "compiled with a schedule",
    ),
}


@pytest.mark.parametrize(("first", "settings", "said"), OF_HALTS.values(), ids=OF_HALTS.keys())
def test_what_a_halt_asks_for_is_no_childs_fault_in_a_search(
    place: Workplace, first: TrainTask, settings: dict[str, Any], said: str
) -> None:
    """What is refused without a space is refused with one, in the same words."""
    told = []
    for among in (None, WIDTHS):
        search = None if among is None else SearchSpec(space=among, inherit=True)
        each = halt(first, search=search)
        each = replace(each, child=replace(each.child, **settings))
        members = [replace(first, genome=Genome({"width": width})) for width in (4, 5)]
        with pytest.raises(UserError) as caught:
            rehearse([first] if among is None else members, [each], [], place, among)
        told.append((str(caught.value), caught.value.code))
    assert told[0] == told[1]
    assert re.search(f"^arms.mean, halt after epoch 2: .*{said}", told[0][0])


def searching(
    builder: str, space: Space, genome: dict[str, int], **settings: Any
) -> tuple[list[TrainTask], HaltRehearsal]:
    """The members of one genome, and a halt whose children have others."""
    whole = task(NetworkSpec(f"{HERE}:{builder}"))
    first = [replace(whole, member=n, genome=Genome(dict(genome))) for n in range(3)]
    given = halt(whole, search=SearchSpec(space=space, inherit=True))
    return first, replace(given, child=replace(given.child, **settings))


BOTH = Space((Gene("width", Choice((4, 5))), Gene("depth", Choice((1, 2)))))


@pytest.mark.parametrize(
    ("builder", "space", "genome", "said"),
    [
        ("narrow", BOTH, {"width": 4, "depth": 2}, "too many twice"),
        ("stumbles", WIDTHS, {"width": 4}, ""),
    ],
    ids=["not built", "not trained"],
)
def test_a_child_that_cannot_be_built_is_passed_over(
    place: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    builder: str,
    space: Space,
    genome: dict[str, int],
    said: str,
) -> None:
    failed: list[str] = []
    made: list[Genome] = []
    trainer_of = rehearsed_halts.trainer_of

    def watched(asked: TrainTask, where: Workplace) -> Any:
        try:
            return trainer_of(asked, where)
        except UserError as error:
            failed.append(str(error))
            raise

    plan_mating = rehearsed_halts.plan_mating

    def planned(*given: Any) -> Any:
        plan = plan_mating(*given)
        made.extend(child.genome for child in plan.children)
        return plan

    first, given = searching(builder, space, genome)
    monkeypatch.setattr(rehearsed_halts, "trainer_of", watched)
    monkeypatch.setattr(rehearsed_halts, "plan_mating", planned)
    rehearse(first, [given], [], place, space)
    assert any(each.network["width"] == 5 for each in made)
    assert bool(said) == bool(failed)
    assert all(said in each for each in failed)


def test_a_halt_is_rehearsed_where_none_of_its_children_can_be_built(place: Workplace) -> None:
    wrong = TrainingSpec(32, "adam", {"lr": 0.1})
    first, given = searching("stumbles", WIDTHS, {"width": 4}, training=wrong)
    with pytest.raises(UserError, match=r"^arms\.mean, halt after epoch 2: .*'lr'"):
        rehearse(first, [given], [], place, WIDTHS)


def test_an_arms_settings_are_tried_with_genes_that_make_a_network(place: Workplace) -> None:
    whole = task(NetworkSpec(f"{HERE}:stumbles"))
    first = [
        replace(whole, member=member, genome=Genome({"width": width}))
        for member, width in enumerate((5, 4, 4))
    ]
    own = replace(first[0], training=replace(ADAM, optimizer="adam"))
    (remark,) = rehearse(first, [], [], place, WIDTHS, [SettingRehearsal("arms.own", own)])
    assert remark.startswith("member 0 will fail: ")


# ------------------------------------------------------------------------------------ symmetries
STRANGE = task(net("strange_layer"))


@pytest.mark.parametrize("align", ["weights", "activations"])
def test_a_layer_that_cannot_be_aligned_is_told(place: Workplace, align: Any) -> None:
    merge = CrossoverSpec("mean", align=align)
    told = refused(STRANGE, [halt(STRANGE, crossover=merge)], [], place)
    assert told.startswith("arms.mean, halt after epoch 2: ")
    assert "'strange'" in told
    told = refused(STRANGE, [], [harvest(STRANGE, align=align)], place)
    assert told.startswith("arms.mean, harvest: ")
    assert "'strange'" in told


def test_a_layer_that_cannot_be_repaired_is_told(place: Workplace) -> None:
    told = refused(STRANGE, [], [harvest(STRANGE, repair=True)], place)
    assert told.startswith("arms.mean, harvest: ")


def test_a_layer_that_is_not_known_harms_nobody_who_does_not_align(place: Workplace) -> None:
    rehearse([STRANGE], [halt(STRANGE)], [harvest(STRANGE)], place)
