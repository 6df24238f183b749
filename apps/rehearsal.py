"""A trial in small, before a run begins: what would fail on the workers fails here, in a second.

The network is built and tried, and every halt is gone through with untrained networks, by the code
that the workers run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from apps.breeding import breed
from apps.checkpoints import Checkpoint, save_checkpoint
from apps.errors import HeterosisError, UserError
from apps.mating import plan_mating
from apps.messages import (
    CheckpointRef,
    Cost,
    HarvestTask,
    MateTask,
    Offspring,
    TrainResult,
    TrainTask,
    Workplace,
)
from apps.plugins import told
from apps.programs import Program, program
from apps.streams import Purpose, seed_integer, stream

_NETWORKS: Final = 3
"""Different networks of the population; further members are copies of these."""


@dataclass(frozen=True)
class HaltRehearsal:
    """One halt of an arm.

    Attributes:
        where: its name, for the message.
        mate: the task that plans it.
        child: the task of a child that comes of it; its start is an `Offspring`.
    """

    where: str
    mate: MateTask
    child: TrainTask


@dataclass(frozen=True)
class HarvestRehearsal:
    """The harvest of an arm, and its name for the message."""

    where: str
    harvest: HarvestTask


def rehearse(
    first: TrainTask,
    halts: Sequence[HaltRehearsal],
    harvests: Sequence[HarvestRehearsal],
    place: Workplace,
) -> None:
    """Build the network of a trial, and go through its halts with untrained networks.

    Args:
        first: the task of a member that starts anew; says which network, training and data.
        halts: each one with settings of its own.
        harvests: likewise.
        place: where plug-ins are looked for; nothing is written below its root.

    Raises:
        UserError: builder, optimizer, loss, an operator or its settings are wrong, or a layer
            cannot be aligned where that is asked for; in one line.
    """
    holder = program(first.data, first.network, first.training, first.seed, place)
    with TemporaryDirectory(prefix="heterosis-") as root:
        here = replace(place, root=root)
        networks = _networks(first, holder, Path(root)) if halts else []
        for halt in halts:
            try:
                _go_through(halt, networks, holder, here)
            except HeterosisError as error:
                raise UserError(f"{halt.where}: {' '.join(str(error).split())}") from error
            except Exception as error:  # an operator of the user's own
                raise UserError(f"{halt.where}: {told(error)}") from error
    for harvest in harvests:
        if harvest.harvest.align != "none":
            try:
                _ = holder.spec
            except HeterosisError as error:
                raise UserError(f"{harvest.where}: {error}") from error


def _networks(first: TrainTask, holder: Program, root: Path) -> list[CheckpointRef]:
    stored = []
    for member in range(_NETWORKS):
        rng = stream(first.seed, Purpose.INITIAL_WEIGHTS, trial=0, member=member)
        weights = holder.initial_weights(seed_integer(rng))
        holder.load(Checkpoint(weights), np.random.default_rng(0))
        path = f"member-{member}.safetensors"
        stored.append(CheckpointRef(path, save_checkpoint(root / path, holder.state())))
    return stored


def _go_through(
    halt: HaltRehearsal, networks: Sequence[CheckpointRef], holder: Program, place: Workplace
) -> None:
    start = halt.child.start
    assert isinstance(start, Offspring)
    # What is measured between parents takes longer than all the rest, and has no settings.
    mate = replace(halt.mate, measure=False)
    members = [_member(mate, member, networks) for member in range(mate.members)]
    plan = plan_mating(mate, members, None, place)
    # The last child is a mutated one, whatever becomes of the first.
    for child in {id(each): each for each in (plan.children[0], plan.children[-1])}.values():
        breed(halt.child, replace(start, plan=child), place, holder)


def _member(task: MateTask, member: int, networks: Sequence[CheckpointRef]) -> TrainResult:
    return TrainResult(
        fingerprint=f"rehearsal {member}",
        member=member,
        status="done",
        reason="",
        epochs=(),
        final={task.fitness: 1.0 + member},
        start={},
        checkpoint=networks[member % len(networks)],
        cost=Cost(0.0, 0.0, 0.0, 0.0, "", ""),
    )
