"""Synthetic runs: tables as a real run writes them, from a model of how losses go."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apps.records.run_dir import RunDir
from apps.records.tables_schema import FINAL_METRICS, TABLES, frame

Tables = dict[str, pd.DataFrame]

GAINS = {
    "control": (0.0, 0.0),
    "restart": (-0.01, 0.005),
    "clone": (0.01, 0.03),
    "mean": (-0.12, 0.10),
    "random": (-0.18, 0.08),
}
"""Improvement of an arm's training and held-out loss at K.

Other names get a small one; `World.gains` overrides."""


@dataclass(frozen=True)
class Own:
    """How an arm goes that goes another way than the rest; populations and relatives by segment."""

    epochs: int
    halts: Sequence[int] = ()
    populations: Sequence[int] = (4,)
    relatives: Sequence[int] = (1,)
    teaching_epochs: float = 0.0


DIFFERING: dict[str, Any] = {
    "arms": ("control", "mean", "swa", "long", "evolution", "family", "heterosis"),
    "trials": 3,
    "halts": (3, 6),
    "searches": True,
    "own": {
        "swa": Own(12),
        "long": Own(32, populations=(1,)),
        "evolution": Own(12, (3, 6), (8, 4, 2), (1, 1, 1)),
        "family": Own(8, (3,), (4, 1), (1, 6), teaching_epochs=2.0),
        "heterosis": Own(18, (3, 6, 14), (4, 4, 2, 1), (1, 1, 1, 1), teaching_epochs=2.0),
    },
}
"""Arms that differ in their epochs, networks, relatives and teachers."""

LACKING: dict[str, dict[str, Any]] = {
    "one trial": {"trials": 1},
    "one epoch": {"epochs": 1, "halts": ()},
    "no halts": {"halts": ()},
    "only the control": {"arms": ("control",)},
    "no control": {"arms": ("mean", "clone")},
    "one member": {"population": 1},
    "members that end early": {"early": True, "halts": (4, 8), "regression": True},
    "all failed": {
        "failed_trials": [(t, a) for t in range(2) for a in ("control", "mean")],
        "arms": ("control", "mean"),
        "trials": 2,
    },
    "an arm that always failed": {"failed_trials": [(t, "mean") for t in range(8)]},
    "some failed": {
        "failed_trials": [(0, "control"), (2, "mean")],
        "failed_members": [(1, "mean", 1, 2), (3, "clone", 0, 0)],
    },
    "losses of exactly zero": {"shift": 0.43, "least": 0.0, "trials": 6},
    "losses that cross zero": {"shift": 0.43, "regression": True, "trials": 6},
    "arms that differ": DIFFERING,
    "odd names": {"arms": ("control", "<b>a & b</b>", "two words", "$x_1$", "\u5909", "x" * 90)},
    "a search below zero": {
        "searches": True,
        "arms": ("control", "evolution"),
        "shift": 2.0,
        "halts": (4, 8),
        "regression": True,
    },
    "a search that failed": {
        "searches": True,
        "arms": ("control", "evolution"),
        "trials": 2,
        "failed_trials": [(t, a) for t in range(2) for a in ("control", "evolution")],
    },
}
"""Runs that lack something which pages and notebooks usually show, or show it in other words."""

WORLDS: dict[str, dict[str, Any]] = {
    **LACKING,
    "three trials": {"trials": 3},
    "ruin": {"gains": {"mean": (-15.0, -3.0)}},
    "every epoch a halt": {"halts": range(1, 12)},
    "many arms in two trials": {
        "arms": ("control", *(f"arm {i}" for i in range(29))),
        "trials": 2,
    },
    "averages": {"averaged": ("clone", "mean"), "regression": True},
    "the control an average": {"averaged": ("control",)},
    "a search that ends early": {
        "searches": True,
        "arms": ("control", "evolution"),
        "early": True,
        "regression": True,
    },
    "a search": {"searches": True, "arms": ("control", "evolution", "heterosis"), "halts": (4, 8)},
}
"""Runs that statistics, figures and report must survive."""


@dataclass(frozen=True)
class World:
    """What to make up; the defaults are a small run in which all went well."""

    arms: Sequence[str] = tuple(GAINS)
    trials: int = 8
    population: int = 4
    epochs: int = 12
    halts: Sequence[int] = (6,)
    seed: int = 1
    regression: bool = False
    failed_trials: Sequence[tuple[int, str]] = ()
    failed_members: Sequence[tuple[int, str, int, int]] = ()  # trial, arm, segment, member
    gains: dict[str, tuple[float, float]] = field(default_factory=dict)
    averaged: Sequence[str] = ()  # arms whose networks have no running loss at the end
    test_gains: dict[str, float] = field(default_factory=dict)
    searches: bool = False
    shift: float = 0.0  # subtracted from every loss
    least: float = float("-inf")  # no loss is below it
    early: bool = False  # members train fewer epochs than they were asked for
    own: dict[str, Own] = field(default_factory=dict)

    def of(self, arm: str) -> Own:
        """How an arm goes."""
        segments = len(self.halts) + 1
        usual = Own(self.epochs, self.halts, [self.population] * segments, [1] * segments)
        return self.own.get(arm, usual)


def genome_of(world: World, segment: int, member: int) -> dict[str, Any]:
    """Return the columns of a member's own architecture."""
    if not world.searches:
        return {"genome": "", "parameters": 101_770}
    width = 16 * (1 + segment + member)
    genome = {"units": [width, 32], "activation": "relu", "rate": 0.001 * width}
    return {"genome": json.dumps(genome), "parameters": 785 * width + 33 * width + 330}


def make_tables(world: World) -> Tables:
    """Return the tables of a made-up run."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for trial in range(world.trials):
        for arm in world.arms:
            _one_arm(world, trial, arm, rows)
    return {name: frame(name, rows[name]) for name in TABLES}


def write_run(
    root: Path,
    tables: Tables,
    experiment: str | None = 'name = "made up"\nseed = 1\n',
    environment: dict[str, Any] | None = None,
) -> RunDir:
    """Write tables and, unless None, the experiment and environment into a run directory."""
    run = RunDir(root)
    run.tables.mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(run.table(name))
    if experiment is not None:
        run.experiment_toml.write_text(experiment, encoding="utf-8")
    if environment is not None:
        run.environment_json.write_text(json.dumps(environment), encoding="utf-8")
    return run


def _one_arm(world: World, trial: int, arm: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Add one trial of one arm to every table."""
    way = world.of(arm)
    edges = [0, *way.halts, way.epochs]
    failed = (trial, arm) in world.failed_trials
    order: list[int] = []
    trained = 0
    for segment, (before, last) in enumerate(pairwise(edges)):
        first = segment == 0 and way.halts[:1] == world.of("control").halts[:1]
        shared = first or arm == "control"
        parents = order[:2]
        made = []
        for member in range(way.populations[segment]):
            lost = (trial, arm, segment, member) in world.failed_members
            path = _losses(world, trial, arm, segment, member, before, last)
            start = "fresh" if segment == 0 else "continue" if arm == "control" else "offspring"
            if arm == "restart" and segment:
                start = "restart"
            ends = dict(path[-1])
            test_loss = ends["val_loss"] * 1.02 * (1 - world.test_gains.get(arm, 0.0))
            ends |= {"train_loss": ends["loss"] * 0.95, "test_loss": test_loss}
            ends |= {"train_accuracy": ends["accuracy"], "test_accuracy": ends["val_accuracy"]}
            if arm in world.averaged and segment:
                ends |= {"loss": float("nan"), "accuracy": float("nan")}
            if lost:
                ends = dict.fromkeys(FINAL_METRICS, float("nan"))
            folder = f"trial-{trial:03}/{'' if shared else arm + '/'}"
            folder += f"segment-{segment}/member-{member:02}"
            made.append(
                {
                    "trial": trial,
                    "arm": arm,
                    "segment": segment,
                    "member": member,
                    "folder": folder,
                    "start": start,
                    "parents": " ".join(map(str, parents)) if start == "offspring" else "",
                    "species": member % 2,
                    "first_epoch": before + 1,
                    "last_epoch": last,
                    "status": "diverged" if lost else "done",
                    "reason": "loss is nan in epoch 2 <script>" if lost else "",
                    "log": f"{folder}/error.txt" if lost else "",
                    **{metric: ends[metric] for metric in FINAL_METRICS},
                    "start_val_loss": 0.9 if start == "offspring" else float("nan"),
                    **genome_of(world, segment, member),
                    "fitness": ends["train_loss"],
                    "rank": 0,
                    "started_unix_s": 1.7e9 + 60 * segment + trial,
                    "wall_s": 0.6 * (last - before),
                    "earlier_wall_s": 0.0,
                    "cpu_s": 0.59 * (last - before),
                    "peak_memory_mb": 612.0 + member,
                    "host": "node-1",
                    "worker": "1:main",
                    "engine": "xla",
                    "remarks": "",
                }
            )
            for epoch, losses in zip(range(before + 1, last + 1), path, strict=True):
                if lost and epoch > before + 1:
                    break
                if world.early and epoch > max(last - 1 - member % 2, before + 1):
                    break
                key = {"trial": trial, "arm": arm, "segment": segment, "member": member}
                relatives = way.relatives[segment]
                rows["epochs"].append(
                    {**key, "epoch": epoch, **losses, "wall_s": 0.6, "relatives": relatives}
                )
                trained += relatives
            if start == "offspring":
                rows["matings"].append(_mating(trial, arm, segment, before, member, parents))
        fitness = np.array([row["fitness"] for row in made])
        order = [int(member) for member in np.argsort(fitness, kind="stable")]  # NaN last
        for place, member in enumerate(order):
            made[member]["rank"] = place
        rows["members"].extend(made)
    best = made[order[0]]
    rows["trials"].append(
        {
            "trial": trial,
            "arm": arm,
            "status": "failed" if failed else "done",
            "reason": "fewer than 2 members left" if failed else "",
            "champion": "best",
            "members": str(order[0]),
            **{metric: float("nan") if failed else best[metric] for metric in FINAL_METRICS},
            **genome_of(world, len(edges) - 2, order[0]),
            "fitness": float("nan") if failed else best["fitness"],
            "network_epochs": trained,
            "teaching_epochs": way.teaching_epochs,
            "serial_epochs": way.epochs,
            "halts_wall_s": 0.5 + 0.01 * trial,
            "failed_members": sum(row["status"] != "done" for row in made),
        }
    )


def _losses(
    world: World, trial: int, arm: str, segment: int, member: int, before: int, last: int
) -> list[dict[str, float]]:
    """Make up one member's metrics for each epoch of a segment."""
    address = [trial, segment, member]
    if segment and arm != "control":
        address.append(1 + list(world.arms).index(arm))
    rng = np.random.default_rng([world.seed, *address])
    common = np.random.default_rng([world.seed, trial]).normal(1.0, 0.05)
    gain, held_out_gain = {**GAINS, **world.gains}.get(arm, (0.02, 0.02)) if segment else (0.0, 0.0)
    path = []
    for epoch in range(before + 1, last + 1):
        done = epoch / world.epochs
        since = epoch - before - 1
        spike = 1 + (0.6 * 0.5**since if segment and gain < -0.05 else 0.0)
        noise = rng.normal(0.0, 0.03, 2)
        loss = (0.08 + 0.5 * np.exp(-3 * done)) * common * (1 - gain) * spike * np.exp(noise[0])
        held_out = (0.33 + 0.3 * np.exp(-8 * done) + 0.1 * done) * common * (1 - held_out_gain)
        held_out *= spike**0.5 * np.exp(0.5 * noise[1])
        loss, held_out = (max(each - world.shift, world.least) for each in (loss, held_out))
        accuracy = float("nan") if world.regression else 1 - 0.3 * loss
        held_out_accuracy = float("nan") if world.regression else 1 - 0.3 * held_out
        path.append(
            {
                "loss": float(loss),
                "accuracy": float(accuracy),
                "val_loss": float(held_out),
                "val_accuracy": float(held_out_accuracy),
            }
        )
    return path


def _mating(
    trial: int, arm: str, segment: int, epoch: int, child: int, parents: list[int]
) -> dict[str, Any]:
    """Make up one row of `matings`."""
    return {
        "trial": trial,
        "arm": arm,
        "halt": segment - 1,
        "epoch": epoch,
        "child": child,
        "parents": " ".join(map(str, parents)),
        "species": child % 2,
        "crossover": arm,
        "align": "none",
        "mutation": "gaussian",
        "optimizer": "fresh",
        "parents_fitness": 0.3,
        "distance_raw": 1.0,
        "distance_aligned": 0.7,
        "barrier_raw": 0.8,
        "barrier_aligned": 0.2,
        "child_val_loss": 0.9,
        "took_part": "crossed" if len(parents) > 1 else "inherited",
        "parent_count": len(parents),
        "parent_species": len({parent % 2 for parent in parents}),
        "teachers": child % 2 * len(parents),
        "best_parent_fitness": 0.3,
        "child_fitness": 0.25 + 0.01 * child,
    }


@pytest.fixture(scope="session")
def tables_of() -> Callable[..., Tables]:
    """Return a function from the fields of a `World` to its tables."""

    def make(**fields: Any) -> Tables:
        return make_tables(World(**fields))

    return make


@pytest.fixture(scope="session")
def tables() -> Tables:
    """A run of five arms and six trials in which all went well."""
    return make_tables(World())


@pytest.fixture(scope="session", params=WORLDS, ids=lambda name: name.replace(" ", "-"))
def odd_tables(request: pytest.FixtureRequest) -> Tables:
    """The tables of each of `WORLDS`."""
    return make_tables(World(**WORLDS[request.param]))


@pytest.fixture(scope="session", params=LACKING, ids=lambda name: name.replace(" ", "-"))
def lacking_tables(request: pytest.FixtureRequest) -> Tables:
    """The tables of each of `LACKING`."""
    return make_tables(World(**LACKING[request.param]))


@pytest.fixture(scope="session", params=[False, True], ids=["whole", "early"])
def differing(request: pytest.FixtureRequest) -> Tables:
    """The tables of `DIFFERING`, and of the same with members that end early."""
    return make_tables(World(**DIFFERING, early=request.param))


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., RunDir]:
    """Return a function that writes tables as a run directory."""

    def write(tables: Tables, name: str = "made up", **files: Any) -> RunDir:
        return write_run(tmp_path / "runs" / name, tables, **files)

    return write
