"""The fitness of a network as a cost: lower is better, whatever the metric."""

from __future__ import annotations

import math

from apps.messages.objective import WHOLE, Objective
from apps.messages.results import Failure, TrainResult


def fitness_of(member: TrainResult | Failure, objective: Objective) -> float:
    """Return a member's fitness among its population, as a cost: lower is better.

    NaN for one that failed or diverged, or whose metric is not finite.
    An average of weights took no step itself and has no running means: of the whole training set
    stand for them. A population is averaged as a whole or not at all.
    """
    if isinstance(member, Failure) or member.status != "done":
        return math.nan
    value = member.final.get(objective.metric, math.nan)
    if objective.is_running and math.isnan(member.final.get("loss", math.nan)):
        value = member.final.get(f"{WHOLE}{objective.metric}", math.nan)
    return objective.cost(value)
