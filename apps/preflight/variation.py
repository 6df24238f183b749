"""Whether what is meant to vary does: members' first weights, and what mutations do to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from apps.breeding.offspring import Bred
from apps.datasets.arrays import Array
from apps.genetics.unit_selection import ACROSS_WIDTHS, choosable
from apps.messages.tasks import Offspring
from apps.training.trainer import Trainer

_SEEDS: Final = (1, 2)


def first_weights(trainer: Trainer) -> tuple[str, ...]:
    """Return a remark if networks of two seeds begin with the same weights, all or some.

    Or if the builder asks for that, and the experiment's seed counts all the same.
    """
    from keras.src.utils.rng_utils import get_random_seed

    builder = f"network.builder {trainer.blueprint.network.builder!r}"
    one, other = (trainer.blueprint.initial_weights(seed) for seed in _SEEDS)
    own = get_random_seed()
    drawn = [name for name in one if name not in trainer.member.statistics and _varied(one[name])]
    alike = [name for name in drawn if np.array_equal(one[name], other[name])]
    if not alike and own == _SEEDS[-1]:
        return ()
    if not alike:
        return (
            f"{builder} sets the seed {own} for all that Keras draws, which does not count here: "
            "each member begins with weights of its own, drawn from the experiment's seed",
        )
    cure = (
        "leave out keras.utils.set_random_seed, and the seed of an initializer; weights that are "
        "loaded on purpose are right as they are"
    )
    if len(alike) == len(drawn):
        return (
            f"{builder} gives the same first weights for every seed: all members of all trials "
            f"begin as one network, and differ by the order of their data alone: {cure}",
        )
    return (
        f"{builder} gives {len(alike)} of {len(drawn)} arrays of first weights the same numbers "
        f"for every seed, {alike[0]!r} is one: all members begin alike there: {cure}",
    )


def mutation_acts(start: Offspring, child: Bred) -> tuple[str, ...]:
    """Return a remark if a mutation that is asked for leaves a child as it was.

    Args:
        start: the child's operators and its plan.
        child: what was bred.
    """
    asked = start.mutation
    if asked.name == "none" or not start.inherit or start.plan is None or not start.plan.mutate:
        return ()
    before = child.unmutated
    if any(not np.array_equal(array, before[name]) for name, array in child.state.weights.items()):
        return ()
    return (
        f"mutation {asked.name!r} with {asked.params} changes nothing, so children of one merge "
        'begin alike: raise its scale, or say mutation = "none"',
    )


def units_are_chosen(
    start: Offspring, trainer: Trainer, child: Mapping[str, Array]
) -> tuple[str, ...]:
    """Return a remark if a crossover that chooses units finds none that it can choose.

    Args:
        start: the child's operators and plan.
        trainer: of its architecture.
        child: its weights.
    """
    if start.crossover.name not in ACROSS_WIDTHS or not start.inherit or start.plan is None:
        return ()
    if len(start.plan.parents) < 2 or choosable(child, trainer.measures.observed):
        return ()
    return (
        f"crossover {start.crossover.name!r} chooses no units in this network: it takes those of "
        "dense and convolutional layers that such layers read; its children begin as their best "
        "parent, with the layer of the output fitted anew",
    )


def _varied(array: Array) -> bool:
    """Whether numbers look drawn: a recurrent layer's bias is zeros and ones."""
    return np.unique(array).size > 2
