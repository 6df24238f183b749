"""A trial in small, before a run begins: what would fail on the workers fails here, in seconds.

The network is built and takes a step, and every halt is gone through with a few untrained networks,
by the code that the workers run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

_MEMBERS: Final = 2 * _NETWORKS
"""Members at a halt at most, but for as many parents: distances between them take time."""


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
    holder.try_step()
    _set_rates(holder, first)
    with TemporaryDirectory(prefix="heterosis-") as root:
        here = replace(place, root=root)
        networks = _networks(first, holder, Path(root)) if halts else []
        for halt in halts:
            with _named(halt.where):
                _go_through(halt, networks, holder, here)
    for each in harvests:
        with _named(each.where):
            if each.harvest.align != "none":
                _ = holder.spec
            if each.harvest.repair:
                _ = holder.unit_layers


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except HeterosisError as error:
        raise UserError(f"{where}: {' '.join(str(error).split())}") from error
    except (Exception, SystemExit) as error:  # an operator of the user's own
        raise UserError(f"{where}: {told(error)}") from error


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
    size = min(halt.mate.members, max(halt.mate.parents, _MEMBERS))
    mate = replace(halt.mate, measure=False, members=size)
    plan = plan_mating(mate, [_member(mate, n, networks) for n in range(size)], None, place)
    # All children are made in one way, but some stay as they are and some have one parent only.
    child = max(plan.children, key=lambda each: (each.mutate, len(each.parents)))
    breed(halt.child, replace(start, plan=child), place, holder)
    _set_rates(holder, halt.child)


def _set_rates(holder: Program, task: TrainTask) -> None:
    for rate in task.rates:
        holder.set_rate(rate)


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
