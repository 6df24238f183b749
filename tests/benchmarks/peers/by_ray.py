"""Ray Tune: random search, ASHA, one core a trial."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator
from search import Gene, Job, fit, is_over, load, one_core, read_job, seeded, settings


def domain(gene: Gene) -> Any:
    """Return a parameter as Ray describes it."""
    if "values" in gene:
        return tune.choice(gene["values"])
    low, high, log = gene["low"], gene["high"], gene.get("log", False)
    if isinstance(low, int) and isinstance(high, int):
        return tune.lograndint(low, high + 1) if log else tune.randint(low, high + 1)
    return tune.loguniform(low, high) if log else tune.uniform(low, high)


def space(job: Job) -> dict[str, Any]:
    """Return the space; of a list as many entries as it may have."""
    found: dict[str, Any] = {}
    for name, gene in job.space.items():
        names = [name]
        if per := gene.get("per"):
            other = job.space[per]
            names = [
                f"{name}_{layer}" for layer in range(other.get("high") or max(other["values"]))
            ]
        found |= {each: domain(gene) for each in names}
    return found


def trainable(values: dict[str, Any]) -> None:
    """Train one network and report every epoch."""
    job = Job(**values.pop("job"))
    one_core()
    seeded(job, values.pop("number"))

    def after(epoch: int, val_loss: float) -> bool:
        tune.report({"val_loss": val_loss})
        return False

    fit(job, load(job), settings(job.space, lambda name, gene: values[name]), after)


class Over(tune.Stopper):
    """Ends all trials when the job is over."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return is_over(self._job)

    def stop_all(self) -> bool:
        return is_over(self._job)


def main() -> None:
    """Search until the job is over."""
    job = read_job()
    # Ray's sockets have a short path or none.
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        ray.init(
            num_cpus=job.workers,
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            # Every trial is a process of its own: its weights begin with a number that is drawn.
            param_space={
                **space(job),
                "number": tune.randint(0, 2**31),
                "job": asdict(job),
            },
            tune_config=tune.TuneConfig(
                metric="val_loss",
                mode="min",
                num_samples=-1,
                search_alg=BasicVariantGenerator(random_state=job.seed),
                scheduler=ASHAScheduler(max_t=job.epochs, grace_period=1, reduction_factor=3),
            ),
            run_config=tune.RunConfig(
                name="search", storage_path=job.scratch, stop=Over(job), verbose=0
            ),
        ).fit()
        ray.shutdown()


if __name__ == "__main__":
    main()
