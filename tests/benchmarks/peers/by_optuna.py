"""Optuna: TPE, Hyperband pruning, a process for each worker that share a journal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from search import Gene, Job, fit, is_over, load, one_core, read_job, seeded, settings

NAME = "search"


def ask(trial: optuna.Trial, name: str, gene: Gene) -> object:
    """Return a value that Optuna suggests."""
    if "values" in gene:
        return trial.suggest_categorical(name, gene["values"])
    low, high, log = gene["low"], gene["high"], gene.get("log", False)
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=log)
    return trial.suggest_float(name, low, high, log=log)


def study(job: Job, worker: int) -> optuna.Study:
    """Return the study of all workers, sampled by one of them."""
    return optuna.create_study(
        study_name=NAME,
        storage=JournalStorage(JournalFileBackend(str(Path(job.scratch) / "journal.log"))),
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=1_000 * job.seed + worker),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=job.epochs),
    )


def tried(trial: optuna.Trial, job: Job, data: Mapping[str, Any]) -> float:
    """Train the network of a trial, and return its lowest held-out loss.

    Raises:
        optuna.TrialPruned: it was ended early.
    """
    pruned = False

    def after(epoch: int, val_loss: float) -> bool:
        nonlocal pruned
        trial.report(val_loss, epoch)
        # It is asked once an epoch: the answer is about the next rung the second time.
        pruned = trial.should_prune()
        return pruned

    loss = fit(job, data, settings(job.space, lambda name, gene: ask(trial, name, gene)), after)
    if pruned:
        raise optuna.TrialPruned
    return loss


def search(job: Job, worker: int) -> None:
    """Try networks until the job is over."""
    one_core()
    seeded(job, worker)
    data = load(job)

    def stop(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if is_over(job):
            study.stop()

    study(job, worker).optimize(lambda trial: tried(trial, job, data), callbacks=[stop])


def main() -> None:
    """Start the workers, or be one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    job = read_job()
    if len(sys.argv) > 2:
        search(job, int(sys.argv[2]))
        return
    study(job, 0)
    command = [sys.executable, __file__, sys.argv[1]]
    workers = [subprocess.Popen([*command, str(worker)]) for worker in range(job.workers)]
    sys.exit(max(each.wait() for each in workers))


if __name__ == "__main__":
    main()
