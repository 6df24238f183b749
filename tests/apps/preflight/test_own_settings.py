"""What an arm sets of the optimiser reaches it, however it is wrapped, and a champion's file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.errors import UserError
from apps.messages.specs import DataSpec, NetworkSpec, TrainingSpec
from apps.messages.tasks import TrainTask, Workplace
from apps.preflight.rehearsal import SettingRehearsal, rehearse
from tests.support.small import training

HERE = "tests.apps.preflight.test_own_settings"


def wrapped(kind: str, learning_rate: float = 0.01, weight_decay: float | None = None) -> Any:
    """An optimiser that has the weight decay within another; `forgetful` has none."""
    import keras

    from tests.support.against_keras import Lookahead

    class Configured(Lookahead):
        def get_config(self) -> dict[str, Any]:
            return {"inner": keras.saving.serialize_keras_object(self.inner)}

        @classmethod
        def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
            return cls(keras.saving.deserialize_keras_object(config["inner"]))

    if kind == "forgetful":
        return keras.optimizers.SGD(learning_rate)
    adam = keras.optimizers.Adam(learning_rate, weight_decay=weight_decay)
    if kind == "unopened":
        return adam if weight_decay is None else Lookahead(adam)
    if kind == "several":
        plain = keras.optimizers.OptimizerMap(keras.optimizers.SGD(learning_rate))
        plain[".*kernel"] = adam
        return keras.optimizers.MultiOptimizer(plain)
    return keras.optimizers.LossScaleOptimizer(adam) if kind == "scaled" else Configured(adam)


def decays(optimizer: str | None, builder: str = "dense", **settings: Any) -> tuple[TrainTask, ...]:
    """Return a task, and the one of an arm with a weight decay of its own."""
    usual = TrainingSpec(32, optimizer, settings)
    first = training(
        network=NetworkSpec(f"tests.support.against_keras:{builder}"),
        training=usual,
        data=DataSpec("tests.support.against_keras:arrays"),
    )
    own = replace(usual, optimizer_params={**settings, "weight_decay": 0.125})
    return first, replace(first, training=own)


def half(first: TrainTask) -> TrainTask:
    """Return a task in a precision for which Keras scales the losses."""
    network = replace(first.network, params={"policy": "mixed_float16"})
    return replace(first, network=network)


@pytest.mark.parametrize("scaled", [False, True], ids=["float32", "mixed_float16"])
@pytest.mark.parametrize("kind", ["", "scaled", "several", "lookahead"])
def test_a_weight_decay_reaches_an_optimiser_however_it_is_wrapped(
    place: Workplace, kind: str, scaled: bool
) -> None:
    tasks = decays(f"{HERE}:wrapped", kind=kind) if kind else decays("adam")
    first, own = map(half, tasks) if scaled else tasks
    rehearse([first], [], [], place, settings=[SettingRehearsal("arms.own", own)])


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (decays(None, "compiled"), "compiles itself; .*with in training.optimizer_params"),
        (
            decays(f"{HERE}:wrapped", kind="forgetful"),
            "test_own_settings:wrapped' takes it and does not hand it on",
        ),
    ],
    ids=["the network's own", "a forgetful function"],
)
def test_a_weight_decay_that_no_optimiser_has_is_refused(
    place: Workplace, tasks: tuple[TrainTask, TrainTask], said: str
) -> None:
    told = f"^arms.own: weight_decay = 0.125 is set, by the arm or its recipe, .* None: .*{said}"
    with pytest.raises(UserError, match=told):
        rehearse([tasks[0]], [], [], place, settings=[SettingRehearsal("arms.own", tasks[1])])


def test_what_a_function_makes_of_an_arms_settings_is_exported_too(place: Workplace) -> None:
    first, own = decays(f"{HERE}:wrapped", kind="unopened")
    rehearse([first], [], [], place)
    with pytest.raises(UserError, match=r"cannot be a champion: .* Lookahead"):
        rehearse([first], [], [], place, settings=[SettingRehearsal("arms.own", own)])
