"""Small experiments, engines without Parsl, and the command in this process or its own."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import pandas as pd
import tomli_w
from pandas.testing import assert_frame_equal

from apps.messages.results import CheckpointRef, Cost, EpochRecord, Failure, TrainResult
from apps.messages.specs import OperatorSpec
from apps.messages.tasks import MateTask, Task, Workplace
from apps.records.run_dir import RunDir
from apps.records.tables_schema import TABLES
from apps.tasks.perform import Outcome, find, perform
from tests.support.columns import reproducible
from workflow.driver.engine import MakeEngine, failure
from workflow.driver.run import Outcomes, Watcher, run_experiment
from workflow.driver.trial import build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.file import load_experiment
from workflow.runs.tables import make_tables

TINY: Final[dict[str, Any]] = {
    "name": "tiny",
    "seed": 5,
    "trials": 2,
    "population": 3,
    "data": {"name": "fashion_mnist_sample", "validation": 100, "train_limit": 200},
    "network": {"params": {"units": 4}},
    "training": {
        "epochs": 4,
        "batch_size": 50,
        "optimizer": "adam",
        "optimizer_params": {"learning_rate": 0.01},
    },
    "arms": [
        {"name": "control"},
        {"name": "restart", "halts": [0.5], "mating": "self"},
        {"name": "mean", "halts": [0.5], "crossover": "mean"},
        {"name": "random", "halts": [0.5], "crossover": "random", "measure": False},
        {"name": "twice", "halts": [1, 3], "crossover": "random", "measure": False},
    ],
}
"""All kinds of tasks in a second or two. Its data, network and training are everywhere the same,
so that a test session compiles one program; what varies is what the driver decides."""

FOLDER: Final = Path(tempfile.mkdtemp(prefix="heterosis-"))
"""Where the session's own experiments are: one search path for plug-ins, so one program."""

Tables = dict[str, pd.DataFrame]
Perform = Callable[[Task, Workplace, Sequence[Outcome]], Outcome]


def changed(**tables: Any) -> dict[str, Any]:
    """Return `TINY` with some of its tables replaced."""
    return deepcopy(TINY) | tables


def arms(*names: str) -> list[dict[str, Any]]:
    """Return some arms of `TINY`."""
    return [deepcopy(arm) for arm in TINY["arms"] if arm["name"] in names]


def write(folder: Path, table: dict[str, Any], name: str = "tiny.toml") -> Path:
    """Write an experiment file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(tomli_w.dumps(table))
    return path


def load(folder: Path, *settings: str, **tables: Any) -> Experiment:
    """Write an experiment file and load it."""
    return load_experiment(write(folder, changed(**tables), "loaded.toml"), settings)


# ------------------------------------------------------------------------------------- engines
class ImmediateEngine:
    """The serial executor: a task is performed when it is submitted, in this thread.

    Stored results are asked for first and failures are values, as with `ParslEngine`.

    Args:
        place: the run directory.
        performed: computes a task, in place of `apps.tasks.perform.perform`.

    Attributes:
        computed: folders of the tasks that were performed, in order.
    """

    def __init__(self, place: Workplace, performed: Perform = perform) -> None:
        self.computed: list[str] = []
        self._performed = performed
        self._place = place
        self._reused: set[str] = set()
        self._tasks: dict[Future[Outcome], tuple[Task, Sequence[Future[Outcome]]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, task: Task, upstream: Sequence[Future[Outcome]]) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self._tasks[future] = task, upstream
        self._perform(future, upstream)
        return future

    def outcome(self, future: Future[Outcome]) -> Outcome:
        error = future.exception(timeout=0)
        if error is None:
            return future.result()
        task, upstream = self._tasks[future]
        return failure(task, error, [self.outcome(each) for each in upstream])

    def reused(self, task: Task) -> bool:
        return task.folder in self._reused

    @property
    def broken(self) -> None:
        return None

    def running(self) -> int:
        return 0

    def waiting(self) -> list[str]:
        return []

    def connected(self) -> int:
        return 1

    def blocks(self, describe: object) -> list[object]:
        return []

    def stop(self) -> bool:
        return True

    def _perform(self, future: Future[Outcome], upstream: Sequence[Future[Outcome]]) -> None:
        task, _ = self._tasks[future]
        values = [self.outcome(each) for each in upstream]
        found = find(task, self._place, values)
        if found is not None:
            if not isinstance(found, Failure):
                self._reused.add(task.folder)
            future.set_result(found)
            return
        self.computed.append(task.folder)
        try:
            result = self._performed(task, self._place, values)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)


def serial(config: object, place: Workplace) -> ImmediateEngine:
    """Make the serial executor, whatever the site."""
    return ImmediateEngine(place)


class AnsweringEngine(ImmediateEngine):
    """Answers tasks of one kind by itself: with an outcome, or with what `answer` raises."""

    def __init__(self, place: Workplace, kind: type[Task], answer: Callable[[], Outcome]) -> None:
        super().__init__(place)
        self._kind = kind
        self._answer = answer

    def submit(self, task: Task, upstream: Sequence[Future[Outcome]]) -> Future[Outcome]:
        if isinstance(task, self._kind):
            return done(self._answer())
        return super().submit(task, upstream)


def answering(kind: type[Task], answer: Callable[[], Outcome]) -> MakeEngine:
    """Return what makes an `AnsweringEngine`."""
    return lambda config, place: AnsweringEngine(place, kind, answer)


def press(*_: object) -> NoReturn:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


class ShuffledEngine(ImmediateEngine):
    """Performs the tasks in a random order that the graph allows, once all are submitted.

    It is a watcher too: the driver's first tick sets it to work.
    """

    def __init__(self, place: Workplace, seed: int) -> None:
        super().__init__(place)
        self._random = random.Random(seed)
        self._waiting: dict[Future[Outcome], Sequence[Future[Outcome]]] = {}

    def submit(self, task: Task, upstream: Sequence[Future[Outcome]]) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self._tasks[future] = task, upstream
        self._waiting[future] = upstream
        return future

    def begin(self, graphs: object) -> None:
        pass

    def finished(self, node: object, outcome: Outcome, reused: bool) -> None:
        pass

    def tick(self) -> None:
        while self._waiting:
            ready = [each for each, up in self._waiting.items() if all(u.done() for u in up)]
            chosen = self._random.choice(ready)
            self._perform(chosen, self._waiting.pop(chosen))


@dataclass(frozen=True)
class Ran:
    """A run that came to its end."""

    outcomes: Outcomes
    tables: Tables
    computed: list[str]
    reused: list[str]


def drive(
    experiment: Experiment,
    root: Path,
    engine: ImmediateEngine | None = None,
    watchers: Sequence[Watcher] = (),
    keep_all: bool = False,
) -> Ran:
    """Run an experiment in a run directory, without Parsl."""
    place = Workplace(root=str(root), search_path=str(FOLDER))
    engine = engine or ImmediateEngine(place)
    outcomes = run_experiment(experiment, engine, place, watchers, keep_all)
    tasks = [node.task for graph in outcomes.graphs for node in graph.nodes.values()]
    reused = [task.folder for task in tasks if engine.reused(task)]
    return Ran(outcomes, make_tables(outcomes), engine.computed, reused)


# -------------------------------------------------------------------------------------- tables
def read_tables(root: Path) -> Tables:
    """Return the tables that a run wrote."""
    return {name: pd.read_parquet(RunDir(root).table(name)) for name in TABLES}


def assert_same(ours: Tables, theirs: Tables) -> None:
    """Check that two runs are the same, bit for bit, but for what clocks read."""
    assert ours.keys() == theirs.keys() == TABLES.keys()
    for name in TABLES:
        assert len(ours[name]), name
        assert_frame_equal(reproducible(ours[name]), reproducible(theirs[name]), check_exact=True)


# ------------------------------------------------------------------------------- directories
def events(root: Path) -> list[dict[str, Any]]:
    """Return the whole events of a run, whatever is being written just now."""
    path = RunDir(root).events_jsonl
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n") and line.strip()]


def last_start(recorded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tasks' events since the newest start."""
    starts = [index for index, event in enumerate(recorded) if event["event"] == "start"]
    since = recorded[starts[-1] :] if starts else []
    return [event for event in since if event["event"] == "task"]


def copied(run: Path, into: Path) -> Path:
    """Return a copy of a run directory, to be damaged."""
    return Path(shutil.copytree(run, into / run.name))


def begun(run: Path, root: Path) -> None:
    """Make a run directory that begins as `run` did and has nothing computed.

    A run that was begun is not rehearsed again, which saves a process of its own.
    """
    root.mkdir(parents=True)
    ours, theirs = RunDir(root), RunDir(run)
    shutil.copy(theirs.experiment_toml, ours.experiment_toml)
    shutil.copy(theirs.environment_json, ours.environment_json)
    shutil.copy(theirs.data_json, ours.data_json)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, and its folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def checkpoints(root: Path) -> Iterator[str]:
    """Yield the stored checkpoints below a run directory."""
    yield from (str(path.relative_to(root)) for path in root.rglob("checkpoint.safetensors"))


# ------------------------------------------------------------------------------------ mishaps
def mishaps_beside(folder: Path) -> None:
    """Put the plug-in `mishaps` into an experiment's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("mishaps.py"), folder)


def mishap_table(marker: Path) -> dict[str, Any]:
    """Return `TINY` with arms like its `twice`, in each of which other children come to grief.

    All of it is in trial 0 after the first halt, and while the file `marker` is there.
    """

    def arm(name: str, how: str, *members: int) -> dict[str, Any]:
        settings = {"members": list(members), "how": how, "marker": str(marker)}
        return {
            "name": name,
            "halts": [1, 3],
            "crossover": "random",
            "measure": False,
            "mutation": {"name": "mishaps:mutate", **settings},
        }

    accidents = [arm("one", "raise", 1), arm("two", "raise", 0, 2), arm("astray", "nan", 1)]
    return changed(arms=[*arms("control"), *accidents])


def trained(
    member: int,
    val_loss: float,
    status: str = "done",
    reason: str = "",
    epochs: int = 0,
    log: tuple[str, ...] = (),
) -> TrainResult:
    """Return the result of a member that was never trained."""
    return TrainResult(
        fingerprint=f"{member} {val_loss}",
        member=member,
        status="done" if status == "done" else "diverged",
        reason=reason,
        epochs=tuple(EpochRecord(1 + epoch, {}, 0.0) for epoch in range(epochs)),
        final={"val_loss": val_loss},
        start={},
        checkpoint=CheckpointRef(f"member-{member}/checkpoint.safetensors", "0"),
        cost=Cost(0.0, 0.0, 0.0, 0.0, "here", "this"),
        log=log,
    )


def mating_task(folder: Path, number: int, **settings: str) -> MateTask:
    """Return a task that needs no TensorFlow: a mating whose selection is `mishaps:select`."""
    graph = build_trial(load(folder), 0)
    mating = graph.segments["random"][2].mating
    assert mating is not None
    selection = OperatorSpec("mishaps:select", dict(settings))
    return replace(mating.task, selection=selection, folder=f"matings/{number}")


def done(value: Outcome) -> Future[Outcome]:
    """Return a future that is done."""
    future: Future[Outcome] = Future()
    future.set_result(value)
    return future


def broken_off(run: Path, into: Path, *missing: str) -> Path:
    """Return a copy of a finished run as it was before its end, without some tasks' results.

    Args:
        run: the run directory.
        into: folder for the copy.
        missing: patterns of the folders of tasks, below the run directory.
    """
    root = copied(run, into)
    left = RunDir(root)
    for folder in (left.tables, left.report, left.champion):
        shutil.rmtree(folder)
    gone = {path for pattern in missing for path in root.glob(f"{pattern}/result.json")}
    for path in gone:
        path.unlink()
    folders = {str(path.parent.relative_to(root)) for path in gone}
    kept = [each for each in events(root) if each.get("folder") not in folders | {"champion"}]
    lines = [json.dumps(each) for each in kept if each["event"] != "end"]
    left.events_jsonl.write_text("\n".join(lines) + "\n")
    return root
