"""Checks of a search space: a network can be built of every choice, and choices change it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from apps.breeding.genomes import as_genome
from apps.datasets.arrays import Array
from apps.datasets.load import load_dataset
from apps.errors import HeterosisError, UserError
from apps.genetics import domains, genes
from apps.genetics import space as spaces
from apps.genetics.domains import Value
from apps.genetics.genes import Gene, Genome, Space
from apps.messages.specs import phenotype
from apps.messages.tasks import TrainTask, Workplace
from apps.networks.build import named_weights, read
from apps.training.input_checks import build_for

_FEW: Final = 3
"""Pairs of networks within which a choice usually changes one."""

_PAIRS: Final = 40
"""Pairs that are tried before a choice counts as ignored: it may act with few of the others."""

_DRAWS: Final = 2_000
_COMBINATIONS: Final = 16
"""Combinations of the other parameters with which a value is tried, until one can be built."""


def check_choices(task: TrainTask, space: Space, place: Workplace) -> tuple[str, ...]:
    """Check that a network changes if a single choice changes, at least with some of the others.

    Args:
        task: of a member that starts anew.
        space: what is searched.
        place: where plug-ins are looked for.

    Returns:
        A remark on each choice that changes the network with few of the others.

    Raises:
        UserError: two values of a choice give the same network, whatever the others are.
    """
    tried: Counter[str] = Counter()
    compared: Counter[str] = Counter()
    seen_to_differ: set[str] = set()
    last: dict[str, tuple[Any, Any]] = {}
    done: set[frozenset[str]] = set()
    for gene, one, other in _single_changes(space):
        pair = frozenset(json.dumps(each, sort_keys=True) for each in (one, other))
        if gene.name in seen_to_differ or tried[gene.name] == _PAIRS or pair in done:
            continue
        done.add(pair)
        tried[gene.name] += 1
        try:
            networks = [_network(task, space, genome, place) for genome in (one, other)]
        except HeterosisError:  # an invalid combination, of which `check_extremes` tells
            continue
        compared[gene.name] += 1
        last[gene.name] = one[gene.name], other[gene.name]
        if _differ(*networks):
            seen_to_differ.add(gene.name)
    if ignored := [name for name in compared if name not in seen_to_differ]:
        name = ignored[0]
        one, other = last[name]
        raise UserError(
            f"space.{name}: network.builder {task.network.builder!r} gives the same network for "
            f"{one} and {other}, in all {compared[name]} combinations that were tried: let the "
            f"function use its argument {name}, or leave it out of the space; if it is used with "
            "few values of others, name them by when, or make it one value a layer by per",
            code="network-builder",
        )
    return tuple(
        f"space.{name}: the network was the same for two of its values in the first {count - 1} "
        "combinations that were tried: if it is used with some values of others only, name them "
        "by when, so that no mutation is spent on it elsewhere"
        for name, count in compared.items()
        if count > _FEW
    )


def check_extremes(task: TrainTask, space: Space, place: Workplace) -> tuple[str, ...]:
    """Check that a network can be made with each parameter's least and greatest value, or any.

    Args:
        task: of a member that starts anew.
        space: what is searched.
        place: where plug-ins are looked for.

    Returns:
        A remark on each combination that was tried and cannot be made, while others can: members
        with such ones fail.

    Raises:
        UserError: no combination with a value can be made, or the values of a parameter that is
            said to change no shapes change them; the message names the parameter.
    """
    remarks = []
    made, why = _made(task, space, {}, place)
    if made is None:
        raise UserError(f"space, all at their least: {why}", code="network-builder")
    if why:
        remarks.append(why)
    for gene in space.genes:
        shapes: list[dict[str, tuple[int, ...]]] = []
        for value in domains.extremes(gene.domain):
            made, why = _made(task, space, {gene.name: value}, place)
            if made is None:
                raise UserError(f"space.{gene.name} = {value}: {why}", code="network-builder")
            if why:
                remarks.append(why)
            else:
                shapes.append({name: array.shape for name, array in made.items()})
        if not gene.is_structural and any(each != shapes[0] for each in shapes):
            raise UserError(
                f"space.{gene.name}: structural = false, but its values give networks of different "
                "shapes: take structural out",
                code="network-builder",
            )
    return tuple(dict.fromkeys(remarks))


def _made(
    task: TrainTask, space: Space, given: Mapping[str, Value], place: Workplace
) -> tuple[dict[str, Array] | None, str]:
    """Make a network with some values, if not with the others' least ones then with others.

    Returns:
        Its weights, None: no combination could be made; and why not with the least values.
    """
    why = ""
    for genome in _combinations(space, given):
        try:
            return _network(task, space, genome, place)[0], why
        except HeterosisError as error:
            why = why or f"{error} (all: {json.dumps(genome)})"
    return None, why


def _combinations(space: Space, given: Mapping[str, Value]) -> Iterator[Genome]:
    yield genes.completed(space, given)
    rng = np.random.default_rng(0)
    needed = {name for gene in space.genes if gene.name in given for name in gene.when}
    for _ in range(_COMBINATIONS):
        drawn = {
            name: value[0] if isinstance(value, list) else value
            for name, value in spaces.sample(rng, space).items()
            if name not in needed and value != []
        }
        yield genes.completed(space, {**drawn, **given})


def _single_changes(space: Space) -> Iterator[tuple[Gene, Genome, Genome]]:
    rng = np.random.default_rng(0)
    for _ in range(_DRAWS):
        one = spaces.sample(rng, space)
        other = spaces.mutate(rng, space, one, scale=1.0)
        # What depends on a gene comes after it.
        changed = next((g for g in space.genes if one.get(g.name) != other.get(g.name)), None)
        if changed is not None and changed.target == "network":
            yield changed, one, other


def _network(
    task: TrainTask, space: Space, genome: Genome, place: Workplace
) -> tuple[dict[str, Array], object]:
    """Return a network's initial weights, and its configuration for a comparison."""
    network, training = phenotype(task.network, task.training, as_genome(space, genome))
    data = load_dataset(task.data, task.seed, place.search_path)
    model = build_for(data, network, training, 0, place)
    weights = read(named_weights(model))
    try:
        config = json.dumps(model.get_config(), sort_keys=True, default=repr)
    except Exception:  # a class of the user's own need not have one
        return weights, object()
    # Keras numbers names over the life of a process.
    return weights, re.sub(r'_\d+(?=")', "", config)


def _differ(one: tuple[dict[str, Array], object], other: tuple[dict[str, Array], object]) -> bool:
    ours, theirs = ({n: a.tobytes() for n, a in weights.items()} for weights, _ in (one, other))
    return ours != theirs or one[1] != other[1]
