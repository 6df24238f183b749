"""Whether a network takes the settings of an arm or a halt: rates, weight decay, a family."""

from __future__ import annotations

from apps.breeding.family import check_can_be_parted
from apps.errors import UserError
from apps.messages.tasks import TrainTask
from apps.networks.optimizers import parts
from apps.training.trainer import Trainer


def takes_settings(trainer: Trainer, task: TrainTask) -> None:
    """Take a step with the settings of a task.

    Raises:
        UserError: the network cannot, or its optimiser leaves the weight decay away.
    """
    trainer.checks.takes_a_step()
    if task.family is not None:
        check_can_be_parted(trainer)
    asked = task.training.optimizer_params.get("weight_decay")
    # Keras scales losses by an optimiser around the other, which itself has none.
    found = [getattr(each, "weight_decay", None) for each in parts(trainer.model.optimizer)]
    if asked is not None and all((each or 0.0) != asked for each in found):
        name = task.training.optimizer
        why = (
            f"network {task.network.builder!r} compiles itself; name training.optimizer, which "
            "replaces the network's own, with the learning rate that the network was compiled with "
            "in training.optimizer_params"
            if name is None
            else f"training.optimizer {name!r} takes it and does not hand it on"
        )
        raise UserError(
            f"weight_decay = {asked} is set, by the arm or its recipe, and the optimiser has "
            f"{found[-1]}: {why}",
            code="training-setting",
        )


def set_rates(trainer: Trainer, task: TrainTask) -> None:
    """Set the learning rates of a task, one after the other."""
    for rate in task.rates:
        trainer.rate.multiply(rate)
