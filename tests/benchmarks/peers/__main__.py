"""The search of heterosis against those that a user would take instead: same space, data, budget.

    python -m venv peers; peers/bin/pip install -r tests/benchmarks/peers/requirements.txt
    python tests/benchmarks/peers --python peers/bin/python [search_mlp] [--arm heterosis]

runs one arm of a ready search as a user does, start-up and report included, and then Optuna (TPE,
Hyperband pruning), KerasTuner (Hyperband) and Ray Tune (ASHA), each by `Model.fit` and as its
documentation says, on as many workers of one core. A peer searches until it has spent both as many
network-epochs and as much time; its best network is the one with the lowest held-out loss in any of
its epochs until then, where the arm's champion is the one at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import pandas as pd
import tomli_w
from search import Job, lines

from analysis.statistics.intervals import mean_interval
from apps.datasets.load import COLLECTIONS, load_dataset
from apps.messages.specs import MatingSpec
from apps.networks.builders import BUILDERS
from apps.plugins.load import is_plugin
from apps.records.run_dir import RunDir
from workflow.experiment.arms import Arm, Average
from workflow.experiment.config import Experiment, Training
from workflow.experiment.file import find_experiment, read_experiment
from workflow.experiment.halts import Halt
from workflow.experiment.space import GeneSettings

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
PEERS: Final = {
    "Optuna": "by_optuna.py",
    "KerasTuner": "by_keras_tuner.py",
    "Ray Tune": "by_ray.py",
}

# What the peers do too, or what is the search itself: another key must have its default.
OF_TRAINING: Final = ("epochs", "batch_size", "optimizer", "optimizer_params", "engine")
OF_GENE: Final = ("values", "ordered", "low", "high", "log", "per", "of", "structural")
OF_ARM: Final = ("name", "population", "epochs", "family", "halts", "harvest")
OF_HALT: Final = (
    *MatingSpec.known_keys(),
    *("at", "mating", "crossover", "align", "repair", "mutation", "mutation_decay"),
    *("population", "search", "teach", "family"),
)


@dataclass(frozen=True)
class Found:
    """The best network of a search.

    Attributes:
        trial: which repetition.
        who: the arm, or the peer.
        at: `network-epochs` or `time`, what was equal.
        network_epochs: that it was trained for.
        seconds: that it took, from the start of the first process.
        val_loss: of its best network, held-out.
        test_loss: of the same.
        test_accuracy: likewise.
    """

    trial: int
    who: str
    at: str
    network_epochs: float
    seconds: float
    val_loss: float
    test_loss: float
    test_accuracy: float


def main() -> int:
    """Run all searches of all trials that are not there yet, and print the table."""
    parser = argparse.ArgumentParser(prog="peers", description=__doc__.partition("\n")[0])
    parser.add_argument("experiment", nargs="?", default="search_mlp")
    parser.add_argument("--arm", default="heterosis", help="of the experiment")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--python", required=True, help="of the peers' environment")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"), help="finished ones stay")
    asked = parser.parse_args()
    experiment = read_experiment(find_experiment(asked.experiment), asked.set)
    _check(experiment, asked.arm)
    found = []
    for trial in range(asked.trials):
        folder = asked.out.resolve() / f"{asked.experiment}-{trial}"
        folder.mkdir(parents=True, exist_ok=True)
        ours = _our_search(asked, experiment, trial, folder)
        found += [ours, *_their_searches(asked, experiment, trial, folder, ours)]
        pd.DataFrame([asdict(each) for each in found]).to_csv(asked.out / "peers.csv", index=False)
    print(_table(found, asked.arm))
    return 0


def _check(experiment: Experiment, name: str) -> None:
    """Refuse what the peers' scripts would leave out without a word."""
    arm = next((each for each in experiment.arms if each.name == name), None)
    if arm is None:
        sys.exit(f"{experiment.name} has no arm {name!r}")
    if unknown := [*_left_out(experiment, arm)]:
        sys.exit(
            f"{experiment.name}: the peers search spaces of ready networks on built-in data, and "
            f"would leave out {', '.join(unknown)}"
        )


def _left_out(experiment: Experiment, arm: Arm) -> Iterator[str]:
    """Yield the keys of an experiment and an arm that the peers know nothing of."""
    if experiment.data.name not in COLLECTIONS:  # bytes, and a class each
        yield f"data.name = {experiment.data.name!r}"
    if experiment.network.builder not in BUILDERS:
        yield f"network.builder = {experiment.network.builder!r}"
    training = experiment.training
    yield from _others(training, Training(epochs=training.epochs), OF_TRAINING, "training.")
    if is_plugin(training.optimizer or ""):
        yield f"training.optimizer = {training.optimizer!r}"
    if not experiment.space:
        yield "that there is no space"
    for name, gene in (experiment.space or {}).items():
        yield from _others(gene, GeneSettings(values=()), OF_GENE, f"space.{name}.")
        if gene.of == "training" or (gene.per and gene.values is None):
            yield f"space.{name}"
    plain = Arm(name=arm.name, average=Average(window=arm.average.window))
    yield from _others(arm, plain, OF_ARM, f"arms.{arm.name}.")
    for halt in arm.halts:
        yield from _others(halt, Halt(at=halt.at), OF_HALT, f"arms.{arm.name}.halts.")


def _others(table: Any, plain: Any, known: Iterable[str], where: str) -> Iterator[str]:
    """Yield the keys beside known ones in which a table differs from a plain one."""
    for key in type(table).known_keys():
        if key not in known and getattr(table, key) != getattr(plain, key):
            yield where + key


def _our_search(
    asked: argparse.Namespace, experiment: Experiment, trial: int, folder: Path
) -> Found:
    stored = folder / "seconds.json"
    run = RunDir(folder / experiment.name)
    if not stored.exists():
        table = experiment.completed()
        # A run wants a control; one network's first epoch is the least that it can be.
        control = {"name": "control", "population": 1, "epochs": 1}
        arms = [control, *(arm for arm in table["arms"] if arm["name"] == asked.arm)]
        table |= {"trials": 1, "seed": experiment.seed + trial, "arms": arms}
        file = folder / f"{experiment.name}.toml"
        file.write_text(tomli_w.dumps(table), encoding="utf-8")
        command = [sys.executable, "-m", "heterosis", "run", file, "--quiet", "--fresh"]
        command += ["--runs", folder, "--workers", str(asked.workers)]
        began = time.time()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        stored.write_text(json.dumps(time.time() - began), encoding="utf-8")
    row = pd.read_parquet(run.table("trials")).set_index("arm").loc[asked.arm]
    spent = row["network_epochs"] + row["teaching_epochs"]
    seconds = json.loads(stored.read_text(encoding="utf-8"))
    losses = (float(row[name]) for name in ("val_loss", "test_loss", "test_accuracy"))
    print(f"trial {trial}, {asked.arm}: {spent:.0f} network-epochs, {seconds:.0f} s", flush=True)
    return Found(trial, asked.arm, "both", float(spent), seconds, *losses)


def _their_searches(
    asked: argparse.Namespace, experiment: Experiment, trial: int, folder: Path, ours: Found
) -> Iterator[Found]:
    budget = experiment.population * experiment.training.epochs
    for who in asked.peers:
        scratch = folder / who.replace(" ", "-").lower()
        stream, done = scratch / "stream.jsonl", scratch / "done"
        if not done.exists():
            job = _job(asked, experiment, trial, folder, scratch, budget, ours.seconds)
            _search(asked.python, PEERS[who], scratch, job)
            done.touch()
        epochs = lines(str(stream))
        in_time = [each for each in epochs if each["seconds"] <= ours.seconds]
        yield from _best(trial, who, "network-epochs", epochs[:budget])
        yield from _best(trial, who, "time", in_time)
        print(f"trial {trial}, {who}: {len(in_time)} network-epochs in that time", flush=True)


def _job(
    asked: argparse.Namespace,
    experiment: Experiment,
    trial: int,
    folder: Path,
    scratch: Path,
    budget: int,
    seconds: float,
) -> Job:
    data = load_dataset(experiment.data, experiment.seed + trial)
    arrays: dict[str, Any] = {}
    for prefix, samples in (
        ("", data.train),
        ("val_", data.validation),
        ("test_", data.test),
    ):
        arrays |= {f"{prefix}x": samples.x, f"{prefix}y": samples.y}
    np.savez(folder / "data.npz", **arrays)
    space = {
        name: gene.model_dump(exclude_unset=True) for name, gene in (experiment.space or {}).items()
    }
    training = experiment.training
    return Job(
        builder=experiment.network.builder,
        params=dict(experiment.network.params),
        space=space,
        input_shape=tuple(data.train.x.shape[1:]),
        classes=int(data.train.y.max()) + 1,
        epochs=training.epochs,
        batch_size=training.batch_size,
        optimizer=training.optimizer or "adam",
        optimizer_params=dict(training.optimizer_params),
        seed=experiment.seed + trial,
        workers=asked.workers,
        network_epochs=budget,
        seconds=seconds,
        began=0.0,
        data=str(folder / "data.npz"),
        stream=str(scratch / "stream.jsonl"),
        scratch=str(scratch),
    )


def _search(python: str, script: str, scratch: Path, job: Job) -> None:
    """Run a peer from its beginning to its end; what it prints is kept beside its stream."""
    if scratch.exists():  # of a search that was interrupted, which it would go on with
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True)
    file = scratch / "job.json"
    file.write_text(json.dumps(asdict(job) | {"began": time.time()}), encoding="utf-8")
    places = os.pathsep.join((str(HERE), str(ROOT)))
    with (scratch / "log.txt").open("w", encoding="utf-8") as log:
        done = subprocess.run(
            [python, HERE / script, file],
            check=False,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": places},
            cwd=scratch,
        )
    if done.returncode:
        sys.exit(f"{script} ended with {done.returncode}: {scratch / 'log.txt'} says why")


def _best(trial: int, who: str, at: str, epochs: list[dict[str, float]]) -> Iterator[Found]:
    told = [each for each in epochs if "test_loss" in each]
    if not told:
        return
    best = min(told, key=lambda each: each["val_loss"])
    yield Found(
        trial,
        who,
        at,
        len(epochs),
        epochs[-1]["seconds"],
        *(best[name] for name in ("val_loss", "test_loss", "test_accuracy")),
    )


def _table(found: list[Found], arm: str) -> str:
    ours = {each.trial: each for each in found if each.who == arm}
    texts = [
        f"{'':12} {'equal':>15} {'network-epochs':>15} {'seconds':>8} {'held-out':>9} {'test':>7} "
        f"{'error':>7}  {arm} is better by (held-out, test)"
    ]
    for who, at in dict.fromkeys((each.who, each.at) for each in found):
        rows = [each for each in found if (each.who, each.at) == (who, at)]
        means = {
            name: fmean(getattr(row, name) for row in rows)
            for name in ("network_epochs", "seconds", "val_loss", "test_loss", "test_accuracy")
        }
        gains = ", ".join(_gain(rows, ours, name) for name in ("val_loss", "test_loss"))
        texts.append(
            f"{who:12} {at:>15} {means['network_epochs']:15.0f} {means['seconds']:8.0f} "
            f"{means['val_loss']:9.4f} {means['test_loss']:7.4f} "
            f"{100 * (1 - means['test_accuracy']):6.2f} %  {'' if who == arm else gains}".rstrip()
        )
    return "\n".join(texts)


def _gain(rows: list[Found], ours: Mapping[int, Found], name: str) -> str:
    parts = np.array([1 - getattr(ours[row.trial], name) / getattr(row, name) for row in rows])
    interval = mean_interval(parts)
    if not np.isfinite(interval.low):  # too few trials
        return f"{100 * parts.mean():+.1f} %"
    return f"{100 * parts.mean():+.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


if __name__ == "__main__":
    sys.exit(main())
