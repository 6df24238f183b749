"""Many tasks with training replaced by nothing: what the driver itself takes.

`python tests/benchmarks/tasks.py own|bare|resume|search SITE FOLDER TASKS` is one measured process.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import psutil
from measures import Measure

FEW: Final = 1_000
MANY: Final = 10_000
TRACED: Final = 3_000
MOST_BYTES_A_TASK: Final = 1024
MOST_RESUME_S: Final = 10.0
MOST_DRIVER_MB: Final = 500.0
GENERATIONS: Final = 10
SITES: Final = ("local_threads", "local_processes")
TRIALS: Final = 96
POPULATION: Final = 14


def throughput() -> Iterator[Measure]:
    """Measure both local sites, each beside Parsl alone."""
    for site in SITES:
        own, bare = (_process(kind, site, MANY) for kind in ("own", "bare"))
        yield Measure(
            f"{MANY:,} tasks through {site}",
            own["tasks_a_second"],
            "tasks/s",
            details=f"Parsl alone {bare['tasks_a_second']:.0f}; the first result after "
            f"{own['start_up_s']:.1f} s; the driver held {own['few_mb']:.0f} MB after {FEW:,} "
            f"tasks and {own['many_mb']:.0f} MB after {MANY:,}",
        )
        # What Python allocates, traced: what a process holds depends on what was freed where.
        grown = [_process(kind, site, TRACED)["bytes_a_task"] for kind in ("own", "bare")]
        yield Measure(
            f"memory a task of {site}, beyond Parsl's own",
            grown[0] - grown[1],
            "bytes",
            most=MOST_BYTES_A_TASK,
            details=f"{grown[0]:.0f} bytes, Parsl alone {grown[1]:.0f}",
        )


def resuming() -> Iterator[Measure]:
    """Measure a run whose tasks are all finished."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "resume", "", folder, "0"]
        numbers = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    told = f"{numbers['tasks']:,} finished tasks"
    yield Measure(
        f"resuming a run of {told}",
        numbers["resume_s"],
        "s",
        most=MOST_RESUME_S,
        details=f"to all outcomes, on threads; computing them took {numbers['run_s']:.0f} s",
    )
    yield Measure(f"status of a run of {told}", numbers["status_s"], "s", most=MOST_RESUME_S)


def searching() -> Iterator[Measure]:
    """Measure a search of many members over ten generations."""
    numbers = _process("search", "local_threads", FEW)
    told = f"a search of {FEW:,} members x {GENERATIONS} generations that learn nothing"
    yield Measure(
        f"{told}: tasks",
        numbers["tasks_a_second"],
        "tasks/s",
        details=f"{numbers['tasks']:,.0f} tasks on threads in {numbers['run_s']:.0f} s, mating and "
        "speciation included",
    )
    yield Measure(f"{told}: driver", numbers["most_mb"], "MB", most=MOST_DRIVER_MB)


def _process(kind: str, site: str, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, kind, site, folder, str(count)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        numbers: dict[str, float] = json.loads(done.stdout)
        return numbers


def _measured(submit: Any, count: int) -> dict[str, float]:
    if count == TRACED:
        tracemalloc.start()
    began = time.perf_counter()
    _all([submit(0)])
    start_up_s = time.perf_counter() - began
    # Futures are kept, as a run keeps those of its graph.
    kept = [submit(number) for number in range(1, FEW)]
    _all(kept)
    few_mb, few_bytes = _resident_mb(), _allocated()
    began = time.perf_counter()
    kept += [submit(number) for number in range(FEW, count)]
    _all(kept)
    seconds = time.perf_counter() - began
    return {
        "start_up_s": start_up_s,
        "tasks_a_second": (count - FEW) / seconds,
        "few_mb": few_mb,
        "many_mb": _resident_mb(),
        "bytes_a_task": (_allocated() - few_bytes) / (count - FEW),
    }


def _all(futures: Sequence[Future[Any]]) -> None:
    wait(futures)
    for future in futures:
        future.result()


def _allocated() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _resident_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / 2**20)


# -------------------------------------------------------------------------- measured processes
def bare(site: str, folder: Path, count: int) -> dict[str, float]:
    """Measure Parsl alone: the same tasks on the same configuration, without the engine."""
    import parsl

    from apps.tasks.parsl_apps import entry
    from site_configs.options import find_site

    message, place = _mating(folder)
    with parsl.load(find_site(site).config(folder / "parsl", 2)):
        app = parsl.python_app(entry("mate"), cache=False)
        return _measured(
            lambda number: app(replace(message, folder=f"matings/{number}"), place, *_members()),
            count,
        )


def own(site: str, folder: Path, count: int) -> dict[str, float]:
    """Measure the engine."""
    from site_configs.options import find_site
    from workflow.driver.engine import ParslEngine

    message, place = _mating(folder)
    with ParslEngine(find_site(site).config(folder / "parsl", 2), place) as engine:
        return _measured(
            lambda number: engine.submit(replace(message, folder=f"matings/{number}"), _members()),
            count,
        )


def _mating(folder: Path) -> tuple[Any, Any]:
    """Return a mating that chooses among three members, and stores its plan."""
    from apps.messages.tasks import Workplace
    from tests.support.experiments import mating_task, mishaps_beside

    mishaps_beside(folder)
    place = Workplace(root=str(folder / "run"), search_path=str(folder))
    return mating_task(folder, 0, how="none"), place


@cache
def _members() -> list[Future[Any]]:
    from tests.support.experiments import done, trained

    return [done(trained(member, 0.1 * (1 + member))) for member in range(3)]


def search(site: str, folder: Path, members: int) -> dict[str, float]:
    """Measure a whole search of members that learn nothing: architectures, species, plans."""
    import resource

    from apps.messages.tasks import Workplace
    from site_configs.options import find_site
    from tests.support.experiments import load
    from workflow.driver.engine import ParslEngine
    from workflow.driver.run import run_experiment

    _train_nothing()
    experiment = load(
        folder,
        trials=1,
        population=members,
        network={"builder": "mlp"},
        training={"epochs": GENERATIONS, "optimizer": "adam"},
        space={
            "depth": {"low": 1, "high": 3},
            "units": {"low": 8, "high": 256, "log": True, "per": "depth"},
            "dropout": {"low": 0.0, "high": 0.5},
        },
        arms=[
            {"name": "control"},
            {
                "name": "heterosis",
                "halts": list(range(1, GENERATIONS)),
                "mating": "species",
                "species": {"method": {"name": "threshold", "threshold": 0.3}, "stagnation": 3},
                "measure": False,
            },
        ],
    )
    place = Workplace(root=str(folder / "run"), search_path=str(folder))
    (folder / "run").mkdir()
    began = time.perf_counter()
    with ParslEngine(find_site(site).config(folder / "parsl", 2), place) as engine:
        outcomes = run_experiment(experiment, engine, place, [])
    seconds = time.perf_counter() - began
    assert not outcomes.failed_arms
    return {
        "tasks": len(outcomes.by_key),
        "run_s": seconds,
        "tasks_a_second": len(outcomes.by_key) / seconds,
        "most_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }


def _train_nothing() -> None:
    """Replace training by a result that is made up; all other tasks stay as they are."""
    from apps.tasks import train

    train.KIND = replace(train.KIND, body=_learnt_nothing)


def resume(_: str, folder: Path, __: int) -> dict[str, float]:
    """Measure a whole run of members that learn nothing, and the same run once more."""
    from contextlib import ExitStack

    from rich.console import Console

    from apps.messages.objective import Objective
    from apps.messages.tasks import Workplace
    from site_configs.options import find_site
    from tests.support.experiments import load
    from workflow.driver.displays import PlainDisplay
    from workflow.driver.engine import ParslEngine
    from workflow.driver.progress import Journal, read_tally
    from workflow.driver.run import run_experiment

    _train_nothing()
    arms = [
        {"name": "control"},
        *(
            {"name": f"mean-{epoch}", "halts": [epoch], "crossover": "mean", "measure": False}
            for epoch in (1, 2, 3)
        ),
    ]
    experiment = load(folder, trials=TRIALS, population=POPULATION, arms=arms)
    place = Workplace(root=str(folder / "run"), search_path=str(folder))
    seconds = []
    (folder / "run").mkdir()
    for _ in range(2):
        display = PlainDisplay(Console(stderr=True), float("inf"))
        began = time.perf_counter()
        with ExitStack() as stack:
            site = find_site("local_threads").config(folder / "parsl", 2)
            engine = stack.enter_context(ParslEngine(site, place))
            log = folder / "run" / "events.jsonl"
            journal = Journal(log, Objective("val_loss"), display, engine.running)
            outcomes = run_experiment(experiment, engine, place, [journal])
            journal.close("finished")
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    tally = read_tally(folder / "run" / "events.jsonl")
    status_s = time.perf_counter() - began
    assert tally.reused == len(outcomes.by_key)
    return {
        "tasks": len(outcomes.by_key),
        "run_s": seconds[0],
        "resume_s": seconds[1],
        "status_s": status_s,
    }


def _learnt_nothing(task: Any, place: Any) -> Any:
    import numpy as np

    from apps.messages.results import CheckpointRef, EpochRecord, TrainResult
    from apps.records.checkpoints import Checkpoint, save_checkpoint
    from apps.records.run_dir import CHECKPOINT

    folder = Path(place.root) / task.folder
    digest = save_checkpoint(folder / CHECKPOINT, Checkpoint({"w": np.zeros(1, np.float32)}))
    loss = 1.0 + task.member
    metrics = dict.fromkeys(("loss", "val_loss", "train_loss", "test_loss"), loss)
    epochs = range(task.first_epoch + 1, task.last_epoch + 1)
    return TrainResult(
        member=task.member,
        status="done",
        reason="",
        epochs=tuple(EpochRecord(epoch, metrics, 0.0) for epoch in epochs),
        final=metrics,
        start={},
        checkpoint=CheckpointRef(f"{task.folder}/{CHECKPOINT}", digest),
        genome=task.genome,
    )


if __name__ == "__main__":
    kind, site, folder, count = sys.argv[1:]
    sys.path[:0] = [str(Path(__file__).parents[2])]
    print(
        json.dumps(
            {"own": own, "bare": bare, "resume": resume, "search": search}[kind](
                site, Path(folder), int(count)
            )
        )
    )
