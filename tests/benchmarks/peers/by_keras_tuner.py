"""KerasTuner: Hyperband, a chief that asks and a process for each worker."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import keras_tuner
from keras_tuner.errors import FatalError
from search import (
    EVALUATED_AT_ONCE,
    Gene,
    Job,
    is_over,
    load,
    network,
    one_core,
    read_job,
    recorder,
    seeded,
    settings,
)


def ask(hp: keras_tuner.HyperParameters, name: str, gene: Gene) -> Any:
    """Return a value that KerasTuner suggests."""
    if "values" in gene:
        ordered = gene.get("ordered", False) or None
        return hp.Choice(name, gene["values"], ordered=ordered)
    low, high = gene["low"], gene["high"]
    kind = hp.Int if isinstance(low, int) and isinstance(high, int) else hp.Float
    return kind(name, low, high, sampling="log" if gene.get("log") else "linear")


def processes(job: Job) -> list[str]:
    """Return what KerasTuner calls the chief and the workers."""
    return ["chief", *(f"tuner{worker}" for worker in range(job.workers))]


def search(job: Job, process: str) -> None:
    """Try networks until the job is over; the chief only answers the workers."""
    one_core()
    seeded(job, processes(job).index(process))
    data = load(job)

    def after(epoch: int, val_loss: float) -> bool:
        if is_over(job):
            raise FatalError("the budget is spent")  # what ends all of a tuner's search
        return False

    def build(hp: keras_tuner.HyperParameters) -> Any:
        return network(job, settings(job.space, lambda name, gene: ask(hp, name, gene)))

    tuner = keras_tuner.Hyperband(
        build,
        objective="val_loss",
        max_epochs=job.epochs,
        factor=3,
        hyperband_iterations=1_000,
        seed=job.seed,
        directory=job.scratch,
        project_name="search",
    )
    tuner.search(
        data["x"],
        data["y"],
        batch_size=job.batch_size,
        validation_data=(data["val_x"], data["val_y"]),
        validation_batch_size=EVALUATED_AT_ONCE,
        callbacks=[recorder(job, data, after)],
        verbose=0,
    )


def main() -> None:
    """Start the chief and the workers, or be one of them."""
    job = read_job()
    if process := os.environ.get("KERASTUNER_TUNER_ID"):
        try:
            search(job, process)
        except FatalError:
            sys.exit(0)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, sys.argv[1]]
    place = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
    chief, *workers = [
        subprocess.Popen(command, env=os.environ | place | {"KERASTUNER_TUNER_ID": name})
        for name in processes(job)
    ]
    codes = [each.wait() for each in workers]
    chief.terminate()
    chief.wait()
    if any(codes):
        sys.exit(1)


if __name__ == "__main__":
    main()
